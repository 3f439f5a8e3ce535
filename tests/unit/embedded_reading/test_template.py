"""JSON lines that are proved by printing them from their values: whatever differs is still found."""

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
    "name": ['"Rome"', '"é"', '""', '"a b, c: {d}"', '"null"'],
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
    [['{"n":1}', '{"n":2,"s":"a"}'], ['{"n":1,"s":"\\n"}'], ['{"n":1,"s":null}'], ['{"n" : 1,"s":"a"}'], ["[1]"]],
)  # fmt: skip
def test_no_template(tmp_path: Path, lines: list[str]) -> None:
    """There is none where the sample is written in other ways; the pattern is used."""
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*lines, *lines, lines[0]]))
    found = shape_of(str(path), parse_schema("n bigint, s string"))
    assert not (found and found.template)
