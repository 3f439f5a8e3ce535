"""Text functions. A text is a row of Unicode code points; order and equality go by its UTF-8 bytes (V6)."""

from __future__ import annotations

from mainstem.functions.spec import Fails, Function, ex, overload

_S = "string"
_TOO_LONG = "the result is longer than 4 GB"

CASES = (
    Function(
        "upper", "The text in capital letters. Letters with no single-letter capital, such as ß, may differ by engine (X1).",
        (overload(_S, gives=_S),), family="text", aliases=("ucase",), rules=("X1",),
        examples=(ex("abC 1", gives="ABC 1"), ex("é", gives="É"), ex("", gives=""),
                  ex(None, gives=None, types=_S)),
    ),
    Function(
        "lower", "The text in small letters. A few letters, such as İ, may differ by engine (X1).",
        (overload(_S, gives=_S),), family="text", aliases=("lcase",), rules=("X1",),
        examples=(ex("ABc 1", gives="abc 1"), ex("ÀÉ", gives="àé"), ex("", gives=""),
                  ex(None, gives=None, types=_S)),
    ),
    Function(
        "initcap", "Each word with a capital first letter and small letters after it. Words are parted by spaces (U+0020) only.",
        (overload(_S, gives=_S),), family="text", rules=("X1",),
        # DuckDB has no initcap.
        spelling={"duckdb": "array_to_string(list_transform(split({0}, ' '), lambda w: "
                            "upper(left(w, 1)) || lower(substring(w, 2))), ' ')"},
        examples=(ex("hello wORLD", gives="Hello World"), ex("a  b", gives="A  B"), ex("o'neil-x", gives="O'neil-x"),
                  ex("", gives=""), ex("élan", gives="Élan"), ex(None, gives=None, types=_S)),
    ),
)  # fmt: skip

SIZES = (
    Function(
        "length", "The number of code points: an emoji is 1, a letter with a separate accent is 2. Of a list, the number of elements.",
        (overload(_S, gives="bigint"), overload("T[]", gives="bigint", duckdb="len({0})")),
        family="text", aliases=("len", "char_length", "character_length"), rules=("V6",),
        examples=(ex("abc", gives=3), ex([7, None], gives=2, types="bigint[]"), ex("a😀é", gives=3), ex("e\u0301", gives=2), ex("", gives=0),
                  ex(None, gives=None, types=_S)),
    ),
    Function(
        "octet_length", "The number of bytes; of a text, in UTF-8.",
        (overload(_S, gives="bigint", duckdb="strlen({0})"), overload("bytes", gives="bigint")),
        family="text", rules=("V6",),
        examples=(ex("abc", gives=3), ex("é😀", gives=6), ex("", gives=0), ex(b"\x00\xff", gives=2),
                  ex(None, gives=None, types=_S)),
    ),
    Function(
        "bit_length", "The number of bits of the text in UTF-8: 8 for each byte.",
        (overload(_S, gives="bigint"),), family="text", spelling={"duckdb": "(strlen({0}) * 8)"}, rules=("V6",),
        examples=(ex("a", gives=8), ex("é", gives=16), ex("", gives=0), ex(None, gives=None, types=_S)),
    ),
)  # fmt: skip


def _trim(name: str, where: str, *examples: object) -> Function:
    # DuckDB's one-argument form takes away every Unicode space; the contract's takes U+0020 only.
    return Function(
        name, f"Takes spaces (U+0020 only, not tabs or line ends) from {where}, or any of the given characters.",
        (overload(_S, gives=_S, duckdb=name + "({0}, ' ')"), overload(_S, _S, gives=_S)),
        family="text", examples=tuple(examples),  # type: ignore[arg-type]
    )  # fmt: skip


