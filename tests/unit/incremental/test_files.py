"""Runs over folders in which files appear: every row once, and nothing silent."""

import os
from contextlib import closing
from hashlib import sha256

import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.state_file import state_path
from mainstem.errors import BusyError, DataError, OutsideError, StateError
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs
from tests.unit.incremental.reading import rows_of

SCHEMA = "id bigint, k string"


def pipeline(source="orders", path="in/*.csv", sink=None, **options):
    """Everything that arrives is appended."""
    p = Pipeline("shop")
    p.source(source, files(path, incremental=True, **options), schema=SCHEMA)
    sink = sink or files("out/", format="parquet", mode="append")
    p.table("kept", f"SELECT id, k FROM {source}", sink=sink)
    return p


def run_all(base, p=None, **options):
    """Run to the end; give the events."""
    with closing(run((p or pipeline()).plan(), RunOptions(base, **options))) as events:
        return list(events)


def put(base, name, *ids):
    """Write a file of rows."""
    folder = base / "in"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("id,k\n" + "".join(f"{i},x\n" for i in ids))


def line(events, name="orders"):
    """The ledger's line of a source."""
    return events[-1].facts["ledger"]["sources"][name]


def test_each_file_is_read_by_one_run(tmp_path):
    """Only what is new is read, and all rows stand at the sink once."""
    put(tmp_path, "a.csv", 1, 2)
    first = run_all(tmp_path)
    put(tmp_path, "b.csv", 3)
    put(tmp_path, "c.csv", 4)
    second = run_all(tmp_path)

    assert rows_of(tmp_path / "out") == [1, 2, 3, 4]
    assert (line(first)["read"], line(first)["new"], line(first)["known"]) == (2, 1, 0)
    assert (line(second)["read"], line(second)["new"], line(second)["known"]) == (2, 2, 1)


def test_nothing_new_is_a_run_with_no_rows(tmp_path):
    """It commits, and says so."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)
    events = run_all(tmp_path)

    assert (line(events)["read"], line(events)["new"], line(events)["known"]) == (0, 0, 1)
    assert events[-1].facts["ledger"]["sinks"]["kept"]["committed"] == 0
    assert [r.is_committed for r in runs(state_dir(tmp_path, "shop"))] == [True, True]
    assert rows_of(tmp_path / "out") == [1]


def test_changed_file_is_named_and_nothing_is_written(tmp_path):
    """Other content under a name that was read."""
    put(tmp_path, "a.csv", 1)
    put(tmp_path, "b.csv", 2)
    run_all(tmp_path)
    put(tmp_path, "a.csv", 1, 9)
    put(tmp_path, "c.csv", 3)

    with pytest.raises(DataError, match=r"in/a\.csv changed after a run had read it") as failed:
        run_all(tmp_path)

    assert failed.value.finding.code == "FileChangedSince"
    assert failed.value.attributes["files"] == ["in/a.csv"]
    assert rows_of(tmp_path / "out") == [1, 2]


def test_same_size_is_no_proof(tmp_path):
    """The checksum decides where only the time differs."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)
    put(tmp_path, "a.csv", 7)
    os.utime(tmp_path / "in/a.csv", ns=(1, 1))

    with pytest.raises(DataError, match=r"in/a\.csv"):
        run_all(tmp_path)


def test_touched_file_is_not_read_again(tmp_path):
    """Nor is its checksum taken a second time."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)
    os.utime(tmp_path / "in/a.csv", ns=(1_000, 1_000))
    assert line(run_all(tmp_path))["read"] == 0
    assert rows_of(tmp_path / "out") == [1]
    from mainstem.engines.embedded.reading.marks import read_marks

    (mark,) = read_marks(state_dir(tmp_path, "shop")).files["orders"].values()
    assert mark.mtime_ns == 1_000


def test_state_file_says_what_was_read(tmp_path):
    """Path, size, checksum, rows and run of each file."""
    put(tmp_path, "a.csv", 1, 2)
    put(tmp_path, "b.csv", 3)
    run_all(tmp_path)

    (run_id,) = [r.run_id for r in runs(state_dir(tmp_path, "shop"))]
    found = query(
        state_dir(tmp_path, "shop"),
        'SELECT source, path, size, sha256, "rows", run_id, epoch FROM mainstem.files_read '
        "ORDER BY path",
    )
    assert found.rows == (
        ("orders", "in/a.csv", 13, sha256(b"id,k\n1,x\n2,x\n").hexdigest(), 2, run_id, 1),
        ("orders", "in/b.csv", 9, sha256(b"id,k\n3,x\n").hexdigest(), 1, run_id, 1),
    )


def test_changed_file_is_read_again_where_asked(tmp_path):
    """All of it, and only it."""
    p = pipeline(changed="reread", sink=files("out.csv"))
    put(tmp_path, "a.csv", 1)
    put(tmp_path, "b.csv", 2)
    run_all(tmp_path, p)
    put(tmp_path, "a.csv", 1, 9)
    events = run_all(tmp_path, p)

    assert (tmp_path / "out.csv").read_text() == "id,k\n1,x\n9,x\n"
    assert (line(events)["read"], line(events)["new"]) == (2, 1)
    assert line(run_all(tmp_path, p))["new"] == 0


def test_file_that_is_gone_is_no_matter(tmp_path):
    """Even when none is left."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)
    (tmp_path / "in/a.csv").unlink()

    assert line(run_all(tmp_path))["known"] == 1
    put(tmp_path, "a.csv", 1)
    assert line(run_all(tmp_path))["new"] == 0
    assert rows_of(tmp_path / "out") == [1]


