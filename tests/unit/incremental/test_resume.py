"""A run that goes on where the last one failed."""

import os
import subprocess
import sys
from contextlib import closing

import duckdb
import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.writing.resume import FOLDER, NAME
from mainstem.errors import MainstemError, OutsideError
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir
from mainstem.storage.local.manifest import read_manifest
from tests.unit.incremental.reading import rows_of, table_rows

FAILS = "SELECT CAST(k AS BIGINT) AS id FROM rows"
WORKS = "SELECT id + 100 AS id FROM big"


def pipeline(last=WORKS, *, one="SELECT id, k FROM rows"):
    """Every kind of sink before a table that may fail."""
    p = Pipeline("resumed")
    p.source("rows", files("rows.csv"), schema="id bigint, k string")
    p.source("other", files("other.csv"), schema="id bigint")
    p.param("least", "bigint", default=0)
    p.table("one", one, sink=files("one.csv"))
    p.table("big", "SELECT id FROM rows WHERE id >= :least", sink=files("big/", format="parquet"))
    p.table("parts", "SELECT id, k FROM rows", sink=files(
        "parts/", format="parquet", partition_by="k", mode="overwrite_partitions"))  # fmt: skip
    p.table("ext", "SELECT id FROM other", sink=duckdb_table("ext.duckdb", "rows"))
    p.table("inside", "SELECT id FROM other")
    p.table("last", last, sink=files("last.parquet"))
    return p


@pytest.fixture
def base(tmp_path):
    """Rows 1 and 2, and row 3 elsewhere."""
    (tmp_path / "rows.csv").write_text("id,k\n1,a\n2,b\n")
    (tmp_path / "other.csv").write_text("id\n3\n")
    return tmp_path


def run_all(base, p, **options):
    """Run to the end; give the events."""
    with closing(run(p.plan(), RunOptions(base, **options))) as events:
        return list(events)


def fail(base, p=None, **options):
    """A run whose last table fails."""
    with pytest.raises(MainstemError):
        run_all(base, p or pipeline(FAILS), **options)


def kept(events):
    """The tables that were taken over."""
    return {e.name for e in events if e.kind == "step_kept"}


def why(events):
    """Why the others were not."""
    return {e.name: e.facts["why"] for e in events if e.kind == "step_recomputed"}


def computed(events):
    """The tables that were computed."""
    return {e.name for e in events if e.kind == "step_started"}


def is_right(base):
    """Every sink holds what a run from the beginning writes."""
    assert (base / "one.csv").read_text() == "id,k\n1,a\n2,b\n"
    assert rows_of(base / "big") == rows_of(base / "parts") == [1, 2]
    assert table_rows(base / "ext.duckdb", "rows") == [3]
    assert query(state_dir(base, "resumed"), "SELECT id FROM inside").rows == ((3,),)
    with closing(duckdb.connect()) as connection:
        found = connection.execute(f"SELECT id FROM '{base}/last.parquet' ORDER BY id").fetchall()
    assert found == [(101,), (102,)]
    folder = state_dir(base, "resumed")
    assert not (folder / NAME).exists()
    assert not (folder / FOLDER).exists()
    assert list(base.rglob(".mainstem-*")) == []
    for name in ("big", "parts"):
        manifest = read_manifest(base / name)
        assert {f.name.split("-")[1] for f in manifest.files} == {manifest.run_id.split("-")[0]}


def test_finished_tables_are_taken_over(base):
    """Only the step that failed is computed, and what stood in the state file's transaction."""
    fail(base)
    assert not (base / "one.csv").exists()
    events = run_all(base, pipeline(), resume=True)

    assert kept(events) == {"one", "big", "parts", "ext"}
    assert computed(events) == {"inside", "last"}
    is_right(base)
    ledger = events[-1].facts["ledger"]
    assert {n: s["committed"] for n, s in ledger["sinks"].items()} == {
        "one": 2, "big": 2, "parts": 2, "ext": 1, "inside": 1, "last": 2,
    }  # fmt: skip


def test_source_of_finished_tables_only_is_not_read(base):
    """Reading is most of the work."""
    p = pipeline(FAILS)
    p.steps[:] = [s for s in p.steps if s.name != "inside"]
    fail(base, p)
    p = pipeline()
    p.steps[:] = [s for s in p.steps if s.name != "inside"]
    events = run_all(base, p, resume=True)

    assert [e.name for e in events if e.kind == "source_read"] == []
    assert table_rows(base / "ext.duckdb", "rows") == [3]


def test_without_resume_nothing_is_taken_over_and_nothing_stays(base):
    """What was kept is nobody's any more."""
    fail(base)
    assert kept(run_all(base, pipeline())) == set()
    is_right(base)


def test_changed_source_is_read_again(base):
    """And the run says why."""
    fail(base)
    (base / "other.csv").write_text("id\n4\n")
    events = run_all(base, pipeline(), resume=True)

    assert kept(events) == {"one", "big", "parts"}
    assert why(events) == {"ext": "its definition, parameters or sources are others now"}
    assert table_rows(base / "ext.duckdb", "rows") == [4]


def test_changed_definition_and_parameters_are_computed_again(base):
    """All that depend on them."""
    fail(base)
    one = "SELECT id + 1 AS id, k FROM rows"
    events = run_all(base, pipeline(one=one), resume=True)
    assert kept(events) == {"big", "parts", "ext"}
    assert (base / "one.csv").read_text() == "id,k\n2,a\n3,b\n"

    fail(base)
    events = run_all(base, pipeline(), resume=True, params={"least": 2})
    assert kept(events) == set()
    assert rows_of(base / "big") == [2]


