"""Malformed text files, their places worked out by hand: a CSV line has 18 bytes, a JSON line 42."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from tests.faults.battery.case import Bad, Case, between, csv, json_line, line, odd

BOM = b"\xef\xbb\xbf"
THREE = (1, 2, 3)
OPEN = b'2,"2.50,2024-01-31'


def _odd(name: str, defect: str, middle: bytes, reason: str, column: str = "") -> Case:
    return Case(name, defect, "in.csv", between(middle), (1, 3), odd(reason, column))


FIELDS = (
    _odd("short row", "too few fields", b"2,2.50", "FieldCount"),
    _odd("long row", "too many fields", b"2,2.50,2024-01-31,9,9", "FieldCount"),
    Case("delimiter after the last column", "one delimiter after the last column", "in.csv",
         between(b"2,2.50,2024-01-31,"), THREE),
    _odd("letters for a number", "a value of another type", b"x,2.50,2024-01-31", "WrongValue", "id"),
    _odd("fraction for a whole number", "a value of another type", b"1.9,2.50,2024-01-31",
         "WrongValue", "id"),
    _odd("whole number too large", "a number out of range", b"9223372036854775808,2.50,2024-01-31",
         "OutOfRange", "id"),
    _odd("decimal too large", "a number out of range", b"2,1000000.00,2024-01-31", "OutOfRange",
         "amount"),
    _odd("decimal with too many digits", "more digits than a decimal has", b"2,2.505,2024-01-31",
         "WrongValue", "amount"),
    _odd("day that is not", "a day that the calendar has not", b"2,2.50,2023-02-29", "WrongValue",
         "day"),
    _odd("nothing where something must be", "NULL in a `not null` column", b",2.50,2024-01-31",
         "NullValue", "id"),
    _odd("NUL in a number", "a NUL byte in a number", b"2\x00,2.50,2024-01-31", "WrongValue", "id"),
    _odd("bad UTF-8", "bytes that are no UTF-8", b"2,2.50,2024-\xff01-31", "NotUtf8"),
    _odd("carriage return in a number", "a lone carriage return", b"2,2.50\r,2024-01-31",
         "WrongValue", "amount"),
    _odd("letters after a quote", "text after a closing quote", b'2,"2.50"x,2024-01-31', "BadQuotes"),
)  # fmt: skip


def _open_quote(at: int, place: str, *, multiline: bool) -> Case:
    lines = [OPEN if n == at + 1 else line(n) for n in THREE]
    # Its line only, though the rest of the file could be one field.
    bad = (Bad(at, at + 2, 14 + 18 * at, "BadQuotes"),)
    return Case(
        f"open quote, {place} row{', several lines allowed' if multiline else ''}",
        "a quote that is not closed", "in.csv", csv(*lines), tuple(n for n in THREE if n != at + 1),
        bad, options={"multiline": multiline},
    )  # fmt: skip


PLACES = tuple(enumerate(("first", "middle", "last")))
QUOTES = (
    *(_open_quote(at, place, multiline=False) for at, place in PLACES),
    *(_open_quote(at, place, multiline=True) for at, place in PLACES),
    Case("line end in quotes", "a line end in quotes, `multiline=True`", "in.csv",
         b'id,text\n1,"a\nb"\n2,c\n', rows=((1, "a\nb"), (2, "c")), schema="id bigint, text string",
         options={"multiline": True}),
    Case("line end in quotes, not allowed", "a line end in quotes without `multiline`", "in.csv",
         b'id,text\n1,"a\nb"\n2,c\n', rows=((2, "c"),), schema="id bigint, text string",
         bad=(Bad(0, 2, 8, "BadQuotes"), Bad(1, 3, 13, "FieldCount"))),
    Case("quote inside a field", "a quote inside an unquoted field", "in.csv",
         b'id,text\n1,a"b\n2,5" pipe\n', rows=((1, 'a"b'), (2, '5" pipe')),
         schema="id bigint, text string"),
    Case("empty in quotes", "an empty text in quotes", "in.csv", b'id,text\n1,""\n2,\n',
         rows=((1, ""), (2, None)), schema="id bigint, text string"),
)  # fmt: skip

LINES = (
    Case("empty file", "an empty file", "in.csv", b""),
    Case("header only", "a header and no rows", "in.csv", csv()),
    Case("byte order mark only", "nothing but a byte order mark", "in.csv", BOM),
    Case("byte order mark and header", "a byte order mark", "in.csv", BOM + csv(line(1), line(2)), (1, 2)),
    Case("byte order mark and a bad row", "too few fields", "in.csv",
         BOM + between(b"2,2.50"), (1, 3), (Bad(1, 3, 35, "FieldCount"),)),
    Case("UTF-16", "a file in UTF-16", "in.csv", csv(line(1)).decode().encode("utf-16"),
         refused="BadHeader", says="UTF-8"),
    Case("CRLF", r"`\r\n` line ends", "in.csv", csv(*map(line, THREE), end=b"\r\n"), THREE),
    Case("CRLF and a bad row", "too few fields", "in.csv",
         csv(line(1), b"2,2.50", line(3), end=b"\r\n"), (1, 3), (Bad(1, 3, 34, "FieldCount"),)),
    Case("mixed line ends", "mixed line ends", "in.csv",
         b"id,amount,day\r\n" + line(1) + b"\n" + line(2) + b"\r\n" + line(3) + b"\n", THREE),
    Case("lone carriage returns for line ends", "lone carriage returns for line ends", "in.csv",
         csv(*map(line, THREE), end=b"\r"), refused="ColumnMissing", says="day"),
    Case("no line end at the end", "no line end at the end", "in.csv", csv(*map(line, THREE))[:-1], THREE),
    Case("cut in the middle of a row", "a file cut in the middle of a row", "in.csv",
         csv(*map(line, THREE))[:-13], (1, 2), (Bad(2, 4, 50, "FieldCount"),)),
    Case("cut in the middle of a letter", "bytes that are no UTF-8", "in.csv",
         "id,text\n1,a\n2,é".encode()[:-1], rows=((1, "a"),), bad=(Bad(1, 3, 12, "NotUtf8"),),
         schema="id bigint, text string"),
    Case("empty lines", "empty lines", "in.csv", csv(line(1), b"", line(2), b"", b""), (1, 2)),
    Case("NUL in a text", "a NUL byte in a text", "in.csv", b"id,text\n1,a\x00b\n2,c\n",
         rows=((1, "a\x00b"), (2, "c")), schema="id bigint, text string"),
    Case("NUL bytes at the end", "a block of NUL bytes, as a crash leaves it", "in.csv",
         csv(line(1)) + bytes(4096), (1,), (Bad(1, 3, 32, "FieldCount"),)),
    Case("column twice in the header", "a declared column twice in the header", "in.csv",
         b"id,id,amount,day\n1,1,1.50,2024-01-31\n", refused="BadHeader", says="twice"),
    Case("column missing in the header", "a declared column missing in the header", "in.csv",
         b"id,amout,day\n1,1.50,2024-01-31\n", refused="ColumnMissing", says="amout"),
    Case("no header", "no header", "in.csv", line(1) + b"\n" + line(2) + b"\n",
         refused="ColumnMissing", says="id"),
    Case("other delimiter", "another delimiter than declared", "in.csv",
         csv(line(1)).replace(b",", b";"), refused="ColumnMissing", says='delimiter=";"'),
    Case("undeclared column", "a column that nobody declared", "in.csv",
         b"id,amount,day,more\n1,1.50,2024-01-31,x\n", (1,)),
    Case("bad UTF-8 in a text file", "bytes that are no UTF-8", "in.txt", b"a\n\xc3\nb\n",
         rows=(("a",), ("b",)), bad=(Bad(1, 2, 2, "NotUtf8"),), schema="line string"),
)  # fmt: skip


def _json(name: str, defect: str, middle: bytes, reason: str, column: str = "") -> Case:
    data = json_line(1) + b"\n" + middle + b"\n" + json_line(3) + b"\n"
    return Case(name, defect, "in.jsonl", data, (1, 3), (Bad(1, 2, 42, reason, column),))


def _with_id(value: bytes) -> bytes:
    return b'{"id":%b,"amount":2.50,"day":"2024-01-31"}' % value


DEEP = b'{"id":2,"amount":2.50,"day":"2024-01-31","x":' + b"[" * 1000 + b"]" * 1000 + b"}"
JSON = (
    _json("broken object", "a line that is no JSON", b'{"id":2,"amount":', "NotJson"),
    _json("array", "a value that is no object", b"[1,2]", "NotAnObject"),
    _json("number", "a value that is no object", b"7", "NotAnObject"),
    _json("null", "a value that is no object", b"null", "NotAnObject"),
    _json("key twice", "a declared key twice", b'{"id":2,"id":3,"amount":2.50,"day":"2024-01-31"}',
          "DuplicateKey", "id"),
    _json("NaN", "NaN and Infinity", _with_id(b"NaN"), "NotJson"),
    _json("Infinity", "NaN and Infinity", _with_id(b"-Infinity"), "NotJson"),
    _json("deep nesting", "nesting deeper than 200 levels", DEEP, "NotJson"),
    _json("number with 5000 digits", "a number out of range", _with_id(b"9" * 5000), "OutOfRange", "id"),
    _json("exponent beyond everything", "a value of another type", _with_id(b"1e999999999"), "WrongValue",
          "id"),
    _json("fraction", "a value of another type", _with_id(b"1.9"), "WrongValue", "id"),
    _json("boolean for a number", "a value of another type", _with_id(b"true"), "WrongValue", "id"),
    _json("JSON null where something must be", "NULL in a `not null` column", _with_id(b"null"),
          "NullValue", "id"),
    _json("missing key where something must be", "NULL in a `not null` column", b'{"amount":2.50}',
          "NullValue", "id"),
    _json("comma before the end", "a line that is no JSON", _with_id(b"2")[:-1] + b",}", "NotJson"),
    _json("single quotes", "a line that is no JSON", b"{'id':2}", "NotJson"),
    _json("half of a surrogate pair", "half of a surrogate pair", b'{"id":2,"x":"\\ud800"}', "NotJson"),
    _json("raw control character", "a line that is no JSON", b'{"id":2,"x":"a\tb"}', "NotJson"),
    _json("JSON with bad UTF-8", "bytes that are no UTF-8", b'{"id":2,"x":"\xff"}', "NotUtf8"),
    _json("two objects on a line", "a line that is no JSON", json_line(2) + json_line(2), "NotJson"),
    Case("blank lines", "empty lines", "in.jsonl", json_line(1) + b"\n\n \t\n" + json_line(2), (1, 2)),
    Case("JSON cut short", "a file cut in the middle of a row", "in.jsonl",
         json_line(1) + b"\n" + json_line(2)[:20], (1,), (Bad(1, 2, 42, "NotJson"),)),
    Case("JSON over several lines", "one JSON value over several lines", "in.jsonl",
         b'[\n{"id":1,"amount":1.50,"day":"2024-01-31"},\n]\n',
         bad=(Bad(0, 1, 0, "NotJson"), Bad(1, 2, 2, "NotJson"), Bad(2, 3, 45, "NotJson"))),
    Case("JSON with a byte order mark", "a byte order mark", "in.jsonl", BOM + json_line(1) + b"\n", (1,)),
    Case("whole number with a fraction of zero", "a whole number written otherwise", "in.jsonl",
         json_line(1).replace(b'"id":1', b'"id":"1"'), (1,)),
)  # fmt: skip

_TIMES = "id,at\n1,2024-01-31T10:15:00Z\n2,{}\n3,2024-01-31T11:15:00+01:00\n"
_AT = datetime(2024, 1, 31, 10, 15, tzinfo=UTC)


def _time(name: str, defect: str, text: str, at: datetime | None = None) -> Case:
    rows = [(1, _AT), (3, _AT)] if at is None else [(1, _AT), (2, at), (3, _AT)]
    # 6 bytes of header and 23 of the first row.
    bad = (Bad(1, 3, 29, "WrongValue", "at"),) if at is None else ()
    data = _TIMES.format(text).encode()
    return Case(name, defect, "in.csv", data, rows=tuple(rows), bad=bad,
                schema="id bigint, at timestamp")  # fmt: skip


TIMES = (
    _time("leap second", "a leap second", "2016-12-31T23:59:60Z"),
    _time("hour 24", "an hour 24", "2024-01-31T24:00:00Z"),
    _time("zone by name", "a zone by its name", "2024-01-31T10:15:00 Europe/Rome"),
    _time("offset beyond a day", "an offset that no zone has", "2024-01-31T10:15:00+99:00"),
    _time("seven digits of a second", "more digits than microseconds", "2024-01-31T10:15:00.1234567Z"),
    _time("before year 1", "an instant before year 1", "0001-01-01T00:00:00+05:00"),
    _time("no zone", "a timestamp without zone", "2024-01-31 10:15", _AT),
)  # fmt: skip
VALUES = (
    Case("double beyond everything", "a number out of range", "in.csv", b"x,n\nnan,1\n0.5,2\n1e400,3\n",
         rows=((0.5, 2), (float("nan"), 1)), bad=(Bad(2, 4, 16, "OutOfRange", "x"),),
         schema="x double, n bigint"),
    Case("boolean by other words", "a value of another type", "in.csv", b"b\nTRUE\nyes\n0\n",
         rows=((True,),), bad=(Bad(1, 3, 7, "WrongValue", "b"), Bad(2, 4, 11, "WrongValue", "b")),
         schema="b boolean"),
    Case("bytes that are no base64", "bytes that are no base64", "in.csv", b"b\nYQ==\nYQ\n",
         rows=((b"a",),), bad=(Bad(1, 3, 7, "WrongValue", "b"),), schema="b bytes"),
    Case("digits of another script", "a value of another type", "in.csv",
         "n,m\n٣,1\n3,2\n".encode(), rows=((3, 2),), bad=(Bad(0, 2, 4, "WrongValue", "n"),),
         schema="n bigint, m bigint"),
    Case("day and decimal at the edge", "values at the edge of their range", "in.csv",
         b"d,a\n9999-12-31,999999.99\n0001-01-01,-999999.99\n",
         rows=((date(1, 1, 1), Decimal("-999999.99")), (date(9999, 12, 31), Decimal("999999.99"))),
         schema="d date, a decimal(8,2)"),
)  # fmt: skip
CASES = (*FIELDS, *QUOTES, *LINES, *JSON, *TIMES, *VALUES)
