"""Rows of this process as a source, by the Arrow PyCapsule interface."""

import pickle
from decimal import Decimal

import duckdb
import pytest

import mainstem as ms
from mainstem import col
from mainstem.definition.fingerprint import plan_fingerprint
from mainstem.errors import (
    CheckFailed,
    DataError,
    DefinitionError,
    OutsideError,
    UnsupportedError,
)


class Rows:
    """A table that any number of readers may read; it counts them."""

    def __init__(self, connection, sql):
        self.connection, self.sql, self.n_reads = connection, sql, 0

    def __arrow_c_stream__(self, requested_schema=None):
        self.n_reads += 1
        return self.connection.cursor().sql(self.sql).__arrow_c_stream__()


class Reader:
    """A stream that can be had once."""

    def __init__(self, rows):
        self.capsule, self.schema = rows.__arrow_c_stream__(), None

    def __arrow_c_stream__(self, requested_schema=None):
        return self.capsule


def pyarrow_reader(rows):
    """A reader of pyarrow: used up, it would give an empty stream."""
    import pyarrow

    return pyarrow.RecordBatchReader.from_stream(rows)


@pytest.fixture
def rows():
    """Make an Arrow table out of SQL."""
    with duckdb.connect() as connection:
        yield lambda sql: Rows(connection, sql)


def pipeline(data, sql="SELECT * FROM s", **options):
    """One Arrow source, one table."""
    p = ms.Pipeline("held")
    p.source("s", ms.arrow(data), **options)
    p.table("out", sql)
    return p


def answer(p, base):
    """Run, and give the rows of the table."""
    p.run(base_dir=base)
    with p.connect(base_dir=base) as tables:
        return tables.query("SELECT * FROM out").rows


TWO = "SELECT * FROM (VALUES (1::BIGINT, 'a'), (2, NULL)) v(id, name)"


def test_rows_are_read_under_the_types_of_the_stream(rows, tmp_path):
    """The schema is that of the object: nothing is inferred from rows."""
    p = pipeline(rows(TWO), p_sql := "SELECT id + 1 AS next, name FROM s")

    assert p_sql
    assert str(p.plan().source("s").schema) == "id bigint, name string"
    assert sorted(answer(p, tmp_path)) == [(2, "a"), (3, None)]


def test_every_type_of_the_interface_has_one_here_or_none(rows):
    """Formats of the Arrow C data interface, worked out from its specification."""
    data = rows(
        "SELECT 1::TINYINT a, 1::UTINYINT b, 1::SMALLINT c, 1::USMALLINT d, 1::INTEGER e, 1::UINTEGER f, "
        "1::BIGINT g, 1::UBIGINT h, 1::FLOAT i, 1::DOUBLE j, 1::DECIMAL(12, 2) k, ''::BLOB l, '' m, "
        "DATE '2026-01-01' n, TIMESTAMP '2026-01-01' o, TIMESTAMPTZ '2026-01-01 00:00:00+00' p, true q, "
        "[1::BIGINT] r, {'x': 1::DOUBLE, 'y': ['']} s, MAP {'k': 1::BIGINT} t, TIME '10:00' u, "
        "INTERVAL 1 DAY v"
    )
    columns = {c.name: str(c.type) for c in ms.arrow(data).as_dict()["data"].columns}

    assert columns == {
        "a": "smallint", "b": "smallint", "c": "smallint", "d": "integer", "e": "integer",
        "f": "bigint", "g": "bigint", "h": "decimal(20,0)", "i": "double", "j": "double",
        "k": "decimal(12,2)", "l": "bytes", "m": "string", "n": "date", "o": "timestamp",
        "p": "timestamp", "q": "boolean", "r": "bigint[]", "s": "struct(x double, y string[])",
        "t": "map(string, bigint)", "u": "None", "v": "None",
    }  # fmt: skip


