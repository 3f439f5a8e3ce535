"""``ms.merge``: what becomes of keys, by hand; `test_content` has the random ones."""

import re

import duckdb
import pytest

import mainstem as ms
from mainstem.errors import CheckFailed, DataError, OutsideError
from mainstem.storage.local.manifest import read_manifest
from tests.unit.embedded_writing.sinks import held, is_whole, run_rows, table

SCHEMA = "id bigint, k string, ts bigint, op string"
HEAD = "id,k,ts,op\n"
MODE = ms.merge(key="id", sequence_by="ts", delete_when="op = 'D'")


class Folder:
    """A folder of Parquet files."""

    def __init__(self, base, **words):
        self.base = base
        self.words = words

    def run(self, rows, *, mode=MODE, schema=SCHEMA, head=HEAD, **words):
        """Merge rows of text; give the ledger."""
        sink = ms.files("out", format="parquet", mode=mode, **self.words)
        ledger = run_rows(self.base, head + rows, sink, schema=schema, **words)
        assert is_whole(self.base / "out")
        return ledger

    def rows(self, columns="id, k, ts"):
        """What it holds."""
        more = ", hive_partitioning=true" if self.words else ""
        if self.words and not list((self.base / "out").rglob("*.parquet")):
            return []  # a folder of partitions without rows has no file
        return held(self.base / "out", columns, more=more)


class Parts(Folder):
    """The same in partitions."""

    def __init__(self, base):
        super().__init__(base, partition_by="k")


class Table(Folder):
    """A table of a DuckDB file."""

    def run(self, rows, *, mode=MODE, schema=SCHEMA, head=HEAD, **words):
        """Merge rows of text; give the ledger."""
        sink = ms.duckdb("w.duckdb", "shop.t", mode=mode, **self.words)
        return run_rows(self.base, head + rows, sink, schema=schema, **words)

    def rows(self, columns="id, k, ts"):
        """What it holds."""
        return table(self.base / "w.duckdb", f"SELECT {columns} FROM shop.t ORDER BY ALL")


@pytest.fixture(params=[Folder, Parts, Table])
def sink(request, tmp_path):
    """Each kind of sink."""
    return request.param(tmp_path)


def by_key(ledger):
    """The parts of a ledger that are not 0."""
    return {name: n for name, n in ledger["by_key"].items() if n}


def test_newer_rows_win_in_any_order(sink):
    """Inserted, updated, unchanged, older, deleted: each once."""
    first = sink.run("1,a,10,\n2,a,10,\n3,b,10,\n4,b,10,\n")
    assert by_key(first) == {"inserted": 4}
    ledger = sink.run("1,a,11,\n2,a,10,\n3,b,9,\n4,b,12,D\n5,c,1,\n")

    assert by_key(ledger) == {
        "inserted": 1, "updated": 1, "unchanged": 1, "older": 1, "deleted": 1,
    }  # fmt: skip
    assert (ledger["offered"], ledger["committed"], ledger["already_there"]) == (5, 3, 2)
    assert sink.rows() == [(1, "a", 11), (2, "a", 10), (3, "b", 10), (5, "c", 1)]


def test_removed_key_stays_removed_for_older_rows(sink):
    """An older row that comes later does not bring it back; a newer one does."""
    sink.run("1,a,10,\n")
    sink.run("1,a,20,D\n")
    assert sink.rows() == []
    assert by_key(sink.run("1,a,15,\n")) == {"older": 1}
    assert sink.rows() == []
    assert by_key(sink.run("1,b,21,\n")) == {"inserted": 1}
    assert sink.rows() == [(1, "b", 21)]


def test_removal_of_a_key_that_never_was_is_remembered(sink):
    """The removal came before the row."""
    assert by_key(sink.run("1,a,20,D\n")) == {"deleted": 1}
    assert by_key(sink.run("1,a,20,D\n")) == {"unchanged": 1}
    assert by_key(sink.run("1,a,19,\n2,a,1,\n")) == {"older": 1, "inserted": 1}
    assert sink.rows() == [(2, "a", 1)]


