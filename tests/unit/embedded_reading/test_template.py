"""JSON lines that are split into pieces, one for each column: whatever differs is still found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mainstem.engines.embedded.reading.shape import shape_of
from mainstem.plan.types import parse_schema
from tests.unit.embedded_reading import dirty
from tests.unit.embedded_reading.test_same_as_reference import check_file

SCHEMA = (
    "id bigint not null, small smallint, price decimal(6,2), ratio double, ok boolean, day date, "
    "at timestamp, name string"
)
VALUES = {
    "id": ["7", "-7", "0", "9223372036854775807"], "small": ["1", "-32768", "32767"],
    "price": ["1.50", "12.25", "-3.00", "0.00"], "ratio": ["0.1", "-2.5", "3", "0.0", "-0.0", "1e300"],
    "ok": ["true", "false"], "day": ['"2024-01-31"', '"0001-01-01"', '"9999-12-31"'],
    "at": ['"2024-01-31T10:15:00Z"', '"1500-03-01 00:00:00.5"'],
    "name": ['"Rome"', '"é"', '""', '"a b, c: {d}"', '"null"', '"x,"', '"日本"'],
}  # fmt: skip
ODD = [
    *dirty.JSON_DIRT, '"a\\"b"', '"\\u00e9"', '"\\\\"', "null", "32768", "1000000", '"infinity"', '"2024-1-5"',
    '"10000-01-01"', '"0044-03-15 (BC)"', '"2024-02-30"', '"2024-01-31T24:00:00Z"', '"epoch"', "inf", "-nan", "",
    '"x","name":"y"', '"x","other":"y"', '1,"id":2', " 1", "1 ", '"\x01"', "{}", '{"name":"x"}', "1.5e0", "0x10", "'x'",
]  # fmt: skip


def line(chance: random.Random, style: tuple[str, str], odd: str = "") -> str:
    """Give a line in the order of the columns, with one odd value."""
    members = []
    for name, values in VALUES.items():
        value = chance.choice(ODD) if name == odd else chance.choice(values)
        members.append(f'"{name}"{style[0]}{value}')
    return "{" + style[1].join(members) + "}"


@pytest.mark.parametrize("block", range(4))
def test_one_odd_value(tmp_path: Path, block: int) -> None:
    """80 files of like lines, of which some have one odd value: the reference's rows and reasons."""
    outcomes = set()
    for seed in range(block * 20, block * 20 + 20):
        chance = random.Random(seed)
        style = chance.choice([(":", ","), (": ", ", ")])
        lines = [line(chance, style) for _ in range(12)]
        lines += [line(chance, style, chance.choice([*VALUES])) for _ in range(8)]
        path = tmp_path / f"{seed}.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        found = shape_of(str(path), parse_schema(SCHEMA))
        assert found is not None
        assert found.template is not None, path.read_text()
        outcomes.add(check_file(dirty.source_of(path, SCHEMA))[0])
    assert "bad" in outcomes


