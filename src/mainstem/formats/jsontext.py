"""A strict JSON reader (RFC 8259) that keeps what Python's own loses.

The standard library's parser gives numbers as floats (0.12345678901234567890 loses its digits),
accepts NaN and lone surrogates, and forgets the text of a nested value. Each of these would let a
value into a column that does not hold what the file says.
"""

from __future__ import annotations

import re

from mainstem.formats.records import Misfit
from mainstem.record import record

MAX_DEPTH = 200

# Not a plain text: "" is in every text, and the end would never be left.
_SPACES = frozenset(" \t\n\r")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SPECIAL = re.compile(r'["\\\x00-\x1f]')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = ("true", "false", "null")


@record
class Json:
    """One JSON value.

    Parameters
    ----------
    kind : str
        ``string``, ``number``, ``object``, ``array``, ``true``, ``false`` or ``null``.
    raw : str
        The value as written in the file.
    text : str
        A string's content without quotes and escapes; empty for other kinds.
    items : tuple of Json
        Elements of an array, values of an object.
    keys : tuple of str
        Keys of an object, in order, repeated ones included.
    """

    kind: str
    raw: str
    text: str = ""
    items: tuple[Json, ...] = ()
    keys: tuple[str, ...] = ()


def parse_json(text: str) -> Json:
    """Read one JSON value that fills `text`, spaces around it allowed.

    Raises
    ------
    Misfit
        When it is not JSON; the reason names the character.
    """
    value, at = _value(text, _skip(text, 0), 0)
    at = _skip(text, at)
    if at < len(text):
        raise _wrong(text, at, "the end")
    return value


def _wrong(text: str, at: int, expected: str) -> Misfit:
    found = repr(text[at]) if at < len(text) else "the end"
    return Misfit(
        f"not JSON: {found} at character {at + 1} where {expected} should stand", code="NotJson"
    )


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACES:
        at += 1
    return at


def _value(text: str, at: int, depth: int) -> tuple[Json, int]:
    if depth > MAX_DEPTH:
        raise Misfit(f"nested deeper than {MAX_DEPTH} levels", code="NotJson")
    first = text[at : at + 1]
    if first == '"':
        content, end = _string(text, at)
        return Json("string", text[at:end], content), end
    if first == "{":
        return _object(text, at, depth)
    if first == "[":
        return _array(text, at, depth)
    for word in _WORDS:
        if text.startswith(word, at):
            return Json(word, word), at + len(word)
    match = _NUMBER.match(text, at)
    if match is None:
        raise _wrong(text, at, "a value")
    return Json("number", match[0]), match.end()


def _object(text: str, start: int, depth: int) -> tuple[Json, int]:
    keys: list[str] = []
    items: list[Json] = []
    at = _skip(text, start + 1)
    if text[at : at + 1] == "}":
        return Json("object", text[start : at + 1]), at + 1
    while True:
        if text[at : at + 1] != '"':
            raise _wrong(text, at, "a key in quotes")
        key, at = _string(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise _wrong(text, at, "':'")
        item, at = _value(text, _skip(text, at + 1), depth + 1)
        keys.append(key)
        items.append(item)
        at = _skip(text, at)
        if text[at : at + 1] == "}":
            raw = text[start : at + 1]
            return Json("object", raw, items=tuple(items), keys=tuple(keys)), at + 1
        if text[at : at + 1] != ",":
            raise _wrong(text, at, "',' or '}'")
        at = _skip(text, at + 1)


def _array(text: str, start: int, depth: int) -> tuple[Json, int]:
    items: list[Json] = []
    at = _skip(text, start + 1)
    if text[at : at + 1] == "]":
        return Json("array", text[start : at + 1]), at + 1
    while True:
        item, at = _value(text, at, depth + 1)
        items.append(item)
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            return Json("array", text[start : at + 1], items=tuple(items)), at + 1
        if text[at : at + 1] != ",":
            raise _wrong(text, at, "',' or ']'")
        at = _skip(text, at + 1)


def _string(text: str, start: int) -> tuple[str, int]:
    parts: list[str] = []
    at = start + 1
    while True:
        end = _plain_end(text, at)
        parts.append(text[at:end])
        at = end
        sign = text[at : at + 1]
        if sign == '"':
            return "".join(parts), at + 1
        if sign != "\\":
            raise _wrong(text, at, "the closing quote")
        part, at = _escape(text, at + 1)
        parts.append(part)


def _plain_end(text: str, at: int) -> int:
    match = _SPECIAL.search(text, at)
    return match.start() if match else len(text)


def _escape(text: str, at: int) -> tuple[str, int]:
    sign = text[at : at + 1]
    if sign in _ESCAPES and sign:
        return _ESCAPES[sign], at + 1
    if sign != "u":
        raise _wrong(text, at, "an escape such as \\n")
    code, at = _hex(text, at + 1)
    if 0xD800 <= code < 0xDC00:
        if text[at : at + 2] != "\\u":
            raise _wrong(text, at, "the second half of a surrogate pair")
        low, at = _hex(text, at + 2)
        if not 0xDC00 <= low < 0xE000:
            raise Misfit("not JSON: a surrogate without its second half", code="NotJson")
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
    elif 0xDC00 <= code < 0xE000:
        raise Misfit("not JSON: a surrogate without its first half", code="NotJson")
    return chr(code), at


def _hex(text: str, at: int) -> tuple[int, int]:
    digits = text[at : at + 4]
    if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
        raise _wrong(text, at, "four hexadecimal digits")
    return int(digits, 16), at + 4
