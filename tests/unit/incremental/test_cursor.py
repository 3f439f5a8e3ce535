"""Rows above a cursor: each once, and whatever appears behind it is named."""

from contextlib import closing

import duckdb
import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import BusyError, DataError
from mainstem.runtime.run import RunOptions, run
from tests.unit.incremental.reading import rows_of


def pipeline(cursor="id", type_="bigint", table="shop"):
    """All rows above the cursor are appended."""
    p = Pipeline("reader")
    p.source(
        "shop", duckdb_table("shop.duckdb", table, cursor=cursor), schema=f"id {type_}, v bigint"
    )
    p.table("kept", "SELECT id, v FROM shop", sink=files("out/", format="parquet", mode="append"))
    return p


def ask(base, sql):
    """Do something to the table that is read."""
    with closing(duckdb.connect(str(base / "shop.duckdb"))) as connection:
        connection.execute(sql)


@pytest.fixture
def base(tmp_path):
    """A table with rows 1 and 2."""
    ask(tmp_path, "CREATE TABLE shop AS SELECT range AS id, 0::BIGINT AS v FROM range(1, 3)")
    return tmp_path


def run_all(base, p=None):
    """Run to the end; give the ledger's line of the source."""
    with closing(run((p or pipeline()).plan(), RunOptions(base))) as events:
        return list(events)[-1].facts["ledger"]["sources"]["shop"]


def test_each_row_is_read_by_one_run(base):
    """Those up to the largest value at the start of the run."""
    first = run_all(base)
    ask(base, "INSERT INTO shop VALUES (3, 0), (4, 0)")
    second = run_all(base)
    third = run_all(base)

    assert [x["read"] for x in (first, second, third)] == [2, 2, 0]
    assert [x["known"] for x in (first, second, third)] == [0, 2, 4]
    assert rows_of(base / "out") == [1, 2, 3, 4]


def test_bad_rows_balance(base):
    """Each run looks at all of the table for them: read = admitted + dead, in the first and later."""
    ask(base, "INSERT INTO shop VALUES (3, NULL)")
    p = Pipeline("reader")
    p.source(
        "shop", duckdb_table("shop.duckdb", "shop", cursor="id"), on_bad="dead_letter",
        schema="id bigint, v bigint not null",
    )  # fmt: skip
    p.table("kept", "SELECT id, v FROM shop", sink=files("out/", format="parquet", mode="append"))
    first = run_all(base, p)
    ask(base, "INSERT INTO shop VALUES (4, 0)")
    second = run_all(base, p)

    assert [(x["read"], x["admitted"], x["dead"]) for x in (first, second)] == [
        (3, 2, 1),
        (2, 1, 1),
    ]
    assert rows_of(base / "out") == [1, 2, 4]


def test_table_that_is_open_in_this_process_is_told(base):
    """As in a notebook: somebody has to close it, and nothing is to be reported."""
    with (
        closing(duckdb.connect(str(base / "shop.duckdb"))),
        pytest.raises(BusyError, match="open in this process too") as caught,
    ):
        run_all(base)
    assert caught.value.finding.fix == "close that connection and run again"


def test_row_that_appears_behind_the_cursor_is_named(base):
    """It would never be read."""
    ask(base, "UPDATE shop SET id = 10 WHERE id = 2")
    run_all(base)
    ask(base, "INSERT INTO shop VALUES (7, 0), (11, 0)")

    with pytest.raises(
        DataError, match="1 row appeared behind the cursor of source 'shop'"
    ) as failed:
        run_all(base)
    assert failed.value.finding.code == "CursorBehind"
    assert "there are 3 with id up to 10, and the last run saw 2" in failed.value.finding.what
    assert rows_of(base / "out") == [1, 10]


def test_row_with_the_same_value_is_behind_it(base):
    """Values that are not distinct arrive late too."""
    run_all(base)
    ask(base, "INSERT INTO shop VALUES (2, 5)")

    with pytest.raises(DataError, match="1 row appeared behind"):
        run_all(base)


def test_row_that_is_gone_is_named(base):
    """The count of those that were read is not what it was."""
    run_all(base)
    ask(base, "DELETE FROM shop WHERE id = 1")

    with pytest.raises(DataError, match="1 row is gone from the cursor"):
        run_all(base)


def test_null_in_the_cursor_is_named(base):
    """Whether it was read could never be told."""
    ask(base, "INSERT INTO shop VALUES (NULL, 1), (NULL, 2)")

    with pytest.raises(DataError, match="2 rows of source 'shop' have NULL in the cursor 'id'"):
        run_all(base)


def test_empty_table_is_read_from_its_first_row_on(base):
    """No value is committed yet."""
    ask(base, "DELETE FROM shop")
    assert run_all(base)["read"] == 0
    ask(base, "INSERT INTO shop VALUES (-5, 0)")
    assert run_all(base)["read"] == 1
    assert run_all(base)["read"] == 0


@pytest.mark.parametrize(
    ("type_", "values", "more"),
    [
        ("timestamp", "(TIMESTAMPTZ '2024-01-01 00:00:00.000001+00')",
         "(TIMESTAMPTZ '2024-01-01 00:00:00.000002+00')"),
        ("date", "(DATE '2024-01-01')", "(DATE '2024-01-02')"),
        ("string", "('a''b')", "('b')"),
        ("decimal(38,6)", "(99999999999999999999999999999999.999998::DECIMAL(38,6))",
         "(99999999999999999999999999999999.999999::DECIMAL(38,6))"),
        ("bigint", "(9223372036854775806)", "(9223372036854775807)"),
    ],
)  # fmt: skip
def test_values_of_every_type_come_back_exactly(tmp_path, type_, values, more):
    """The committed value goes through text."""
    ask(tmp_path, f"CREATE TABLE shop AS SELECT *, 0::BIGINT AS v FROM (VALUES {values}) AS x(id)")
    p = pipeline(type_=type_)
    assert run_all(tmp_path, p)["read"] == 1
    assert run_all(tmp_path, p)["read"] == 0
    ask(tmp_path, f"INSERT INTO shop SELECT *, 1 FROM (VALUES {more}) AS x(id)")
    assert run_all(tmp_path, p)["read"] == 1
    assert len(set(rows_of(tmp_path / "out", "CAST(id AS VARCHAR)"))) == 2


def test_other_column_starts_from_nothing(base):
    """What was read by one column says nothing about another."""
    run_all(base)
    ask(base, "UPDATE shop SET v = id + 100")

    assert run_all(base, pipeline(cursor="v"))["read"] == 2