TRIMMING = (
    _trim(
        "trim", "both ends",
        ex("  a b ", gives="a b"), ex("\t a\n", gives="\t a\n"), ex("\u00a0a", gives="\u00a0a"), ex("   ", gives=""),
        ex("xyaxyx", "xy", gives="a"), ex("éaé", "é", gives="a"), ex("aba", "", gives="aba"),
        ex(None, gives=None, types=_S), ex(" a", None, gives=None, types="string; string"),
    ),
    _trim(
        "ltrim", "the start",
        ex("  a ", gives="a "), ex("xxa", "x", gives="a"), ex("", gives=""), ex("\na", gives="\na"),
        ex(None, gives=None, types=_S),
    ),
    _trim(
        "rtrim", "the end",
        ex(" a  ", gives=" a"), ex("a.00", "0.", gives="a"), ex("   ", gives=""), ex("a\t", gives="a\t"),
        ex(None, gives=None, types=_S),
    ),
    Function(
        "lpad", "The text brought to a length in characters by pad characters before it (a space if none are given); a longer text is cut.",
        (overload(_S, "bigint", gives=_S, duckdb="lpad({0}, CAST(CASE WHEN {0} IS NOT NULL THEN {1} END AS INTEGER), ' ')"),
         overload(_S, "bigint", _S, gives=_S, duckdb="lpad({0}, CAST(CASE WHEN {0} IS NOT NULL AND {2} IS NOT NULL THEN {1} END AS INTEGER), {2})")),
        family="text", fails="the pad is empty and the text is too short, or the length is over 2147483647",
        examples=(ex("7", 3, "0", gives="007"), ex("a", 6, "xyz", gives="xyzxya"), ex("abc", 2, "x", gives="ab"),
                  ex("é", 3, "ü", gives="üüé"), ex("abc", -1, "x", gives=""), ex("a", 2, gives=" a"),
                  ex("a", 2, "", gives=Fails("nothing to pad with")),
                  ex(None, 2, "x", gives=None, types="string; bigint; string")),
    ),
    Function(
        "rpad", "The text brought to a length in characters by pad characters after it (a space if none are given); a longer text is cut.",
        (overload(_S, "bigint", gives=_S, duckdb="rpad({0}, CAST(CASE WHEN {0} IS NOT NULL THEN {1} END AS INTEGER), ' ')"),
         overload(_S, "bigint", _S, gives=_S, duckdb="rpad({0}, CAST(CASE WHEN {0} IS NOT NULL AND {2} IS NOT NULL THEN {1} END AS INTEGER), {2})")),
        family="text", fails="the pad is empty and the text is too short, or the length is over 2147483647",
        examples=(ex("7", 3, "0", gives="700"), ex("a", 6, "xyz", gives="axyzxy"), ex("abc", 2, "x", gives="ab"),
                  ex("abc", 0, "x", gives=""), ex("a", 2, gives="a "),
                  ex("a", 2, "", gives=Fails("nothing to pad with")),
                  ex("a", None, "x", gives=None, types="string; bigint; string")),
    ),
)  # fmt: skip

PARTS = (
    Function(
        "substring", "The part from a start, counted from 1, over a number of characters (to the end if none is given). "
        "A negative start counts from the end; a length below 1 gives empty text; outside of the text there is nothing. "
        "The literal start 0 is refused, a computed one is the place before the first character.",
        (overload(_S, "bigint:start", gives=_S),
         # DuckDB reads a negative length backwards: substring('hello', 2, -1) is 'h' there.
         overload(_S, "bigint:start", "bigint", gives=_S,
                  duckdb="substring({0}, {1}, CASE WHEN {2} < 0 THEN 0 ELSE {2} END)")),
        family="text", aliases=("substr",), fails="a start or length is beyond 4294967295",
        examples=(ex("hello", 2, 3, gives="ell"), ex("hello", 4, gives="lo"), ex("hello", -3, 2, gives="ll"),
                  ex("hello", -10, 7, gives="he"), ex("hello", 9, gives=""), ex("hello", 2, -1, gives=""),
                  ex("a😀é", 2, 1, gives="😀"), ex("", 1, gives=""), ex("hello", 4, 99, gives="lo"),
                  ex("hello", 5_000_000_000, gives=Fails("the start is beyond 4294967295")),
                  ex(None, 1, gives=None, types="string; bigint"),
                  ex("hello", 1, None, gives=None, types="string; bigint; bigint")),
    ),
    Function(
        "left", "The first n characters; with a negative n, all but the last -n.",
        (overload(_S, "bigint", gives=_S,
                  duckdb="left({0}, CASE WHEN {1} > 4294967295 THEN 4294967295 ELSE {1} END)"),),
        family="text",
        examples=(ex("hello", 2, gives="he"), ex("hello", -2, gives="hel"), ex("hello", 0, gives=""),
                  ex("hello", -9, gives=""), ex("a😀é", 2, gives="a😀"), ex("ab", 9223372036854775807, gives="ab"),
                  ex(None, 1, gives=None, types="string; bigint"), ex("ab", None, gives=None, types="string; bigint")),
    ),
    Function(
        "right", "The last n characters; with a negative n, all but the first -n.",
        (overload(_S, "bigint", gives=_S,
                  duckdb="right({0}, CASE WHEN {1} > 4294967295 THEN 4294967295 ELSE {1} END)"),),
        family="text",
        examples=(ex("hello", 2, gives="lo"), ex("hello", -2, gives="llo"), ex("hello", 0, gives=""),
                  ex("hello", -9, gives=""), ex("a😀é", 2, gives="😀é"), ex("ab", 9223372036854775807, gives="ab"),
                  ex(None, 1, gives=None, types="string; bigint")),
    ),
    Function(
        "split", "The list of parts between a separator taken literally; empty parts stay. An empty separator parts into characters.",
        # DuckDB does not part at a NULL separator and gives the whole text; here NULL gives NULL.
        (overload(_S, _S, gives="string[]", duckdb="CASE WHEN {1} IS NOT NULL THEN split({0}, {1}) END"),),
        family="text", aliases=("string_split", "str_split"),
        examples=(ex("a,b,,c", ",", gives=["a", "b", "", "c"]), ex("", ",", gives=[""]), ex("a.b", ".", gives=["a", "b"]),
                  ex("a😀b", "😀", gives=["a", "b"]), ex("aé", "", gives=["a", "é"]), ex("abc", "x", gives=["abc"]),
                  ex(None, ",", gives=None, types="string; string"), ex("a", None, gives=None, types="string; string")),
    ),
    Function(
        "split_part", "One part of `split`, counted from 1, or from the end if negative; NULL when there is no such part (0 included).",
        # DuckDB's own split_part gives empty text past the end, which hides a missing part.
        (overload(_S, _S, "bigint", gives=_S,
                  duckdb="(CASE WHEN {1} IS NOT NULL THEN split({0}, {1}) END)[{2}]"),),
        family="text", null="any NULL, or a part that is not there, gives NULL",
        examples=(ex("a,b,c", ",", 2, gives="b"), ex("a,b,c", ",", -1, gives="c"), ex("a,b,c", ",", 4, gives=None),
                  ex("a,b,c", ",", 0, gives=None), ex("a,,c", ",", 2, gives=""), ex("", ",", 1, gives=""),
                  ex("a--b", "--", 2, gives="b"), ex(None, ",", 1, gives=None, types="string; string; bigint"),
                  ex("a", None, 1, gives=None, types="string; string; bigint")),
    ),
)  # fmt: skip