def test_declaring_reads_no_row_and_a_run_reads_once(rows, tmp_path):
    """Both steps read what was taken over: the stream of a reader can be had once."""
    data = rows(TWO)
    p = pipeline(data, "SELECT id FROM s")
    declared = data.n_reads
    p.table("also", "SELECT name FROM s")
    p.plan()
    assert data.n_reads == declared == 1  # for the schema

    p.run(base_dir=tmp_path)
    # DuckDB asks once for the schema and once for the rows.
    assert data.n_reads <= declared + 3


def test_declared_schema_is_checked(rows, tmp_path):
    """A column that is not there, a type that does not fit, a NULL that may not be."""
    with pytest.raises(DataError, match="the Arrow stream has no column 'nmae'") as caught:
        answer(pipeline(rows(TWO), schema="id bigint, nmae string"), tmp_path / "a")
    assert caught.value.finding.fix == "declare name"
    with pytest.raises(DataError, match="'name' of the Arrow stream is VARCHAR, declared as date"):
        answer(pipeline(rows(TWO), schema="name date"), tmp_path / "b")
    with pytest.raises(DataError, match="column 'name': NULL in a column declared not null"):
        answer(pipeline(rows(TWO), schema="id bigint, name string not null"), tmp_path / "c")


def test_bad_rows_may_be_dead_letters(rows, tmp_path):
    """The same words as for files."""
    p = pipeline(rows(TWO), schema="id bigint, name string not null", on_bad="dead_letter")

    assert answer(p, tmp_path) == ((1, "a"),)


def test_nanoseconds_are_taken_when_they_are_microseconds(rows, tmp_path):
    """An instant has microseconds (V7): what would be cut off is refused."""
    good = rows("SELECT TIMESTAMP_NS '2026-01-01 00:00:00.000001' AS ts")
    (row,) = answer(pipeline(good), tmp_path / "a")
    assert row[0].microsecond == 1

    with pytest.raises(
        DataError, match=r"'2026-01-01 00:00:00.000000001' does not fit timestamp\n"
    ):
        answer(
            pipeline(rows("SELECT TIMESTAMP_NS '2026-01-01 00:00:00.000000001' AS ts")),
            tmp_path / "b",
        )


def test_column_without_a_type_is_told_with_the_schema_that_leaves_it_out(rows, tmp_path):
    """The fix can be pasted."""
    data = rows("SELECT 1::BIGINT AS id, TIME '10:00' AS at")
    with pytest.raises(
        CheckFailed, match=r"columns without a type here: at \(Arrow time\)"
    ) as caught:
        pipeline(data).plan()

    (found,) = (f for f in caught.value.findings if f.code == "ArrowType")
    assert found.fix == 'leave them out: schema="id bigint"'
    assert answer(pipeline(data, schema="id bigint"), tmp_path) == ((1,),)


def test_column_of_nothing_but_null_gets_the_type_declared(rows, tmp_path):
    """An object states no type for it, so somebody has to; any will do."""
    data = rows('SELECT NULL AS "day off", 1::BIGINT AS id')
    with pytest.raises(CheckFailed, match=r"day off \(Arrow null\)") as caught:
        pipeline(data).plan()
    (found,) = (f for f in caught.value.findings if f.code == "ArrowType")
    assert found.fix == """say which type is meant: schema='"day off" string, id bigint'"""

    declared = pipeline(data, schema='"day off" date, id bigint')
    assert answer(declared, tmp_path) == ((None, 1),)


def test_stream_is_read_and_nothing_else_of_the_object(rows, tmp_path):
    """DuckDB knows classes of its own, pandas and polars, and reads them by other ways than this one."""
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT 7::BIGINT AS id, 'a'::ENUM('a', 'b') AS kind")
        assert answer(pipeline(relation), tmp_path) == ((7, "a"),)


