"""Dead letters are read again: their very bytes, with the present schema."""

from datetime import date
from decimal import Decimal

import duckdb
import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import SettingsError, StateError
from tests.unit.incremental.reading import rows_of
from tests.unit.quarantine.kept import FIRST, NAME, paid, pipeline, quarantine, statuses, write


def reading(path, schema, columns="id", **options):
    """New files of any format, appended."""
    p = Pipeline(NAME)
    words = {n: options.pop(n) for n in ("event_time",) if n in options}
    p.source("orders", files(path, incremental=True, **options), schema=schema,
             on_bad="dead_letter", **words)  # fmt: skip
    p.table("paid", f"SELECT {columns} FROM orders", sink=files(
        "out/paid", format="parquet", mode="append"))  # fmt: skip
    return p


def replayed(base, before, after):
    """Run, change the definition, replay; give the ids at the sink and the line of the ledger."""
    before.run(base_dir=base)
    found = quarantine(base, after).replay("orders__dead")
    return rows_of(base / "out/paid"), found.ledger["replay"]


def test_a_record_that_fits_now_is_read_though_its_file_is_gone(tmp_path):
    """The names of its columns were kept with it; a record that still is none stays open."""
    write(tmp_path, "a.csv", "amount,id\n10,1\n5.5,2\nx,3\n")
    before = reading("in/*.csv", "id bigint, amount bigint", "id")
    before.run(base_dir=tmp_path)
    (tmp_path / "in/a.csv").unlink()
    after = reading("in/*.csv", "id bigint, amount decimal(9,2)", "id")

    found = quarantine(tmp_path, after).replay("orders__dead")

    assert rows_of(tmp_path / "out/paid") == [1, 2]
    line = {n: found.ledger["replay"][n] for n in ("taken", "replayed", "again")}
    assert line == {"taken": 2, "replayed": 1, "again": 1}
    assert (
        found.ledger["sources"]["orders"]["read"],
        found.ledger["sources"]["orders"]["dead"],
    ) == (2, 1)
    assert statuses(tmp_path, "orders__dead", after) == {"1-1": ("replayed", 0), "1-2": ("open", 1)}


def test_a_record_that_fits_and_breaks_a_rule_goes_into_the_quarantine(tmp_path):
    """It is closed as a letter, and open there once, with its place."""
    write(tmp_path, "a.csv", "id,amount\n1,10\n2,-40000\n3,40000\n")
    pipeline(schema="id bigint, amount smallint").run(base_dir=tmp_path)
    after = pipeline()

    found = quarantine(tmp_path, after).replay("orders__dead")

    assert paid(tmp_path) == [(1, 10), (3, 40000)]
    assert found.ledger["replay"]["replayed"] == 2
    assert statuses(tmp_path, "orders__dead") == {"1-1": ("replayed", 0), "1-2": ("replayed", 0)}
    names, rows = quarantine(tmp_path, after).show("orders__quarantine")
    (row,) = (dict(zip(names, row, strict=True)) for row in rows)
    assert (row["__id"], row["__rule"], row["__row"], row["amount"]) == (
        "2-1",
        "positive",
        1,
        -40000,
    )
    assert row["__path"].endswith("in/a.csv")


def test_json_and_text(tmp_path):
    """By their own readers."""
    write(tmp_path, "a.jsonl", '{"id": 1}\n{"id": 2.5}\n{"id": \n')
    ids, line = replayed(
        tmp_path,
        reading("in/*.jsonl", "id bigint", "CAST(id AS string) AS id"),
        reading("in/*.jsonl", "id decimal(3,1)", "CAST(id AS string) AS id"),
    )
    assert ids == ["1", "2.5"]
    assert (line["replayed"], line["again"]) == (1, 1)


def test_records_of_several_lines(tmp_path):
    """A quoted field may hold line ends."""
    write(tmp_path, "a.csv", 'id,note\n1,"a\nb"\nx,"c\nd"\n')
    before = reading("in/*.csv", "id bigint, note string", "note", multiline=True)
    after = reading("in/*.csv", "id string, note string", "note", multiline=True)
    before.run(base_dir=tmp_path)
    quarantine(tmp_path, after).replay("orders")
    assert rows_of(tmp_path / "out/paid", "note") == ["a\nb", "c\nd"]