def test_the_same_run_twice_changes_nothing(sink):
    """All of it is already there."""
    rows = "1,a,10,\n1,b,12,\n2,a,10,\n3,c,5,D\n"
    first = sink.run(rows)
    again = sink.run(rows)

    assert by_key(first) == {"inserted": 2, "deleted": 1, "older": 1}
    assert by_key(again) == {"unchanged": 3, "older": 1}
    assert again["committed"] == 0
    assert sink.rows() == [(1, "b", 12), (2, "a", 10)]


def test_equal_sequence_takes_the_row_of_the_run(sink):
    """A correction; within one run the greater values win, column by column."""
    sink.run("1,b,10,\n")
    assert by_key(sink.run("1,a,10,\n")) == {"updated": 1}
    assert sink.rows() == [(1, "a", 10)]
    sink.run("2,c,1,\n2,d,1,\n2,,1,\n")
    assert sink.rows() == [(1, "a", 10), (2, "d", 1)]


def test_key_that_moves_leaves_its_old_partition(tmp_path):
    """Only the partitions that change are written; the rest are the same files."""
    sink = Parts(tmp_path)
    sink.run("1,a,1,\n2,b,1,\n3,c,1,\n")
    before = inodes(tmp_path / "out")
    sink.run("1,b,2,\n")

    assert sink.rows() == [(1, "b", 2), (2, "b", 1), (3, "c", 1)]
    after = inodes(tmp_path / "out")
    # The folder of `a` has lost its only row, and with it its file.
    assert set(before) - set(after) == {n for n in before if n.startswith(("k=a", "k=b"))}
    assert after[next(n for n in before if n.startswith("k=c"))] in before.values()


def inodes(folder):
    """The files of a folder and what they are on the disk."""
    return {
        str(p.relative_to(folder)): p.stat().st_ino
        for p in folder.rglob("*.parquet")
    }  # fmt: skip


def test_null_partition_is_found_again(tmp_path):
    """NULL is a folder of its own."""
    sink = Parts(tmp_path)
    sink.run("1,,1,\n2,a,1,\n")
    sink.run("1,,2,\n")

    assert sink.rows() == [(1, None, 2), (2, "a", 1)]


def test_without_a_sequence_the_run_wins(sink):
    """And a removal is not remembered: nothing says that a row is older."""
    mode = ms.merge(key=["id"], delete_when="op = 'D'")
    sink.run("1,a,9,\n2,a,9,\n", mode=mode)
    ledger = sink.run("1,b,1,\n2,a,1,D\n3,c,1,D\n", mode=mode)

    assert by_key(ledger) == {"updated": 1, "deleted": 1, "unchanged": 1}
    assert sink.rows() == [(1, "b", 1)]
    assert by_key(sink.run("2,a,0,\n", mode=mode)) == {"inserted": 1}


def test_two_rows_of_a_key_without_a_sequence_are_refused(sink):
    """Named, with the fix; nothing is written."""
    sink.run("1,a,1,\n", mode=ms.merge(key="id"))
    with pytest.raises(
        DataError, match=r"a key stands twice in one run: id=7 \(2 rows\)"
    ) as caught:
        sink.run("7,a,1,\n7,b,2,\n8,a,1,\n", mode=ms.merge(key="id"))

    assert caught.value.finding.code == "MergeKeyTwice"
    assert "sequence_by" in caught.value.finding.fix
    assert sink.rows() == [(1, "a", 1)]


@pytest.mark.parametrize(("row", "column"), [(",a,1,\n", "id"), ("1,a,,\n", "ts")])
def test_null_in_key_or_sequence_is_refused(sink, row, column):
    """Nobody can say where the row belongs."""
    with pytest.raises(DataError, match=f"NULL in {column} of 1 row") as caught:
        sink.run("5,a,1,\n" + row)

    assert caught.value.finding.code == "MergeKeyNull"


def test_several_keys_and_sequences(sink):
    """Compared one after the other."""
    mode = ms.merge(key=["id", "op"], sequence_by=["ts", "k"])
    sink.run("1,a,1,x\n1,b,1,x\n1,a,1,y\n", mode=mode)
    sink.run("1,a,1,x\n1,c,1,y\n", mode=mode)

    assert sink.rows("id, op, k") == [(1, "x", "b"), (1, "y", "c")]


