"""Bytes, encodings and digests. A text counts as its UTF-8 bytes."""

from __future__ import annotations

from mainstem.functions.spec import Fails, Function, ex, overload

_S = "string"
_BASE64 = "^(?:[A-Za-z0-9+/]{{4}})*(?:[A-Za-z0-9+/]{{2}}==|[A-Za-z0-9+/]{{3}}=)?$"
_NOT_HEX = "the text has a character that is no hexadecimal digit"
_NOT_BASE64 = "the text is not base64 with padding"
_NOT_UTF8 = "the bytes are not UTF-8"

ENCODINGS = (
    Function(
        "encode", "The UTF-8 bytes of a text.",
        (overload(_S, gives="bytes"),), family="binary",
        examples=(ex("abc", gives=b"abc"), ex("é", gives=b"\xc3\xa9"), ex("", gives=b""), ex(None, gives=None, types=_S)),
    ),
    Function(
        "decode", "The text that UTF-8 bytes stand for.",
        (overload("bytes", gives=_S),), family="binary", fails=_NOT_UTF8,
        examples=(ex(b"abc", gives="abc"), ex(b"\xc3\xa9", gives="é"), ex(b"", gives=""), ex(b"\xff", gives=Fails("FF is in no UTF-8 text")),
                  ex(None, gives=None, types="bytes")),
    ),
    Function(
        "try_decode", "As decode, but NULL when the bytes are not UTF-8.",
        # The list keeps the argument outside of TRY, which would also swallow the argument's own failure (V10).
        (overload("bytes", gives=_S, duckdb="list_transform([{0}], lambda b: TRY(decode(b)))[1]"),),
        family="binary", null="NULL, or bytes that are not UTF-8, give NULL",
        examples=(ex(b"\xc3\xa9", gives="é"), ex(b"\xff", gives=None), ex(b"\xc3", gives=None), ex(b"", gives=""), ex(None, gives=None, types="bytes")),
    ),
    Function(
        "to_hex", "Two capital hexadecimal digits for each byte; of a number, its digits without leading zeros (negative ones as 64-bit two's complement).",
        (overload(_S, gives=_S), overload("bytes", gives=_S), overload("bigint", gives=_S)), family="binary", aliases=("hex",),
        examples=(ex("é", gives="C3A9"), ex(b"\x00\xff", gives="00FF"), ex(255, gives="FF"), ex(0, gives="0"), ex(-1, gives="FFFFFFFFFFFFFFFF"), ex("", gives=""),
                  ex(None, gives=None, types="bytes")),
    ),
    Function(
        "from_hex", "The bytes that hexadecimal digits of either case stand for; an odd number of them is read with a 0 before it.",
        (overload(_S, gives="bytes"),), family="binary", aliases=("unhex",), fails=_NOT_HEX,
        examples=(ex("C3a9", gives=b"\xc3\xa9"), ex("f", gives=b"\x0f"), ex("", gives=b""), ex("0g", gives=Fails(_NOT_HEX)), ex("a b", gives=Fails(_NOT_HEX)),
                  ex(None, gives=None, types=_S)),
    ),
    Function(
        "try_from_hex", "As from_hex, but NULL when the text is not hexadecimal.",
        (overload(_S, gives="bytes", duckdb="from_hex(CASE WHEN regexp_full_match({0}, '[0-9A-Fa-f]*') THEN {0} END)"),),
        family="binary", null="NULL, or text that is not hexadecimal, gives NULL",
        examples=(ex("C3a9", gives=b"\xc3\xa9"), ex("0g", gives=None), ex("", gives=b""), ex("é", gives=None), ex(None, gives=None, types=_S)),
    ),
    Function(
        "to_base64", "Bytes as base64 with padding and without line breaks.",
        (overload("bytes", gives=_S), overload(_S, gives=_S, duckdb="to_base64(encode({0}))")), family="binary", aliases=("base64",),
        examples=(ex(b"abc", gives="YWJj"), ex(b"a", gives="YQ=="), ex("é", gives="w6k="), ex(b"", gives=""), ex(b"\xff\xfe", gives="//4="),
                  ex(None, gives=None, types="bytes")),
    ),
    Function(
        "from_base64", "The bytes that base64 stands for; padding is needed, spaces and line ends are not allowed.",
        (overload(_S, gives="bytes"),), family="binary", aliases=("unbase64",), fails=_NOT_BASE64,
        examples=(ex("YWJj", gives=b"abc"), ex("YQ==", gives=b"a"), ex("", gives=b""), ex("YQ", gives=Fails("padding is missing")), ex("!!!!", gives=Fails(_NOT_BASE64)),
                  ex("YW Jj", gives=Fails("it has a space")), ex(None, gives=None, types=_S)),
    ),
    Function(
        "try_from_base64", "As from_base64, but NULL when the text is not base64.",
        (overload(_S, gives="bytes", duckdb="from_base64(CASE WHEN regexp_full_match({0}, '" + _BASE64 + "') THEN {0} END)"),),
        family="binary", null="NULL, or text that is not base64, gives NULL",
        examples=(ex("YWJj", gives=b"abc"), ex("YQ", gives=None), ex("YQ==", gives=b"a"), ex("", gives=b""), ex("====", gives=None), ex("é", gives=None),
                  ex(None, gives=None, types=_S)),
    ),
)  # fmt: skip

_BOTH = (overload(_S, gives=_S), overload("bytes", gives=_S))

# The examples are the test vectors of RFC 1321 and FIPS 180-4.
DIGESTS = (
    Function(
        "md5", "The MD5 digest as 32 small hexadecimal digits. For bucketing and comparing, not for security.",
        _BOTH, family="binary",
        examples=(ex("", gives="d41d8cd98f00b204e9800998ecf8427e"), ex("abc", gives="900150983cd24fb0d6963f7d28e17f72"),
                  ex(b"abc", gives="900150983cd24fb0d6963f7d28e17f72"), ex(None, gives=None, types=_S)),
    ),
    Function(
        "sha1", "The SHA-1 digest as 40 small hexadecimal digits. For comparing, not for security.",
        _BOTH, family="binary",
        examples=(ex("", gives="da39a3ee5e6b4b0d3255bfef95601890afd80709"), ex("abc", gives="a9993e364706816aba3e25717850c26c9cd0d89d"),
                  ex(b"abc", gives="a9993e364706816aba3e25717850c26c9cd0d89d"), ex(None, gives=None, types=_S)),
    ),
    Function(
        "sha256", "The SHA-256 digest as 64 small hexadecimal digits.",
        _BOTH, family="binary",
        examples=(ex("", gives="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                  ex("abc", gives="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
                  ex(b"abc", gives="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), ex(None, gives=None, types="bytes")),
    ),
    Function(
        "stable_hash", "A number from 0 to 2^60 - 1 that is the same on every engine and day: the first 15 hexadecimal digits of the MD5 digest. "
        "For buckets and samples, such as `stable_hash(id) % 100 < 5`.",
        (overload(_S, gives="bigint"), overload("bytes", gives="bigint")), family="binary",
        spelling={"duckdb": "CAST('0x' || left(md5({0}), 15) AS BIGINT)"},
        # 900150983cd24fb and d41d8cd98f00b20, read to base 16.
        examples=(ex("abc", gives=0x900150983CD24FB), ex("", gives=0xD41D8CD98F00B20), ex(b"abc", gives=0x900150983CD24FB), ex(None, gives=None, types=_S)),
    ),
)  # fmt: skip

FUNCTIONS = (*ENCODINGS, *DIGESTS)
