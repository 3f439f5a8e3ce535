"""What is printed: values, tables, and what happens when nobody can take it."""

import datetime
import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from mainstem.cli import numbers
from mainstem.cli.table import aligned, table
from mainstem.cli.values import csv_line, plain, text
from tests.unit.cli.program import PROGRAM, environment

NOON = datetime.datetime(2024, 1, 31, 12, 0, 0, 5, datetime.UTC)
ROME = datetime.timezone(datetime.timedelta(hours=1))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (9_007_199_254_740_993, 9_007_199_254_740_993),  # 2^53 + 1: as a float it would be even
        (0.1, 0.1),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Decimal("1E+3"), "1000"),
        (Decimal("10.50"), "10.50"),
        (NOON, "2024-01-31T12:00:00.000005Z"),
        (NOON.astimezone(ROME), "2024-01-31T12:00:00.000005Z"),
        (NOON.replace(tzinfo=None, microsecond=0), "2024-01-31T12:00:00Z"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (b"abc", "YWJj"),
        ({1: [Decimal("2.0"), None]}, {"1": ["2.0", None]}),
        ({True: 1}, {"true": 1}),
        (Path("a") / "b", "a/b"),
    ],
)
def test_value_as_json(value, expected):
    """Nothing is rounded, and JSON can hold it."""
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


def test_csv_tells_null_from_an_empty_text():
    """RFC 4180; spaces at an end are quoted, because many readers strip them."""
    assert csv_line([None, "", "a", " a", 'x"y', "x,y", "x\ny", Decimal("1.0"), False]) == (
        ',"",a," a","x""y","x,y","x\ny",1.0,false'
    )


def test_text_of_a_list_is_json():
    """So that it can be read back."""
    assert text([1, "a", None]) == '[1, "a", null]'
    assert text(None) == "NULL"


def test_table_is_aligned_also_with_wide_letters():
    """Chinese characters take two columns; several lines are one row; escapes are spelled out."""
    shown = table(("name", "n"), [("日本", 1), ("a\nb", 22), ("\x1b[1m", None)], right=(1,))

    assert shown.splitlines() == [
        "name        n",
        "───────  ────",
        "日本        1",
        "a\\nb       22",
        "\\x1b[1m  NULL",
    ]
    assert aligned([]) == ""


def test_numbers_as_people_read_them():
    """The last digit is rounded, and units change where they should."""
    assert [numbers.size(n) for n in (999, 1000, 31_449_999, 2 * 10**12)] == [
        "999 B", "1.0 kB", "31.4 MB", "2.0 TB",
    ]  # fmt: skip
    spans = (0.344, 12.06, 59.97, 187, 7391)
    assert [numbers.seconds(s) for s in spans] == [
        "0.34 s", "12.1 s", "1:00 min", "3:07 min", "2:03:11 h",
    ]  # fmt: skip
    assert numbers.rate(500, 1) == "500 rows/s"
    assert numbers.rate(3_000_000, 2.5) == "1.2M rows/s"
    assert numbers.rate(5, 0.0) == ""
    assert (numbers.plural(1, "row"), numbers.plural(2000, "row")) == ("1 row", "2,000 rows")


def test_reader_that_goes_away_is_no_error(tmp_path):
    """`mainstem … | head`: not a word, and the code that shells give."""
    done = subprocess.run(
        ["bash", "-c", '"$@" | true; echo ${PIPESTATUS[0]}', "-", *PROGRAM, "completion", "bash"],
        cwd=tmp_path, env=environment({}), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("141\n", "")


def test_answer_that_cannot_be_written_is_an_error(tmp_path):
    """A full disk must not look like a short answer."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "completion", "bash"], cwd=tmp_path, env=environment({}), stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 4
    assert done.stderr.startswith("OutputFailed: the answer cannot be written: No space left")
    assert "Traceback" not in done.stderr