def test_columns_of_the_path(tmp_path):
    """Come from the path that was kept."""
    write(tmp_path, "day=3/a.csv", "id\n1\nx\n")
    before = reading("in/*/*.csv", "id bigint, day bigint", "day", hive=True)
    after = reading("in/*/*.csv", "id string, day bigint", "day", hive=True)
    before.run(base_dir=tmp_path)
    quarantine(tmp_path, after).replay("orders")
    assert rows_of(tmp_path / "out/paid", "day") == [3, 3]


def test_rows_of_parquet_come_from_the_values_that_were_kept(tmp_path):
    """Exactly, whatever their types; bytes are refused, as JSON has none."""
    (tmp_path / "in").mkdir()
    sql = (
        "SELECT i AS id, 12345678901234567.89::DECIMAL(20,2) AS d, 0.1::DOUBLE + 0.2 AS f, "
        "TIMESTAMPTZ '2024-01-01 10:00:00.123456+00' AS at, DATE '2024-02-29' AS day, "
        "'a\"é' AS s FROM (VALUES (1), (NULL)) AS x(i)"
    )
    duckdb.sql(f"COPY ({sql}) TO '{tmp_path}/in/a.parquet'")
    rest = "d decimal(20,2), f double, at timestamp, day date, s string"
    columns = "id, d, f, at, day, s"
    before = reading("in/*.parquet", f"id integer not null, {rest}", columns)
    after = reading("in/*.parquet", f"id integer, {rest}", columns)
    before.run(base_dir=tmp_path)
    quarantine(tmp_path, after).replay("orders")

    rows = duckdb.sql(
        f"SELECT DISTINCT d, f, epoch_us(\"at\"), day, s FROM '{tmp_path}/out/paid/*.parquet'"
    ).fetchall()
    assert [r[:3] for r in rows] == [(Decimal("12345678901234567.89"), 0.1 + 0.2, 1704103200123456)]
    assert [r[3:] for r in rows] == [(date(2024, 2, 29), 'a"é')]
    assert rows_of(tmp_path / "out/paid", "coalesce(id, 0)") == [0, 1]


def test_bytes_of_parquet_are_refused(tmp_path):
    """A letter says so and stays."""
    (tmp_path / "in").mkdir()
    sql = "SELECT i AS id, 'ab'::BLOB AS b FROM (VALUES (1), (NULL)) AS x(i)"
    duckdb.sql(f"COPY ({sql}) TO '{tmp_path}/in/a.parquet'")
    reading("in/*.parquet", "id integer not null, b bytes").run(base_dir=tmp_path)
    with pytest.raises(StateError, match="loses the bytes of b"):
        quarantine(tmp_path, reading("in/*.parquet", "id integer, b bytes")).preview("orders")


def test_event_times_in_the_future_stay(tmp_path):
    """Also when the file is gone: the run that read it is what they are held against (T2)."""
    write(tmp_path, "a.csv", "id,at\n1,2024-01-01T00:00:00Z\n2,2999-01-01T00:00:00Z\nx,bad\n")
    p = reading("in/*.csv", "id bigint, at timestamp", event_time="at")
    p.run(base_dir=tmp_path)
    (tmp_path / "in/a.csv").unlink()
    shown = quarantine(tmp_path, p).preview("orders")
    assert (shown.passing, shown.failing) == (0, {"EventTime": 1, "WrongValue": 1})


def test_a_letter_takes_no_values(tmp_path):
    """Its bytes are no row yet."""
    write(tmp_path, "a.csv", FIRST)
    pipeline().run(base_dir=tmp_path)
    with pytest.raises(SettingsError, match="no columns to give values to"):
        quarantine(tmp_path).preview("orders__dead", set="id = 7")
    assert paid(tmp_path) == [(1, 10), (4, 40)]


def test_a_column_that_the_file_never_had_is_named(tmp_path):
    """The kept header does not have it."""
    write(tmp_path, "a.csv", FIRST)
    pipeline().run(base_dir=tmp_path)
    with pytest.raises(StateError, match="had no column 'note'"):
        quarantine(tmp_path, pipeline(schema="id string, amount bigint, note string")).preview(
            "orders__dead"
        )