@pytest.mark.parametrize(
    "text",
    ['{"n":,"s":""}', '{"n":1,"s":"a"}}', '[{"n":1,"s":"a"}]', '{"n":1,"s":"a","s":"a"}', "{}", "null",
     '{"n":1,"s":"a","n":1}', '{"n":1,"s":"a",}', '{"s":"a","n":1}', '{"n":1,"s":"\\",\\"n\\":\\"1"}'],
)  # fmt: skip
def test_lines_like_what_nothing_is_printed_as(tmp_path: Path, text: str) -> None:
    """A line that is no JSON has no values; two members of one key; another order."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"n":1,"s":"a"}\n{"n":2,"s":"b"}\n{"n":3,"s":""}\n' + text + "\n")
    schema = "n bigint, s string"
    found = shape_of(str(path), parse_schema(schema))
    assert found
    assert found.template
    check_file(dirty.source_of(path, schema))


@pytest.mark.parametrize(
    "lines",
    [['{"n":1}', '{"n":2,"s":"a"}'], ['{"n" : 1,"s":"a"}'], ["[1]"], ['{"n":1,"s":"a","o":1}'], ['{"n":1, "s":"a"}']],
)  # fmt: skip
def test_no_template(tmp_path: Path, lines: list[str]) -> None:
    """There is none where the sample is written in other ways; the pattern is used."""
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*lines, *lines, lines[0]]))
    found = shape_of(str(path), parse_schema("n bigint, s string"))
    assert not (found and found.template)


DOUBLES = ["0.1", "-2.5", "3", "-0.0", "1e300", "1.5E-7", "12345678901234567890.5", "null"]
ODD_DOUBLES = [
    "01.5", "1.", ".5", "+1", "1_000", "1_0.5", "-.5", "1.e5", "1e", "-0", "5 ", " 5", "5\t", "5\x0b", "1e400",
    "NaN", "-Infinity", '"1.5"', '"1_0"', "0x10", "5,", "[5]", "1e-400", "5}", "", "true", "-", "00", "1e5_0",
]  # fmt: skip
INSTANTS = ["2024-01-31T10:15:00.123Z", "1000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"]
ODD_INSTANTS = [
    "2024-01-31T10:15:00.12Z", "2024-1-031T10:15:00.123Z", "-024-01-31T10:15:00.123Z", "0999-01-31T10:15:00.123Z",
    "2024-01-31T 9:15:00.123Z", "2024-01-31T24:00:00.000Z", "2024-01-31T23:59:60.000Z", "2024-02-30T10:15:00.123Z",
    "2024-01-31T10:15:00.1NZ", " 2024-01-31T10:15:00.12Z", "2024-01-31T10:15:00.12Z ", "2024-01-31 10:15:00.123Z",
    "2024-01-31T10:15:00.123z", "2024-01-31T10:15:00.123456Z", "+024-01-31T10:15:00.123Z", "20240-1-31T10:15:00.12Z",
]  # fmt: skip
STRINGS = ['"a"', '"\\n"', '"\\"hi\\""', '"\\\\"', '"é\\u00e9"', "null", '"x,"', '""']
ODD_STRINGS = [
    '"a\tb"', '"\x1f"', '"a"b"', '"\\"', '"\\x"', '"\\ud800"', '"\\u0000"', "'a'", '"', '"a" ', "7",
    '"a","x":"b"', '"x,","y,"', '"a\\\\"b"', '"a\\",', '"\x7f"', '"a","s":"b"',
]  # fmt: skip
WRITTEN = {
    "x double": (DOUBLES, ODD_DOUBLES),
    "x decimal(9,3)": (["1.5", "-2.25", "3", "0.125", "null"], [*ODD_DOUBLES, "1.0005", "1234567.1", "1e2", "1.50"]),
    "x timestamp": ([f'"{t}"' for t in INSTANTS] + ["null"], [f'"{t}"' for t in ODD_INSTANTS]),
    "x date": (['"2024-01-31"'], ['"0999-01-31"', '"2024-1-031"', '" 2024-1-31"', '"2024-02-30"', '"+024-01-31"']),
    "x string": (STRINGS, ODD_STRINGS),
    "under_score string not null": (STRINGS[:5], [*ODD_STRINGS, "null"]),
    "x integer": (["1", "-2147483648", "null"], ["2147483648", "-0", "1.0", "1e2", "01", "1_0", '"1"', "0x1"]),
    "x boolean": (["true", "false", "null"], ["True", "1", '"true"', "tru", "nul"]),
}  # fmt: skip


@pytest.mark.parametrize("declared", WRITTEN)
@pytest.mark.parametrize("is_last", [True, False])
@pytest.mark.parametrize("style", [(":", ","), (": ", ", ")])
def test_each_odd_value(
    tmp_path: Path, declared: str, style: tuple[str, str], *, is_last: bool
) -> None:
    """Each way to write a value that DuckDB takes for one, beside those that it is one of."""
    name = declared.split(maxsplit=1)[0]
    usual, odd = WRITTEN[declared]
    n, x = f'"n"{style[0]}1', f'"{name}"{style[0]}'

    def written(value: str) -> str:
        members = (n, x + value) if is_last else (x + value, n)
        return "{" + style[1].join(members) + "}"

    path = tmp_path / "a.jsonl"
    schema = f"n bigint, {declared}" if is_last else f"{declared}, n bigint"
    # The template is learned from the first hundred lines.
    known = [written(value) for value in (usual * 60)[:60]]
    path.write_text("\n".join(known + [written(value) for value in odd]), encoding="utf-8")
    found = shape_of(str(path), parse_schema(schema))
    assert found is not None
    assert found.template is not None
    check_file(dirty.source_of(path, schema))


def test_line_of_too_many_pieces(tmp_path: Path) -> None:
    """DuckDB refuses it, so no line of its file is split: the rows are the same."""
    path = tmp_path / "a.jsonl"
    usual = ['{"n":1,"s":"a"}'] * 120
    path.write_text("\n".join([*usual, '{"n":2,"s":"x,","o":1,"p":1,"q":2}', usual[0]]))
    way, report = check_file(dirty.source_of(path, "n bigint, s string"))
    assert (way, report.unknown_fields, report.slow_files) == ("fast", 3, ())


def test_usual_lines_need_no_second_look(tmp_path: Path) -> None:
    """Lines with NULL, escapes, letters of more bytes and commas before quotes are all read fast."""
    path = tmp_path / "a.jsonl"
    lines = [f'{{"n":1,"x":{value},"s":"é,"}}' for value in STRINGS]
    path.write_text("\n".join(lines * 20), encoding="utf-8")
    way, report = check_file(dirty.source_of(path, "n bigint, x string, s string"))
    assert (way, report.doubtful_rows, report.slow_files) == ("fast", 0, ())
