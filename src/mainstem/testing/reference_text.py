"""Text functions of the reference, over code points."""

from __future__ import annotations

import re
from typing import Any

from mainstem.testing.reference_values import Meaning, RowFails, TooLarge, loose, strict

# A text longer than this is a failing row for the engines (4 GB) and out of question for a test.
_LONGEST = 1_000_000
_BEYOND = 4294967295


def _joined(a: Any, b: Any) -> Any:
    return a + b


def _like(text: str, pattern: str, escape: str = "", *, flags: int = 0) -> bool:
    made, i = "", 0
    while i < len(pattern):
        sign = pattern[i]
        if escape and sign == escape:
            i += 1
            if i == len(pattern):
                raise RowFails("the pattern ends in its escape character")
            made += re.escape(pattern[i])
        else:
            made += {"%": ".*", "_": "."}.get(sign, re.escape(sign))
        i += 1
    return re.fullmatch(made, text, re.DOTALL | flags) is not None


def _ilike(text: str, pattern: str, escape: str = "") -> bool:
    return _like(text, pattern, escape, flags=re.IGNORECASE | re.ASCII)


def _initcap(text: str) -> str:
    return " ".join(w[:1].upper() + w[1:].lower() for w in text.split(" "))


def _pad(text: str, length: int, pad: str, *, is_left: bool) -> str:
    if length > 2147483647 or length < -2147483648:
        raise RowFails("the length is over 2147483647")
    if length <= len(text):
        return text[: max(length, 0)]
    if not pad:
        raise RowFails("nothing to pad with")
    if length > _LONGEST:
        raise TooLarge("too long for a test")
    missing = length - len(text)
    filler = (pad * (missing // len(pad) + 1))[:missing]
    return filler + text if is_left else text + filler


def _substring(text: str, start: int, length: int | None = None) -> str:
    if abs(start) > _BEYOND or (length is not None and length > _BEYOND):
        raise RowFails("a start or length is beyond 4294967295")
    # A place before the first character still uses up the length.
    first = start if start >= 0 else len(text) + start + 1
    end = len(text) + 1 if length is None else first + max(length, 0)
    return text[max(first, 1) - 1 : max(end, 1) - 1]


def _split(text: str, separator: str) -> list[str]:
    if not separator:
        return list(text) if text else [""]
    return text.split(separator)


def _split_part(text: str, separator: str, place: int) -> str | None:
    parts = _split(text, separator)
    if place == 0 or abs(place) > len(parts):
        return None
    return parts[place - 1 if place > 0 else place]


def _repeat(text: str, times: int) -> str:
    if len(text) * times > _LONGEST:
        raise TooLarge("the result is too long")
    return text * max(times, 0)


def _translate(text: str, signs: str, others: str) -> str:
    places = {sign: i for i, sign in reversed(list(enumerate(signs)))}
    return "".join(
        c if c not in places else others[places[c]] if places[c] < len(others) else "" for c in text
    )


def _chr(number: int) -> str:
    if not 0 <= number <= 1114111 or 55296 <= number <= 57343:
        raise RowFails("no character has that number")
    return chr(number)


def _concat_ws(separator: str | None, *texts: str | None) -> str | None:
    return None if separator is None else separator.join(x for x in texts if x is not None)


MEANINGS: dict[str, Meaning] = {
    "||": Meaning(_joined),
    **strict(
        like=_like, ilike=_ilike,
        upper=lambda s: s.upper(), lower=lambda s: s.lower(), initcap=_initcap,
        length=len, octet_length=lambda s: len(s.encode()), bit_length=lambda s: 8 * len(s.encode()),
        trim=lambda s, signs=" ": s.strip(signs) if signs else s,
        ltrim=lambda s, signs=" ": s.lstrip(signs) if signs else s,
        rtrim=lambda s, signs=" ": s.rstrip(signs) if signs else s,
        lpad=lambda s, n, pad=" ": _pad(s, n, pad, is_left=True),
        rpad=lambda s, n, pad=" ": _pad(s, n, pad, is_left=False),
        substring=_substring,
        left=lambda s, n: s[:n] if n >= 0 else s[: max(len(s) + n, 0)],
        right=lambda s, n: (s[-n:] if n < len(s) else s) if n > 0 else s[-n:] if n < 0 else "",
        split=_split, split_part=_split_part,
        position=lambda part, s: s.find(part) + 1, strpos=lambda s, part: s.find(part) + 1,
        starts_with=lambda s, part: s.startswith(part), ends_with=lambda s, part: s.endswith(part),
        contains=lambda s, part: part in s,
        repeat=_repeat, replace=lambda s, a, b: s.replace(a, b) if a else s, translate=_translate,
        reverse=lambda s: s[::-1], ascii=lambda s: ord(s[0]) if s else 0, chr=_chr,
    ),
    **loose(concat=lambda *texts: "".join(x for x in texts if x is not None), concat_ws=_concat_ws),
}  # fmt: skip
