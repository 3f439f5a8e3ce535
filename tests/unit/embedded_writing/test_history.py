"""``ms.history``: versions with the span in which they held, by hand."""

import pytest

import mainstem as ms
from mainstem.errors import CheckFailed, DataError, OutsideError
from mainstem.storage.local.manifest import read_manifest
from tests.unit.embedded_writing.sinks import run_rows, table
from tests.unit.embedded_writing.test_merge import Folder, Table, by_key

SCHEMA = "id bigint, city string, note string, day date, op string"
HEAD = "id,city,note,day,op\n"
MODE = ms.history(key="id", sequence_by="day", delete_when="op = 'D'", columns=["city"])
COLUMNS = "id, city, day(valid_from), day(valid_to), is_current"


@pytest.fixture(params=["folder", "parts", "table"])
def sink(request, tmp_path):
    """Each kind of sink; days of January 2024 are written as their number."""
    words = {"partition_by": "city"} if request.param == "parts" else {}
    made = Table(tmp_path) if request.param == "table" else Folder(tmp_path, **words)

    class Customers:
        base = tmp_path

        def run(self, rows, mode=MODE, schema=SCHEMA, head=HEAD, **more):
            return made.run(dated(rows), mode=mode, schema=schema, head=head, **more)

        def rows(self, columns=COLUMNS):
            return made.rows(columns)

    return Customers()


def dated(rows):
    """``1,Rome,,5,`` means January 5."""
    lines = [line.split(",") for line in rows.splitlines()]
    return "".join(
        ",".join([*line[:3], f"2024-01-{int(line[3]):02}", *line[4:]]) + "\n" for line in lines
    )


def test_a_change_ends_one_version_and_begins_the_next(sink):
    """Only tracked columns make a version; the note of the first row stays."""
    assert by_key(sink.run("1,Rome,a,1,\n2,Oslo,a,1,\n")) == {"inserted": 2}
    ledger = sink.run("1,Rome,b,2,\n2,Bari,b,3,\n")

    assert by_key(ledger) == {"unchanged": 1, "inserted": 1}
    assert sink.rows() == [
        (1, "Rome", 1, None, True), (2, "Bari", 3, None, True), (2, "Oslo", 1, 3, False),
    ]  # fmt: skip
    assert sink.rows("note, id")[0] == ("a", 1)


def test_rows_out_of_order_are_put_in_the_middle(sink):
    """As if they had come in order."""
    sink.run("1,Rome,,1,\n")
    sink.run("1,Oslo,,9,\n")
    sink.run("1,Bari,,5,\n")

    assert sink.rows() == [
        (1, "Bari", 5, 9, False), (1, "Oslo", 9, None, True), (1, "Rome", 1, 5, False),
    ]  # fmt: skip


def test_what_confirmed_a_version_begins_one_when_it_is_cut(sink):
    """Rome on 1, Rome again on 6, and then it is heard that it was Bari from 3."""
    sink.run("1,Rome,a,1,\n1,Rome,b,6,\n")
    assert sink.rows() == [(1, "Rome", 1, None, True)]
    sink.run("1,Bari,,3,\n")

    assert sink.rows(COLUMNS + ", note") == [
        (1, "Bari", 3, 6, False, None), (1, "Rome", 1, 3, False, "a"), (1, "Rome", 6, None, True, "b"),
    ]  # fmt: skip


def test_removal_ends_a_version_and_a_later_row_begins_anew(sink):
    """Also when the removal came first."""
    assert by_key(sink.run("1,Rome,,1,\n1,,,4,D\n2,,,4,D\n")) == {"inserted": 1, "deleted": 2}
    assert sink.rows() == [(1, "Rome", 1, 4, False)]
    sink.run("1,Rome,,7,\n2,Oslo,,2,\n")

    assert sink.rows() == [
        (1, "Rome", 1, 4, False), (1, "Rome", 7, None, True), (2, "Oslo", 2, 4, False),
    ]  # fmt: skip


def test_the_same_run_twice_changes_nothing(sink):
    """Versions, confirmations and removals are all known."""
    rows = "1,Rome,,1,\n1,Rome,,2,\n1,Oslo,,3,\n2,Bari,,1,\n2,,,2,D\n"
    first = sink.run(rows)
    before = sink.rows()
    again = sink.run(rows)

    assert by_key(first) == {"inserted": 3, "unchanged": 1, "deleted": 1}
    assert by_key(again) == {"unchanged": 5}
    assert (again["committed"], again["already_there"]) == (0, 5)
    assert sink.rows() == before


def test_equal_sequence_takes_the_row_of_the_run(sink):
    """A correction of a day."""
    sink.run("1,Rome,,1,\n1,Oslo,,5,\n")
    assert by_key(sink.run("1,Bari,,1,\n")) == {"updated": 1}

    assert sink.rows() == [(1, "Bari", 1, 5, False), (1, "Oslo", 5, None, True)]