def test_first_run_finds_files(tmp_path):
    """A glob that never matched anything is a slip."""
    with pytest.raises(OutsideError, match="no file matches"):
        run_all(tmp_path)


def test_other_spelling_of_a_path_is_the_same_file(tmp_path):
    """A folder, a glob, an absolute path."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)

    for path in ("in", "./in/*.csv", "in/../in/a.csv", str(tmp_path / "in/*.csv")):
        assert line(run_all(tmp_path, pipeline(path=path)))["new"] == 0


def test_folder_may_be_moved(tmp_path):
    """Paths are remembered from the definition on."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    put(before, "a.csv", 1)
    run_all(before)
    before.rename(after)
    put(after, "b.csv", 2)

    assert line(run_all(after))["new"] == 1
    assert rows_of(after / "out") == [1, 2]


def test_renamed_source_does_not_read_everything_again(tmp_path):
    """It is refused by name."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)

    with pytest.raises(StateError, match="earlier runs read it as source 'orders'") as failed:
        run_all(tmp_path, pipeline(source="sales"))
    assert failed.value.finding.code == "SourceRenamed"
    assert rows_of(tmp_path / "out") == [1]


def test_failed_run_remembers_nothing(tmp_path):
    """The next one reads its files."""
    put(tmp_path, "a.csv", 1)
    (tmp_path / "in/b.csv").write_text("id,k\nnot a number,x\n")
    with pytest.raises(DataError):
        run_all(tmp_path)

    put(tmp_path, "b.csv", 2)
    run_all(tmp_path)
    assert rows_of(tmp_path / "out") == [1, 2]


def test_file_that_grows_while_it_is_read_stops_the_run(tmp_path):
    """Half a file is never taken for a whole one."""
    put(tmp_path, "a.csv", 1)

    def growing():
        with closing(run(pipeline().plan(), RunOptions(tmp_path))) as events:
            for event in events:
                if event.kind == "source_read":
                    put(tmp_path, "a.csv", 1, 2)

    with pytest.raises(BusyError, match=r"in/a\.csv changed while being read") as failed:
        growing()

    assert (failed.value.finding.code, failed.value.retry) == ("FileInWriting", True)
    assert not (tmp_path / "out").exists() or rows_of(tmp_path / "out") == []
    run_all(tmp_path)
    assert rows_of(tmp_path / "out") == [1, 2]


def test_parquet_files_arrive_too(tmp_path):
    """Scanned in place, at the end of the run at the latest."""
    import duckdb

    folder = tmp_path / "in"
    folder.mkdir()
    with closing(duckdb.connect()) as connection:
        for name, value in (("a", 1), ("b", 2)):
            connection.execute(
                f"COPY (SELECT {value}::BIGINT AS id, 'x' AS k) TO '{folder}/{name}.parquet'"
            )
            run_all(tmp_path, pipeline(path="in/*.parquet"))

    assert rows_of(tmp_path / "out") == [1, 2]


def test_state_file_that_is_gone_is_not_a_fresh_start(tmp_path):
    """All files would be appended again."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)
    state_path(state_dir(tmp_path, "shop")).unlink()

    with pytest.raises(StateError, match="not in the state file") as failed:
        run_all(tmp_path)
    assert failed.value.finding.code == "MarksLost"
    assert rows_of(tmp_path / "out") == [1]


def test_older_state_file_is_refused(tmp_path):
    """A copy from before the last run would read its files again."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)
    path = state_path(state_dir(tmp_path, "shop"))
    older = path.read_bytes()
    put(tmp_path, "b.csv", 2)
    run_all(tmp_path)
    path.write_bytes(older)

    with pytest.raises(StateError, match="not in the state file"):
        run_all(tmp_path)


@pytest.mark.parametrize("kept", [0, 100, 4096, 20000])
def test_torn_state_file_is_refused(tmp_path, kept):
    """Never taken for an empty one."""
    put(tmp_path, "a.csv", 1)
    run_all(tmp_path)
    path = state_path(state_dir(tmp_path, "shop"))
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(StateError) as failed:
        run_all(tmp_path)
    assert failed.value.finding.code in {"StateDamaged", "MarksLost"}
    assert rows_of(tmp_path / "out") == [1]