def test_added_column_is_null_in_old_rows(sink):
    """And in what is remembered of them: the next run merges as before."""
    sink.run("1,a,1,\n2,a,1,D\n")
    words = {"schema": SCHEMA + ", w bigint", "head": "id,k,ts,op,w\n"}
    assert by_key(sink.run("3,a,1,,7\n2,b,0,,7\n", **words)) == {"inserted": 1, "older": 1}

    assert sink.rows("id, w") == [(1, None), (3, 7)]
    assert by_key(sink.run("1,a,1,,\n3,a,2,,8\n", **words)) == {"unchanged": 1, "updated": 1}
    assert sink.rows("id, w") == [(1, None), (3, 8)]


def test_column_that_is_gone_is_refused(sink):
    """The sink is as it was."""
    sink.run("1,a,1,\n")
    with pytest.raises((OutsideError, DataError), match="op"):
        sink.run("1,a,2,\n", sql="SELECT id, k, ts FROM rows", mode=ms.merge(key="id"))

    assert sink.rows() == [(1, "a", 1)]


def test_another_key_is_refused(sink):
    """What is remembered is by the old one."""
    sink.run("1,a,1,\n2,a,1,D\n")
    with pytest.raises(
        OutsideError, match="were written by merge key=id sequence_by=ts, this run is"
    ):
        sink.run("1,a,1,\n", mode=ms.merge(key="k", sequence_by="ts"))


def test_rows_written_otherwise_are_taken_as_they_are(sink):
    """An overwritten or appended sink may become a merged one when its key is one."""
    sink.run("1,a,1,\n2,a,1,\n", mode="overwrite")
    assert by_key(sink.run("1,b,2,\n2,b,0,\n")) == {"updated": 1, "older": 1}
    sink.run("1,z,1,\n1,z,2,\n", mode="overwrite")
    with pytest.raises(OutsideError, match="the key id=1 stands in 2 of"):
        sink.run("1,b,3,\n")


def test_append_after_merge_is_refused(sink):
    """It would break the key, and what is remembered would be forgotten."""
    sink.run("1,a,1,\n2,a,1,D\n")
    with pytest.raises(OutsideError, match="they were written by merge key=id"):
        sink.run("1,a,1,\n", mode="append")


def test_predicate_sees_the_columns_of_the_query(sink):
    """Also where the sink's are narrower: 300 * 300 does not fit a smallint."""
    mode = ms.merge(key="id", delete_when="ts * ts > 80000 AND :day = 'x'")
    sink_schema = "id bigint, k string, ts smallint, op string"
    p = ms.Pipeline("growing")
    (sink.base / "in.csv").write_text(HEAD + "1,a,300,\n2,a,3,\n")
    p.source("rows", ms.files("in.csv"), schema=SCHEMA)
    p.param("day", "string", default="x")
    binding = (
        ms.duckdb("w.duckdb", "shop.t", mode=mode) if isinstance(sink, Table)
        else ms.files("out", format="parquet", mode=mode, **sink.words)
    )  # fmt: skip
    p.table("t", "SELECT * FROM rows", sink=binding, schema=sink_schema)
    from mainstem.runtime.run import RunOptions, run

    list(run(p.plan(), RunOptions(sink.base)))

    assert sink.rows("id") == [(2,)]


def test_foreign_rows_are_refused(tmp_path):
    """A merge changes rows, so they must be ours; with force they are."""
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("CREATE SCHEMA shop")
        connection.execute(
            "CREATE TABLE shop.t (id BIGINT PRIMARY KEY, k VARCHAR, ts BIGINT, op VARCHAR)"
        )
        connection.execute("INSERT INTO shop.t VALUES (1, 'a', 1, NULL), (2, 'a', 1, NULL)")
    with pytest.raises(OutsideError, match="holds rows that Mainstem did not write"):
        Table(tmp_path).run("1,b,2,\n")
    Table(tmp_path, force=True).run("1,b,2,\n2,b,2,D\n3,b,2,\n")

    # Its primary key is kept, and is no obstacle to replacing a row.
    assert Table(tmp_path).rows() == [(1, "b", 2), (3, "b", 2)]