SEARCH = (
    Function(
        "position", "Where the first text starts in the second, from 1; 0 when it does not. Also `POSITION(a IN b)`. Empty text is found at 1.",
        (overload(_S, _S, gives="bigint"),), family="text", spelling={"duckdb": "strpos({1}, {0})"}, rules=("V6",),
        examples=(ex("c", "abc", gives=3), ex("z", "abc", gives=0), ex("", "abc", gives=1), ex("é", "a😀é", gives=3),
                  ex("ab", "", gives=0), ex(None, "a", gives=None, types="string; string")),
    ),
    Function(
        "strpos", "Where the second text starts in the first, from 1; 0 when it does not: `position` with its arguments swapped.",
        (overload(_S, _S, gives="bigint"),), family="text", aliases=("instr",), spelling={"duckdb": "strpos({0}, {1})"}, rules=("V6",),
        examples=(ex("abcbc", "bc", gives=2), ex("abc", "C", gives=0), ex("abc", "", gives=1), ex("a😀é", "é", gives=3),
                  ex("abc", None, gives=None, types="string; string")),
    ),
    Function(
        "starts_with", "Whether the text starts with another, letter case counting. Every text starts with the empty one.",
        (overload(_S, _S, gives="boolean"),), family="text", aliases=("startswith",),
        examples=(ex("abc", "ab", gives=True), ex("abc", "AB", gives=False), ex("abc", "", gives=True),
                  ex("a", "ab", gives=False), ex("%a", "%", gives=True), ex(None, "a", gives=None, types="string; string")),
    ),
    Function(
        "ends_with", "Whether the text ends with another, letter case counting. Every text ends with the empty one.",
        (overload(_S, _S, gives="boolean"),), family="text", aliases=("endswith",),
        examples=(ex("abc", "bc", gives=True), ex("abc", "C", gives=False), ex("", "", gives=True),
                  ex("c", "bc", gives=False), ex("abc", None, gives=None, types="string; string")),
    ),
    Function(
        "contains", "Whether the text has another somewhere in it, letter case counting.",
        (overload(_S, _S, gives="boolean"),), family="text",
        examples=(ex("abc", "b", gives=True), ex("abc", "B", gives=False), ex("abc", "", gives=True), ex("", "a", gives=False),
                  ex("a_c", "_", gives=True), ex(None, "a", gives=None, types="string; string")),
    ),
)  # fmt: skip