def test_damaged_file_is_not_taken_over(base):
    """Checksums are compared."""
    fail(base)
    folder = state_dir(base, "resumed") / FOLDER
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "manifest":
            data = bytearray(path.read_bytes())
            data[8] ^= 1
            path.write_bytes(data)
    events = run_all(base, pipeline(), resume=True)

    assert kept(events) == set()
    assert set(why(events).values()) == {"its file is not as it was left"}
    is_right(base)


def test_failing_twice_keeps_what_was_taken_over(base):
    """Until a run succeeds."""
    fail(base)
    fail(base, resume=True)
    events = run_all(base, pipeline(), resume=True)

    assert kept(events) == {"one", "big", "parts", "ext"}
    is_right(base)


def test_bad_row_before_anything_keeps_it_too(base):
    """A resumed run that fails while reading has not lost what there was."""
    fail(base)
    rows = (base / "rows.csv").read_text()
    status = (base / "rows.csv").stat()
    (base / "rows.csv").write_text("id,k\nx,a\n")
    fail(base, pipeline(), resume=True)
    (base / "rows.csv").write_text(rows)
    os.utime(base / "rows.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    events = run_all(base, pipeline(), resume=True)

    assert "ext" in kept(events)
    is_right(base)


def test_only_the_last_failed_run_keeps_anything(base):
    """The state directory does not grow with failures."""
    for _ in range(3):
        fail(base)
    folder = state_dir(base, "resumed") / FOLDER
    assert len(list(folder.iterdir())) == 4


def test_full_disk_keeps_nothing(base, monkeypatch):
    """The room is needed by whoever has to do something about it."""
    from mainstem.engines.embedded import run as running

    stage = running.stage

    def full(session, relation, staging):
        if staging.output.step.name == "last":
            raise OutsideError("no space left", code="DiskFull")
        return (yield from stage(session, relation, staging))

    monkeypatch.setattr(running, "stage", full)
    fail(base, pipeline())

    folder = state_dir(base, "resumed")
    assert not (folder / NAME).exists()
    assert not (folder / FOLDER).exists()


def test_nothing_to_resume_is_said(base):
    """And everything is computed."""
    events = run_all(base, pipeline(), resume=True)

    assert [e.kind for e in events if e.kind == "nothing_kept"] == ["nothing_kept"]
    is_right(base)


def test_now_is_computed_again(base):
    """It would be the time of the run that failed."""
    p = "SELECT id, CAST(now() AS string) AS k FROM rows"
    fail(base, pipeline(FAILS, one=p))
    assert kept(run_all(base, pipeline(one=p), resume=True)) == {"big", "parts", "ext"}


def test_table_that_is_read_is_taken_over_only_where_its_file_is_exact(base):
    """CSV has no types: the rows are computed again."""
    reads = "SELECT CAST(k AS BIGINT) AS id FROM one"
    fail(base, pipeline(reads))
    events = run_all(base, pipeline("SELECT id + 100 AS id FROM one"), resume=True)

    assert "one" in computed(events)
    assert "another step reads it" in why(events)["one"]
    is_right(base)


def arriving(last):
    """New rows are added before a table that may fail."""
    p = Pipeline("arriving")
    p.source("new", files("in/*.csv", incremental=True), schema="id bigint")
    p.source("other", files("other.csv"), schema="id bigint")
    p.table("ext", "SELECT id FROM new", sink=duckdb_table("ext.duckdb", "rows", mode="append"))
    p.table("last", last, sink=files("last.csv"))
    return p


def test_new_files_of_taken_over_tables_are_remembered(base):
    """Their rows are written, and no run reads them again."""
    (base / "in").mkdir()
    (base / "in/a.csv").write_text("id\n1\n")
    run_all(base, arriving("SELECT id FROM other"))
    (base / "in/b.csv").write_text("id\n2\n")
    fail(base, arriving("SELECT CAST('x' || CAST(id AS string) AS bigint) AS id FROM other"))
    events = run_all(base, arriving("SELECT id FROM other"), resume=True)

    assert kept(events) == {"ext"}
    assert [e.name for e in events if e.kind == "source_read"] == ["other"]
    assert table_rows(base / "ext.duckdb", "rows") == [1, 2]
    events = run_all(base, arriving("SELECT id FROM other"))
    assert events[-1].facts["ledger"]["sources"]["new"]["new"] == 0
    assert table_rows(base / "ext.duckdb", "rows") == [1, 2]


def test_another_new_file_changes_what_a_table_is_made_of(base):
    """It is computed again, from both files."""
    (base / "in").mkdir()
    (base / "in/a.csv").write_text("id\n1\n")
    fail(base, arriving("SELECT CAST('x' || CAST(id AS string) AS bigint) AS id FROM other"))
    (base / "in/b.csv").write_text("id\n2\n")
    events = run_all(base, arriving("SELECT id FROM other"), resume=True)

    assert kept(events) == set()
    assert table_rows(base / "ext.duckdb", "rows") == [1, 2]


def test_table_whose_commit_failed_is_taken_over(base):
    """The last one too: only the other process was in the way."""
    holder = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", holder, str(base / "ext.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    child.stdout.readline()
    p = pipeline("SELECT id FROM other")
    p.steps[:] = [s for s in p.steps if s.name in {"one", "ext"}]
    try:
        fail(base, p)
    finally:
        child.communicate("\n", timeout=60)
    events = run_all(base, p, resume=True)

    assert kept(events) == {"one", "ext"}
    assert computed(events) == set()
    assert [e for e in events if e.kind == "source_read"] == []
    assert table_rows(base / "ext.duckdb", "rows") == [3]
    assert (base / "one.csv").read_text() == "id,k\n1,a\n2,b\n"
