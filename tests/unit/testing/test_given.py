"""What a test gives a pipeline is what its sources read, and nothing outside is read or written."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

import mainstem as ms
from mainstem.errors import DataError, MainstemError, SettingsError
from mainstem.testing import csv
from mainstem.testing.bench import Bench

SCHEMA = (
    "i bigint, d decimal(10,3), x double, b boolean, s string, y bytes, day date, at timestamp, "
    "l bigint[], m map(string, bigint), t struct(a bigint, b string)"
)
VALUES = (
    2**62, Decimal("1.250"), 0.1, True, "it's | \"null\"", b"\x00\xff", date(2024, 2, 29),
    datetime(2024, 1, 31, 10, 15, 0, 5, tzinfo=UTC), [1, None], {"k": 2}, {"a": 1, "b": "é"},
)  # fmt: skip


def bench(folder, *, schema="a bigint", source=None, table="SELECT * FROM t", **sink):
    """A pipeline of one source and one table, bound to places that are not there."""
    p = ms.Pipeline("one")
    p.source("t", source or ms.files("nowhere/*.csv"), schema=schema)
    p.table("out", table, **sink)
    return Bench(p, folder, folder)


def test_values_of_every_type_come_back(tmp_path):
    """As given, from Python values and from text; NULL too."""
    nothing = (None,) * len(VALUES)

    ran = bench(tmp_path, schema=SCHEMA).run({"t": [VALUES, nothing]})

    assert sorted((tuple(row.values()) for row in ran.rows("out")), key=str) == sorted(
        [VALUES, nothing], key=str
    )
    ran.assert_rows("out", [nothing, VALUES])


def test_text_is_read_as_the_values(tmp_path):
    """The cells of a table of text mean what the values mean."""
    text = (
        "4611686018427387904 | 1.250 | 0.1 | true | 'it''s | \"null\"' | AP8= | 2024-02-29 | "
        '2024-01-31 10:15:00.000005 | [1, null] | {"k": 2} | {"a": 1, "b": "é"}'
    )

    ran = bench(tmp_path, schema=SCHEMA).run({"t": text})

    assert [tuple(row.values()) for row in ran.rows("out")] == [VALUES]
    ran.assert_rows("out", text)


def test_csv_has_the_options_of_the_source_and_not_its_compression(tmp_path):
    """Delimiter and NULL are the pipeline's; the text is not packed."""
    source = ms.files("in.csv.gz", delimiter=";", null="NA")

    ran = bench(tmp_path, schema="a bigint, b string", source=source).run({"t": csv("a;b\nNA;x\n")})

    ran.assert_rows("out", [(None, "x")])


def test_bytes_are_read_with_the_compression_of_the_source(tmp_path):
    """So a file that is cut off is one in a test too."""
    one = bench(tmp_path, source=ms.files("in.csv.gz"))

    with pytest.raises(DataError):
        one.run({"t": b"a\n1\n"})


def test_rows_are_judged_as_strictly_as_a_file(tmp_path):
    """A test does not make a bad value good."""
    with pytest.raises(DataError, match=r"1\.9"):
        bench(tmp_path).run({"t": [{"a": 1.9}]})


def test_settings_of_an_environment_do_not_bring_the_real_data_back(tmp_path):
    """The rows of the test win over mainstem.toml and over overrides."""
    file = tmp_path / "p.sql"
    file.write_text("CREATE SOURCE t (a bigint) FROM files('x.csv');\n"
                    "CREATE TABLE out AS SELECT * FROM t;\n", "utf-8")  # fmt: skip
    (tmp_path / "mainstem.toml").write_text('[env.test.sources.t]\npath = "real.csv"\n', "utf-8")
    (tmp_path / "real.csv").write_text("a\n99\n", "utf-8")
    folder = tmp_path / "work"
    folder.mkdir()

    ran = Bench("p.sql", folder, tmp_path).run({"t": [(1,)]}, env="test", flags=["run.threads=1"])
    ran.assert_rows("out", [(1,)])

    (tmp_path / "other").mkdir()
    real = Bench("p.sql", tmp_path / "other", tmp_path).run({}, env="test", real=["t"])
    real.assert_rows("out", [(99,)])