MAKING = (
    Function(
        "concat", "Joins texts end to end and leaves NULL ones out, so it is never NULL (`||` is).",
        (overload("string...", gives=_S),), family="text", null="NULL arguments are left out", rules=("V4",),
        examples=(ex("a", "b", "c", gives="abc"), ex("a", None, "b", gives="ab", types="string; string; string"),
                  ex(None, gives="", types=_S), ex("", "", gives="")),
    ),
    Function(
        "concat_ws", "Joins texts with a separator between them and leaves NULL ones out; empty texts count.",
        (overload(_S, "string...", gives=_S),), family="text",
        null="a NULL separator gives NULL; other NULL arguments are left out", rules=("V4",),
        examples=(ex("-", "a", "b", gives="a-b"), ex(",", "a", None, "b", gives="a,b", types="string; string; string; string"),
                  ex(",", "", "", gives=","), ex(",", None, gives="", types="string; string"),
                  ex(None, "a", "b", gives=None, types="string; string; string")),
    ),
    Function(
        "repeat", "The text n times; empty for n below 1.",
        (overload(_S, "bigint", gives=_S),), family="text", fails=_TOO_LONG,
        examples=(ex("ab", 3, gives="ababab"), ex("é", 2, gives="éé"), ex("ab", 0, gives=""), ex("ab", -1, gives=""),
                  ex("", 5, gives=""), ex("ab", 9223372036854775807, gives=Fails(_TOO_LONG)),
                  ex(None, 2, gives=None, types="string; bigint")),
    ),
    Function(
        "replace", "Every occurrence of one text replaced by another, from the left, without overlap. Looking for empty text changes nothing.",
        (overload(_S, _S, _S, gives=_S),), family="text",
        examples=(ex("banana", "an", "-", gives="b--a"), ex("aaa", "aa", "b", gives="ba"), ex("abc", "b", "", gives="ac"),
                  ex("abc", "", "x", gives="abc"), ex("a.b", ".", "é", gives="aéb"),
                  ex(None, "a", "b", gives=None, types="string; string; string"),
                  ex("a", "a", None, gives=None, types="string; string; string")),
    ),
    Function(
        "translate", "Each character found in the second text becomes the one at the same place in the third, or goes away where that is shorter. "
        "Of a character that stands twice in the second text, the first place counts.",
        (overload(_S, _S, _S, gives=_S),), family="text",
        examples=(ex("12345", "143", "ax", gives="a2x5"), ex("aéb", "é", "e", gives="aeb"), ex("aba", "aab", "xyz", gives="xzx"),
                  ex("abc", "", "x", gives="abc"), ex("(1) 2", "() ", "", gives="12"),
                  ex(None, "a", "b", gives=None, types="string; string; string")),
    ),
    Function(
        "reverse", "The characters in the opposite order, by code points: a separate accent lands on the other side of its letter.",
        # DuckDB keeps a letter and its accent together. Only texts with more than ASCII need the slow form.
        (overload(_S, gives=_S),), family="text", rules=("V6",),
        spelling={"duckdb": "CASE WHEN strlen({0}) = length({0}) THEN reverse({0}) "
                            "ELSE array_to_string(list_reverse(split({0}, '')), '') END"},
        examples=(ex("abc", gives="cba"), ex("a😀é", gives="é😀a"), ex("e\u0301x", gives="x\u0301e"), ex("a\r\nb", gives="b\n\ra"),
                  ex("", gives=""), ex(None, gives=None, types=_S)),
    ),
    Function(
        "ascii", "The code point of the first character; 0 for empty text.",
        (overload(_S, gives="bigint"),), family="text", aliases=("unicode",), spelling={"duckdb": "CAST(ascii({0}) AS BIGINT)"},
        examples=(ex("A", gives=65), ex("abc", gives=97), ex("é", gives=233), ex("😀", gives=128512), ex("", gives=0),
                  ex(None, gives=None, types=_S)),
    ),
    Function(
        "chr", "The character with a code point.",
        (overload("bigint", gives=_S),), family="text", fails="no character has that number (below 0, over 1114111, or 55296 to 57343)",
        spelling={"duckdb": "chr(CAST({0} AS INTEGER))"},
        examples=(ex(65, gives="A"), ex(233, gives="é"), ex(128512, gives="😀"), ex(1114112, gives=Fails("past the last code point")),
                  ex(-1, gives=Fails("no code point")), ex(55296, gives=Fails("half of a surrogate pair")),
                  ex(None, gives=None, types="bigint")),
    ),
)  # fmt: skip

FUNCTIONS = (*CASES, *SIZES, *TRIMMING, *PARTS, *SEARCH, *MAKING)
