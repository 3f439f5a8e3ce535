"""Ten days of changes and orders: the versions of each customer, worked out by hand from the files."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from mainstem.definition.load import load
from tests.examples.running import copy, run_script

EXAMPLE = Path(__file__).parents[2] / "examples" / "dimension"


def at(day, hour=9):
    """An instant of March 2025."""
    return datetime(2025, 3, day, hour, tzinfo=UTC)


# Bob is sent again on the 4th with the city that he had: no version. Eve is removed on the 5th and comes back on the
# 9th. The changes of the 6th come on the 9th, when those of the 7th and 8th are there. Bob moves twice on the 10th.
VERSIONS = [
    (1, "Ada", "Rome", at(1), at(3), False),
    (1, "Ada", "Milan", at(3), at(6), False),
    (1, "Ada", "Turin", at(6), at(8), False),
    (1, "Ada", "Genoa", at(8), None, True),
    (2, "Bob", "Oslo", at(1), at(10, 10), False),
    (2, "Bob", "Bergen", at(10, 10), at(10, 18), False),
    (2, "Bob", "Oslo", at(10, 18), None, True),
    (3, "Eve", "Bari", at(1), at(5), False),
    (3, "Eve", "Rome", at(9), None, True),
    (4, "Dan", "Lima", at(2), at(6), False),
    (4, "Dan", "Quito", at(6), at(7), False),
    (4, "Dan", "Cusco", at(7), None, True),
]
# As far as anybody knew on the evening of the 8th.
VERSIONS_8 = [
    (1, "Ada", "Rome", at(1), at(3), False),
    (1, "Ada", "Milan", at(3), at(8), False),
    (1, "Ada", "Genoa", at(8), None, True),
    (2, "Bob", "Oslo", at(1), None, True),
    (3, "Eve", "Bari", at(1), at(5), False),
    (4, "Dan", "Lima", at(2), at(7), False),
    (4, "Dan", "Cusco", at(7), None, True),
]
# Each order at the city of its customer at that time; Eve's of the 7th at none.
BY_CITY = """\
city,orders,amount
Bari,2,10.00
Bergen,1,80.00
Cusco,1,60.00
Lima,1,20.00
Oslo,2,95.00
Quito,1,50.00
Rome,3,110.00
Turin,1,40.00
,1,1.00
"""


def rows(folder, columns):
    """Give the rows of a folder of Parquet."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        sql = f"SELECT {columns} FROM read_parquet(?)"
        return connection.sql(sql, params=[str(folder / "*.parquet")]).to_arrow_table().to_pylist()


def versions(folder):
    """Give all versions, by customer and start."""
    names = ("id", "name", "city", "valid_from", "valid_to", "is_current")
    found = rows(folder / "out" / "customers", ", ".join(names))
    return sorted((tuple(row[name] for name in names) for row in found), key=lambda r: (r[0], r[3]))


def orders(folder):
    """Give the numbers of the orders, each as often as it is there."""
    return sorted(row["id"] for row in rows(folder / "out" / "orders", "id"))


def content(folder):
    """Give the data of both tables, by name of file."""
    return {file.name: file.read_bytes() for file in (folder / "out").rglob("*.parquet")}


def days():
    """Give what arrived, day by day."""
    return sorted((EXAMPLE / "arrivals").iterdir())


def arrive(folder, day):
    """Put the files of a day where the pipeline looks."""
    (folder / "in").mkdir(exist_ok=True)
    for file in day.iterdir():
        shutil.copy(file, folder / "in")


def run(folder):
    """Run as every evening: from the file, knowing only what the state directory keeps."""
    return load(folder / "pipeline.py").run()


@pytest.fixture
def shop(tmp_path):
    """A copy of the example where nothing has arrived."""
    return copy(EXAMPLE, tmp_path)


def test_ten_days_one_after_the_other(shop):
    """Versions, facts and what was kept aside, on the evening of the 8th and of the 10th."""
    for day in days():
        arrive(shop, day)
        run(shop)
        if day.name == "2025-03-08":
            assert versions(shop) == VERSIONS_8

    assert versions(shop) == VERSIONS
    assert orders(shop) == [*range(101, 111), 112, 113, 114]
    with load(shop / "pipeline.py").connect() as tables:
        aside = tables.query("SELECT id, amount FROM new_orders__quarantine").rows
    assert aside == ((111, Decimal("-60.00")),)


def test_run_twice_on_one_day_changes_nothing(shop):
    """Neither rows nor files; and the ledger says that everything is known."""
    for day in days()[:5]:
        arrive(shop, day)
        run(shop)
    before, known = content(shop), versions(shop)

    again = run(shop)

    assert content(shop) == before
    assert versions(shop) == known
    assert (again.rows("customers"), again.rows("orders")) == (0, 0)
    assert again.ledger["sources"]["changes"]["known"] == 5
    # Not because nothing is ever written: the next day is.
    arrive(shop, days()[6])
    assert run(shop).rows("customers") == 1
    assert content(shop) != before


@pytest.mark.parametrize("order", ["backwards", "at once"])
def test_result_does_not_depend_on_how_the_days_come(shop, order):
    """The last day first, or all days in one run: the same versions and the same facts."""
    for day in reversed(days()):
        arrive(shop, day)
        if order == "backwards":
            run(shop)
    if order == "at once":
        run(shop)

    assert versions(shop) == VERSIONS
    assert orders(shop) == [*range(101, 111), 112, 113, 114]


def test_command_line_runs_a_day(shop):
    """`mainstem run`, twice."""
    arrive(shop, days()[0])
    command = [sys.executable, "-m", "mainstem", "run", "-o", "text"]

    for _ in range(2):
        done = subprocess.run(command, cwd=shop, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    assert "nothing new" in done.stdout
    assert [row[:3] for row in versions(shop)] == [
        (1, "Ada", "Rome"), (2, "Bob", "Oslo"), (3, "Eve", "Bari"),
    ]  # fmt: skip
    assert orders(shop) == [101]


def test_demo_shows_what_was_earned_where(tmp_path):
    """The script goes through the ten days and asks the second pipeline."""
    printed = run_script(copy(EXAMPLE, tmp_path), "demo.py")

    assert printed.endswith("again       0 and 0: nothing new\n" + BY_CITY)
    assert "2025-03-05  customers: 1 deleted; orders: 1 appended" in printed
    assert "2025-03-04  customers: 1 unchanged; orders: 1 appended" in printed
    assert sum(Decimal(line.split(",")[2]) for line in BY_CITY.splitlines()[1:]) == 466