def test_nothing_is_written_where_the_pipeline_writes(tmp_path):
    """Sinks that are replaced and sinks that grow, to files and to DuckDB."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "p.py").write_text(
        "import mainstem as ms\n"
        "p = ms.Pipeline('p')\n"
        "p.source('t', ms.files('x', format='csv', incremental=True), schema='a bigint')\n"
        "p.table('one', 'SELECT a FROM t', sink=ms.files('one.csv'))\n"
        "p.table('two', 'SELECT a FROM t', sink=ms.files('two', format='csv', mode='append'))\n"
        "p.table('three', 'SELECT a FROM t',"
        " sink=ms.duckdb('three.duckdb', 'x', mode=ms.merge(key='a')))\n",
        "utf-8",
    )
    before = sorted(home.rglob("*"))
    folder = tmp_path / "work"
    folder.mkdir()

    ran = Bench("p.py", folder, home).run({"t": [(1,)]})

    for name in ("one", "two", "three"):
        ran.assert_rows(name, [(1,)])
    assert sorted(p for p in home.rglob("*") if "__pycache__" not in p.parts) == before


def test_new_rows_of_an_incremental_source_are_new_files(tmp_path):
    """A run reads what no run has read; an appending sink has all of it."""
    one = bench(
        tmp_path, source=ms.files("in/*.csv", incremental=True),
        sink=ms.files("out", format="parquet", mode="append"),
    )  # fmt: skip

    assert one.run({"t": [(1,)]}).ledger["sources"]["t"]["read"] == 1
    second = one.run({"t": [(2,), (3,)]})
    assert second.ledger["sources"]["t"]["read"] == 2
    second.assert_rows("out", [(1,), (2,), (3,)])
    assert one.run({}).ledger["sources"]["t"]["read"] == 0


def test_a_cursor_goes_on_behind_the_last_run(tmp_path):
    """The rows of a DuckDB source with a cursor are a table in which it is looked up."""
    one = bench(
        tmp_path, schema="a bigint, at timestamp",
        source=ms.duckdb("real.duckdb", "t", cursor="at"),
        sink=ms.files("out", format="parquet", mode=ms.merge(key="a")),
    )  # fmt: skip
    rows = [(1, "2024-01-01T00:00:00Z"), (2, "2024-01-02T00:00:00Z")]

    one.run({"t": rows[:1]})
    second = one.run({"t": rows})

    assert second.ledger["steps"]["out"]["rows_out"] == 1
    second.assert_rows("out", rows)


def test_a_history_has_its_columns(tmp_path):
    """Versions of a key over two runs."""
    one = bench(
        tmp_path, schema="id bigint, city string, at timestamp",
        sink=ms.files("h", format="parquet", mode=ms.history(key="id", sequence_by="at")),
    )  # fmt: skip

    one.run({"t": [(1, "Rome", "2024-01-01T00:00:00Z")]})
    second = one.run({"t": [(1, "Oslo", "2024-01-02T00:00:00Z")]})

    second.assert_rows("out", """
        city | valid_to            | is_current
        ---- | ------------------- | ----------
        Rome | 2024-01-02 00:00:00 | false
        Oslo | null                | true
        """)  # fmt: skip


WRONG = {
    "no rows": ({}, "GivenMissing"),
    "no source": ({"t": [], "u": []}, "GivenUnknown"),
    "a number": ({"t": 5}, "GivenForm"),
    "rows of numbers": ({"t": [1]}, "GivenForm"),
    "too many cells": ({"t": [(1, 2)]}, "GivenForm"),
    "another column": ({"t": [{"b": 1}]}, "GivenForm"),
    "different columns": ({"t": [{"a": 1}, {}]}, "GivenForm"),
    "an object": ({"t": [{"a": object()}]}, "GivenForm"),
    "too many cells of text": ({"t": "1 | 2"}, "GivenForm"),
}


@pytest.mark.parametrize(("given", "code"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_given_is_told(tmp_path, given, code):
    """By name, with a fix."""
    with pytest.raises(SettingsError) as caught:
        bench(tmp_path).run(given)

    assert caught.value.finding.code == code
    assert caught.value.finding.fix


def test_clock_needs_a_zone(tmp_path):
    """A time without one is another instant on another machine."""
    with pytest.raises(SettingsError, match="zone"):
        bench(tmp_path).run({"t": []}, now=datetime(2024, 1, 1))  # noqa: DTZ001


def test_a_table_that_is_asked_for_is_there(tmp_path):
    """Names of none are told, with the nearest."""
    ran = bench(tmp_path).run({"t": []})

    for call in (ran.rows, ran.quarantine, ran.dead, ran.late):
        with pytest.raises(MainstemError) as caught:
            call("outt")
        assert caught.value.finding.fix == "write out"