WRONG = {
    "unknown column": (ms.merge(key="idd"), "ColumnNotFound", "no column 'idd' for key of 't'"),
    "no predicate": (
        ms.merge(key="id", delete_when="opp = 'D'"), "ColumnNotFound", "delete_when of 't': no column",
    ),
    "not boolean": (ms.merge(key="id", delete_when="id"), "TypeMismatch", "delete_when of 't'"),
    "aggregate": (
        ms.merge(key="id", delete_when="count(*) > 1"), "AggregateNotAllowed", "delete_when of 't'",
    ),
    "nested key": (ms.merge(key="n"), "KeyType", "is bigint[], which cannot say"),
    "no key": ((("kind", "merge"),), "ModeWords", "merge needs key"),
    "unknown word": (
        (("keys", "id"), ("kind", "merge")), "ModeWords", "merge has no 'keys'",
    ),
    "unknown kind": ((("key", "id"), ("kind", "upsert")), "ModeWords", "the mode's kind is 'upsert'"),
    "empty": (ms.merge(key=[]), "ModeWords", "key of merge is ()"),
}  # fmt: skip


@pytest.mark.parametrize(("mode", "code", "what"), WRONG.values(), ids=WRONG.keys())
def test_wrong_words_are_findings_with_places(mode, code, what):
    """Before anything runs."""
    p = ms.Pipeline("wrong")
    p.source("rows", ms.files("in.csv"), schema="id bigint, op string, n bigint[]")
    p.table("t", "SELECT * FROM rows", sink=ms.files("out", format="parquet", mode=mode))
    with pytest.raises(CheckFailed) as caught:
        p.plan()

    found = [f for f in caught.value.findings if f.code == code]
    assert found, caught.value.findings
    assert what in found[0].what
    assert found[0].where.line > 0


@pytest.mark.parametrize("format_", ["csv", "json", "text"])
def test_other_formats_are_refused(tmp_path, format_):
    """They do not keep every value exactly, and a merge reads its own rows again."""
    sink = ms.files("out", format=format_, mode=ms.merge(key="id"))
    with pytest.raises(CheckFailed, match="merge reads its own rows again"):
        run_rows(tmp_path, "id,v\n", sink, sql="SELECT v AS id FROM rows")


def test_first_run_without_rows_leaves_a_schema(sink):
    """A reader finds the columns."""
    assert sink.run("")["offered"] == 0
    if not isinstance(sink, Parts):
        assert sink.rows() == []
    assert by_key(sink.run("1,a,1,\n")) == {"inserted": 1}


def test_memory_stands_beside_the_rows(tmp_path):
    """In a file that no reader's glob of the folder matches, and in a table next to it."""
    Folder(tmp_path).run("1,a,1,\n2,a,5,D\n")
    (hidden,) = read_manifest(tmp_path / "out").hidden
    assert held(tmp_path / "out", glob=hidden.name) == [(2, 5)]
    assert re.fullmatch(r"_mainstem/memory-000001-[0-9a-f]{8}", hidden.name)

    Table(tmp_path).run("1,a,1,\n2,a,5,D\n")
    assert table(tmp_path / "w.duckdb", "FROM shop.t__memory") == [(2, 5)]


def test_ledger_is_told_by_key(tmp_path):
    """The last lines of a run say what became of the rows, without what did not happen."""
    from mainstem.cli.ledger import ledger_text

    Folder(tmp_path).run("1,a,1,\n2,a,1,\n")
    ledger = Folder(tmp_path).run("1,b,2,\n2,a,1,\n3,a,1,\n")

    assert "1 inserted, 1 updated, 1 unchanged" in ledger_text({"sinks": {"t": ledger}})


@pytest.mark.parametrize("change", [-1, 1])
def test_ledger_that_lost_or_doubled_a_row_by_key_stops(change):
    """The parts must add up to what was offered."""
    from mainstem.engines.spec import Event
    from mainstem.errors import InternalError
    from mainstem.runtime.ledger import Ledger

    ledger = Ledger()
    facts = {
        "rows": 3, "files": 1, "bytes": 1, "kind": "folder", "path": "out", "seconds": 0.0,
        "already_there": 1, "by_key": {"inserted": 2, "unchanged": 1},
    }  # fmt: skip
    for kind in ("step_finished", "sink_staged", "sink_committed"):
        ledger.take(Event(kind, "t", facts))
    ledger.check()
    facts["by_key"]["inserted"] += change

    with pytest.raises(InternalError, match="the keys of sink 't' does not balance"):
        ledger.check()