def test_object_that_refuses_its_stream_is_told_in_one_line(rows):
    """A library refuses in any words: pandas, for one, a column of numbers and texts."""

    class Mixed:
        def __arrow_c_stream__(self, requested_schema=None):
            raise ValueError("could not convert 'x'\nin column a")

    wanted = r"does not give its Arrow stream: ValueError: could not convert 'x'\n  fix"
    with pytest.raises(DefinitionError, match=wanted):
        ms.arrow(Mixed())
    with pytest.raises(DefinitionError, match="does not give its Arrow stream: TypeError"):
        ms.arrow(Mixed)  # the class in place of an object


def test_column_without_a_name_is_refused(rows):
    """DuckDB would give it one of its own."""
    import pyarrow

    table = pyarrow.table({"": [1], "b": [2]})
    with pytest.raises(CheckFailed, match="source 's' has a column without a name"):
        pipeline(table).plan()


@pytest.mark.parametrize("reads", [Reader, pyarrow_reader])
def test_reader_that_is_used_up_is_an_error(reads, rows, tmp_path):
    """The second run must not write an empty table."""
    p = ms.Pipeline("held")
    reader = reads(rows(TWO))
    p.source("s", ms.arrow(reader), schema="id bigint, name string")
    p.table("out", "SELECT id FROM s")

    assert len(answer(p, tmp_path)) == 2
    with pytest.raises(OutsideError, match="the Arrow stream cannot be read"):
        p.run(base_dir=tmp_path)


def test_fingerprint_is_of_the_columns_and_the_token_of_the_rows(rows, tmp_path):
    """Other rows are the same plan and another position; other columns are another plan."""
    same, other = rows(TWO), rows("SELECT 1::BIGINT AS id")
    first, second = pipeline(rows(TWO)), pipeline(same)
    assert plan_fingerprint(first.plan()) == plan_fingerprint(second.plan())
    assert plan_fingerprint(first.plan()) != plan_fingerprint(pipeline(other).plan())

    def position():
        return second.run(base_dir=tmp_path).ledger["sources"]["s"]["position"]

    before = position()
    assert position() == before
    same.sql = TWO.replace("'a'", "'b'")
    assert position() != before


def test_event_time_may_not_lie_ahead(rows, tmp_path):
    """T2: the rows are here, so they cannot have happened later than now."""
    p = pipeline(rows("SELECT TIMESTAMP '2999-01-01' AS ts"), event_time="ts")

    with pytest.raises(DataError, match="1 bad row in source 's'"):
        p.run(base_dir=tmp_path)


def test_answer_of_one_pipeline_is_a_source_of_another(rows, tmp_path):
    """The edge of Arrow goes both ways."""
    first = pipeline(rows("SELECT 1.5::DECIMAL(4, 1) AS x"))
    first.run(base_dir=tmp_path / "first")
    with first.connect(base_dir=tmp_path / "first") as tables:
        second = ms.Pipeline("second")
        s = second.source("s", ms.arrow(tables.query("SELECT * FROM out")))
        second.table("out", s.select(twice=col("x") * 2))
        assert answer(second, tmp_path / "second") == ((Decimal("3.0"),),)


def test_what_gives_no_stream_is_refused():
    """A list of dicts is not a table with types."""
    with pytest.raises(DefinitionError, match="a list gives no Arrow stream") as caught:
        ms.arrow([{"id": 1}])

    assert "pyarrow.table" in caught.value.finding.fix


def test_binding_does_not_leave_the_process(rows):
    """An engine elsewhere cannot have the rows: it is said by name."""
    with pytest.raises(UnsupportedError, match=r"cannot leave it: arrow\(id bigint, name string\)"):
        pickle.dumps(ms.arrow(rows(TWO)))


def test_it_is_no_sink(rows):
    """Rows are given to other libraries by the answer, not by a sink."""
    p = ms.Pipeline("held")
    p.table("out", "SELECT 1 AS one", sink=ms.arrow(rows(TWO)))

    with pytest.raises(CheckFailed, match="arrow cannot be a sink"):
        p.plan()