def test_all_columns_but_key_and_sequence_are_tracked_unless_named(sink):
    """A new note is a version then."""
    mode = ms.history(key="id", sequence_by="day")
    sink.run("1,Rome,a,1,\n1,Rome,b,2,\n1,Rome,b,3,\n", mode=mode)

    assert sink.rows("note, day(valid_from), day(valid_to)") == [("a", 1, 2), ("b", 2, None)]


def test_added_column_is_null_in_old_versions(sink):
    """And the history goes on."""
    sink.run("1,Rome,,1,\n1,Rome,,2,\n")
    schema, head = SCHEMA + ", w bigint", HEAD.replace("op\n", "op,w\n")
    sink.run("1,Oslo,,5,,7\n", schema=schema, head=head)

    assert sink.rows("city, w, is_current") == [("Oslo", 7, True), ("Rome", None, False)]


def test_null_key_is_refused(sink):
    """Nobody can say where the row belongs."""
    with pytest.raises(DataError, match="NULL in id of 1 row"):
        sink.run(",Rome,,1,\n")


def test_other_words_are_refused(sink):
    """The versions that are there were made by the old ones."""
    sink.run("1,Rome,,1,\n1,Rome,,2,\n")
    with pytest.raises(
        OutsideError, match="they were written by history key=id sequence_by=day columns=city"
    ):
        sink.run("1,Rome,,1,\n", mode=ms.history(key="id", sequence_by="day", columns=["note"]))


def test_rows_written_otherwise_are_refused(sink):
    """They have no spans."""
    sink.run("1,Rome,,1,\n", mode="overwrite")
    with pytest.raises(OutsideError, match=r"were written by (overwrite|another mode)"):
        sink.run("1,Rome,,1,\n")


def test_columns_of_a_history_must_be_free(tmp_path):
    """Before anything runs."""
    sink = ms.files("out", format="parquet", mode=ms.history(key="id", sequence_by="v"))
    with pytest.raises(CheckFailed, match="has the column valid_to, which its history adds"):
        run_rows(tmp_path, "id,v\n", sink, sql="SELECT id, v, 1 AS valid_to FROM rows")


def test_manifest_has_the_columns_that_are_written(tmp_path):
    """A source over the folder declares them."""
    sink = ms.files("out", format="parquet", mode=ms.history(key="id", sequence_by="v"))
    run_rows(tmp_path, "id,v\n1,a\n", sink)

    assert read_manifest(tmp_path / "out").schema == (
        "id bigint, v string, valid_from string, valid_to string, is_current boolean"
    )


def test_sql_file_says_the_same():
    """One meaning, two spellings."""
    from mainstem.definition.sqlfile import read_sql_file

    text = """
    CREATE SOURCE s (id bigint, d date, op string) FROM files('in.csv');
    CREATE TABLE t INTO files('out', format => 'parquet',
        mode => merge(key => 'id', sequence_by => ['d', 'op'], delete_when => 'op = ''D''')) AS
    SELECT * FROM s;
    CREATE TABLE h INTO duckdb('w.duckdb', 'h', mode => history(key => ['id'], sequence_by => 'd')) AS
    SELECT * FROM s;
    """
    merged, kept = (s.sink.as_dict()["mode"] for s in read_sql_file(text, "x.sql").plan().tables)

    assert merged == ms.merge(key="id", sequence_by=["d", "op"], delete_when="op = 'D'")
    assert kept == ms.history(key="id", sequence_by="d")


def test_sql_file_names_the_place_in_the_predicate():
    """Line and column inside of the text literal."""
    from mainstem.definition.sqlfile import read_sql_file

    text = (
        "CREATE SOURCE s (id bigint, op string) FROM files('in.csv');\n"
        "CREATE TABLE t INTO duckdb('w.duckdb', 't',\n"
        "  mode => merge(key => 'id', delete_when => 'id > 0 AND opp IS NULL')) AS\n"
        "SELECT * FROM s;\n"
    )
    import linecache

    linecache.cache["places.sql"] = (len(text), None, text.splitlines(keepends=True), "places.sql")
    with pytest.raises(CheckFailed) as caught:
        read_sql_file(text, "places.sql").plan()

    (found,) = caught.value.findings
    assert (found.where.line, found.where.column) == (3, 57)
    assert found.fix == "write op"


def test_table_remembers_beside_itself(tmp_path):
    """Confirmations and removals, with all columns."""
    Table(tmp_path).run(
        dated("1,Rome,a,1,\n1,Rome,b,2,\n1,,,3,D\n"), mode=MODE, schema=SCHEMA, head=HEAD
    )

    sql = "SELECT city, note, day(day), __deleted FROM shop.t__memory ORDER BY day"
    assert table(tmp_path / "w.duckdb", sql) == [("Rome", "b", 2, False), (None, None, 3, True)]
