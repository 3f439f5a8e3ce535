"""Random dirty files, small, from a seed; and reading them the slow way."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from mainstem.connectors.files import files
from mainstem.connectors.files.listing import list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.reading.reference import FileReader, encoded, file_columns
from mainstem.errors import NOWHERE
from mainstem.formats.records import BadRow
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema

SCHEMA = (
    "id bigint not null, small smallint, price decimal(6,2), ratio double, ok boolean, day date, "
    "at timestamp, name string, data bytes"
)
NESTED = ", tags bigint[], point struct(x bigint, y string), counts map(string, bigint), exact decimal(5,2)[]"

TEXTS: dict[str, list[str]] = {
    "id": ["7", "-7", "+7", "007", "0", "9223372036854775807", "-9223372036854775808", "12345678901234567"],
    "small": ["1", "-32768", "32767", "", "NA"],
    "price": ["1.50", "1.5", "12", "-3.25", ".5", "5.", "9999.99", "1e2", "1.500", "0.10", ""],
    "ratio": ["0.1", "1e5", "-2.5E-3", "NaN", "inf", "1e-400", "3", ".5", "", "1e300"],
    "ok": ["true", "false", "True", "FALSE", ""],
    "day": ["2024-01-31", "0001-01-01", "9999-12-31", "2024-02-29", ""],
    "at": [
        "2024-01-31T10:15:00Z", "2024-01-31 10:15", "2024-01-31T10:15:00.123456+02:30", "1500-03-01 00:00:00",
        "2024-01-31 10:15:30-1430", "2024-01-31 10:15:30.5+02", "0001-01-01T00:00:00", "",
    ],
    "name": ["Rome", "x y", "é", "日本", "NA", "", " ", "'", "#", "\\", "a\\nb", "null"],
    "data": ["YQ==", "YWI=", "YWJj", ""],
}  # fmt: skip
DIRT = [
    "1.9", "true", " 7", "7 ", "1_000", "0x10", "9223372036854775808", "32768", "x", "1,5", "1.005", "10000", "1e400",
    "nan ", "infinit", "yes", "t", "1", "2024-1-5", "2024/01/05", "2023-02-29", "0000-01-01", "infinity", "epoch",
    "2024-01-31T24:00:00Z", "2024-01-31", "2024-01-31T10:15:60", "2024-01-31 10:15:00 Europe/Rome",
    "2024-01-31 10:15:00+99",
    "2024-01-31T10:15:00.1234567Z", "0001-01-01T00:00:00+05", "9999-12-31T23:59:59-05", "YQ", "YR==", "é", "\x00",
    "12345678901234567890123", "--1", "+", "-", ".", "1e", "٣", "99999999999999999999999999999999999999999",
]  # fmt: skip


def csv_field(chance: random.Random, column: str, dirt: float) -> str:
    """Give the text of one field, quoted or not, clean or not."""
    text = chance.choice(DIRT) if chance.random() < dirt else chance.choice(TEXTS[column])
    if column == "id" and not text:
        text = "1"
    # A quoted empty text is no NULL: it fits only where texts do.
    can_quote = column in ("name", "data") or text not in ("", "NA")
    if (chance.random() < 0.2 and can_quote) or "," in text or '"' in text:
        text = '"' + text.replace('"', '""') + '"'
        if chance.random() < 0.1:
            text = " " * chance.randrange(3) + text + " " * chance.randrange(3)
    return text


BREAKS: list[bytes] = [
    b'"', b"\n", b"\r", b"\r\n", b",", b"\xff", b"\xc3", b'""', b'"x', b'a"b', b"\n\n", b"\xef\xbb\xbf",
    b"\x00", b' "', b'" ', b'"\n"', b"\xed\xa0\x80", b"\x01", b",\n", b",,\n",
]  # fmt: skip


def csv_bytes(seed: int, names: list[str]) -> bytes:
    """Give a CSV file; about half of the seeds make one that is clean."""
    chance = random.Random(seed)
    dirt = chance.choice([0, 0, 0.02, 0.1])
    end = chance.choice(["\n", "\n", "\r\n"])
    lines = [",".join(names)]
    for _ in range(chance.randrange(8)):
        lines.append(",".join(csv_field(chance, n if n in TEXTS else "name", dirt) for n in names))  # noqa: PERF401
    if chance.random() < 0.1:
        lines.insert(chance.randrange(1, len(lines) + 1), "")
    data = end.join(lines).encode() + chance.choice([b"", end.encode(), end.encode()])
    return broken(chance, data) if chance.random() < 0.4 else data


def broken(chance: random.Random, data: bytes) -> bytes:
    """Put one or two breaks anywhere but the header."""
    start = data.find(b"\n") + 1
    if not start:
        return data
    for _ in range(chance.randrange(1, 3)):
        at = chance.randrange(start, len(data) + 1)
        data = data[:at] + chance.choice(BREAKS) + data[at + chance.randrange(2) :]
    return data


NESTED_TEXTS: dict[str, list[str]] = {
    "tags": ["[]", "[1,2]", "[1, null]", '["3"]', "[1.0]", "null"],
    "point": [
        '{"x":1,"y":"a"}',
        '{"y":"a"}',
        '{"x": 1, "y": "b"}',
        '{"x":1,"y":"a","z":0}',
        "null",
    ],
    "counts": ['{"a":1}', "{}", '{"a":1,"b":null}', "null"],
    "exact": ["[1.5]", "[0.25, 3]", "[]", "null"],
}
NESTED_DIRT = [
    "[1.9]", "[true]", '{"x":1.9,"y":"a"}', '{"x":1,"x":1,"y":"a"}', '{"a":1,"a":2}', "7", "[[1]]",
    "[0.1000000000000000055]", '{"x":true,"y":1}', '"text"', "[1,]", "[NaN]",
]  # fmt: skip
JSON_DIRT = [
    "1.9", "true", "1e2", "1.0", "12345678901234567890", "9223372036854775808", "[1]", '{"a":1}', "NaN", "Infinity",
    "-0", "0.10000000000000000555", "1e400", '"x"', '""', "01", "+1", "-", '"1.9"', '" 7"', '"\\ud800"', '"\\u0000"',
    '"\\u0037"', "tru", '"a\tb"', "1.50", "0.00001", "33000", "123456.78", '"7"', '"true"', '"1.505"', "nan", "[1,]",
]  # fmt: skip


def json_value(chance: random.Random, column: str, dirt: float) -> str:
    """Give the JSON of one value, clean or not."""
    if column in NESTED_TEXTS:
        return chance.choice(NESTED_DIRT if chance.random() < dirt else NESTED_TEXTS[column])
    if chance.random() < dirt:
        return chance.choice(JSON_DIRT)
    text = chance.choice(TEXTS[column])
    if column == "id":
        return chance.choice(["7", "-7", "0", '"7"', "9223372036854775807", "12345678901234567"])
    if not text or text == "NA":
        return "null"
    plain = {"small": text, "price": "12.25", "ratio": "0.1", "ok": text.lower()}
    if column in plain and chance.random() < 0.8:
        return plain[column]
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def json_line(
    chance: random.Random, names: list[str], dirt: float, *, shuffled: bool = True
) -> str:
    """Give one JSON object, its fields shuffled or not, some missing, repeated or unknown."""
    fields = [(n, json_value(chance, n, dirt)) for n in names if n == "id" or chance.random() < 0.9]
    if shuffled:
        chance.shuffle(fields)
    if chance.random() < 0.1:
        fields.append(("other", chance.choice(['"x"', "[1,{}]", '{"id":1.9}', "null", "1e400"])))
    if chance.random() < dirt:
        fields.append(chance.choice(fields))
    space = chance.choice(["", "", " "])
    key = chance.choice(['"{}"'] * 30 + ['"\\u0069d"'])
    parts = [
        f"{key.format(n) if n == 'id' else chr(34) + n + chr(34)}{space}:{space}{v}"
        for n, v in fields
    ]
    return "{" + f",{space}".join(parts) + "}"


def json_bytes(seed: int, names: list[str]) -> bytes:
    """Give a JSON lines file; about half of the seeds make one that is clean."""
    chance = random.Random(seed)
    dirt = chance.choice([0, 0, 0.02, 0.1])
    end = chance.choice(["\n", "\n", "\r\n"])
    # Lines with their fields in one order may pass by the pattern of their file.
    shuffled = chance.random() < 0.4
    count = chance.randrange(8)
    lines = [json_line(chance, names, dirt, shuffled=shuffled) for _ in range(count)]
    if chance.random() < 0.1:
        lines.insert(
            chance.randrange(len(lines) + 1), chance.choice(["", "  ", "null", "[1]", "7", "{}"])
        )
    data = end.join(lines).encode() + chance.choice([b"", end.encode(), end.encode()])
    return broken(chance, data) if chance.random() < 0.25 and data else data


def source_of(path: Path, schema: str, **options: Any) -> Source:
    """Give a source of one file."""
    return Source("events", files(str(path), **options), parse_schema(schema))


def slowly(source: Source) -> tuple[list[tuple[Any, ...]], list[tuple[int, BadRow]], int]:
    """Give the rows, the numbered bad rows and the count of unknown fields by the reference."""
    options = read_options(FilesSource, source.binding)
    (file,) = list_files(options)
    names = ()
    if file.format == "csv":
        names = file_columns(file, options, source.schema, NOWHERE) or ()
    good, bad, unknown = [], [], 0
    for number, row in enumerate(FileReader(file, options, source.schema, names).rows()):
        if isinstance(row, BadRow):
            bad.append((number, row))
        else:
            good.append(row.values)
            unknown += row.unknown
    return good, bad, unknown


def comparable(rows: list[tuple[Any, ...]], source: Source) -> list[tuple[Any, ...]]:
    """Give rows such that equal means the same value: decimals as text, NaN equal to itself."""
    return [
        tuple(
            repr(float(v)) if f.type.kind == "double" and v is not None else encoded(v, f.type)
            for v, f in zip(row, source.schema.fields, strict=True)
        )
        for row in rows
    ]
