"""Runs that fail: full disk, no rights, failing rows, locked and foreign sinks, torn journals."""

import os
import re
import subprocess
import sys

import duckdb
import pytest

from mainstem.errors import BusyError, DataError, EngineError, OutsideError, StateError
from mainstem.runtime.journal import read
from mainstem.runtime.status import runs
from tests.faults.case import (
    ROOT,
    Slow,
    contents,
    expected,
    folder_of,
    leftovers,
    process,
    run_version,
)

LARGE = "SELECT range AS id, 'a' AS k, (hash(range) % 1000000000)::BIGINT AS v FROM range(2000000)"


@pytest.fixture
def base(tmp_path):
    """A folder in which version 1 has run."""
    run_version(tmp_path, 1, has_state=True)
    return tmp_path


def replaced(monkeypatch, step, sql):
    """Let the engine run other SQL for a step."""
    monkeypatch.setattr("mainstem.runtime.run.load_engine", lambda _name: Slow(step, sql))


def is_old(base) -> bool:
    """Every sink holds version 1 and nothing lies about."""
    return contents(base, has_state=True) == expected(1, has_state=True) and not leftovers(base)


def test_failing_expression_names_the_step_and_leaves_the_old_output(base, monkeypatch):
    """Failing expression names the step and leaves the old output."""
    replaced(monkeypatch, "ext", "SELECT CAST(k AS BIGINT) AS id, k, 2::BIGINT AS v FROM rows")

    with pytest.raises(DataError, match=r"could not convert the text to INT64") as failed:
        run_version(base, 2, has_state=True)

    assert failed.value.finding.step == "ext"
    assert failed.value.finding.where.line > 0
    assert is_old(base)
    last = runs(folder_of(base))[-1]
    assert (last.status, last.error["code"], last.error["step"]) == (
        "failed",
        "ExpressionFailed",
        "ext",
    )


def test_overflow_is_a_data_error(base, monkeypatch):
    """Overflow is a data error."""
    replaced(
        monkeypatch, "one", "SELECT id * 9223372036854775807 AS id, k, 2::BIGINT AS v FROM rows"
    )

    with pytest.raises(DataError, match="Overflow in multiplication"):
        run_version(base, 2, has_state=True)

    assert is_old(base)


def test_memory_that_cannot_spill_is_an_engine_error(base, monkeypatch):
    """Memory that cannot spill is an engine error."""
    sql = "SELECT count(*) AS id, 'a' AS k, len(list(range)) AS v FROM range(20000000)"
    replaced(monkeypatch, "one", sql)
    monkeypatch.setattr("tests.faults.case.RunOptions", _with_little_memory)

    with pytest.raises(EngineError) as failed:
        run_version(base, 2, has_state=True)

    assert failed.value.finding.code == "OutOfMemory"
    assert "memory_limit" in failed.value.finding.fix
    assert is_old(base)


def _with_little_memory(base_dir, *, params):
    from mainstem.runtime.run import RunOptions

    return RunOptions(base_dir, params=params, memory_limit="30MB", threads=1)


FULL = """
import resource, sys
from pathlib import Path
import mainstem.runtime.run as runtime
from mainstem.errors import MainstemError
from tests.faults.case import Slow, contents, expected, leftovers, run_version
from tests.faults.test_failures import LARGE
base, way = Path(sys.argv[1]), sys.argv[2]
run_version(base, 1, has_state=True)
if way == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
runtime.load_engine = lambda _name: Slow(sys.argv[3], LARGE)
try:
    run_version(base, 2, has_state=True)
except MainstemError as error:
    print(error.finding.code, error.exit_code, error.finding.step)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
assert contents(base, has_state=True) == expected(1, has_state=True), contents(base, has_state=True)
assert leftovers(base) == [], leftovers(base)
print("old output whole")
"""


def ways_to_fill():
    """A small file system where this is permitted, else a limit on the size of files."""
    probe = subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /tmp"],
        capture_output=True,
        check=False,
    )
    return ["tmpfs"] if probe.returncode == 0 else ["limit"]


@pytest.mark.parametrize("step", ["one", "folder", "parts", "ext", "kept"])
@pytest.mark.parametrize("way", ways_to_fill())
def test_full_disk_leaves_the_old_output(tmp_path, way, step):
    """Full disk leaves the old output."""
    script = tmp_path / "script.py"
    script.write_text(FULL)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"',
        str(disk),
    ]
    command = [sys.executable, str(script), str(disk), way, step]
    done = subprocess.run(
        [*(mount if way == "tmpfs" else []), *command],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stdout.split("\n")[:2] == [f"DiskFull 4 {step}", "old output whole"], (
        done.stdout + done.stderr
    )


def test_no_rights_is_told_before_anything_is_computed(base):
    """As root a folder without rights is none, so the process gives up its capabilities first."""
    (base / "out").chmod(0o555)
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []

    child = process(base, "run", "2", "state", before=without)
    out, err = child.communicate(timeout=60)
    (base / "out").chmod(0o755)

    assert child.returncode == 4, err
    assert "NoRights: cannot write beside" in err
    assert out == ""
    assert is_old(base)


def test_locked_duckdb_file_names_its_holder_and_changes_nothing(base):
    """Locked duckdb file names its holder and changes nothing."""
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input(); c.close()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(base / "ext.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    holder.stdout.readline()
    try:
        with pytest.raises(BusyError, match=rf"pid {holder.pid}") as failed:
            run_version(base, 2, has_state=True)
    finally:
        holder.communicate("\n", timeout=60)

    assert failed.value.retry
    assert failed.value.attributes["pid"] == holder.pid
    assert is_old(base)
    run_version(base, 2, has_state=True)
    assert contents(base, has_state=True) == expected(2, has_state=True)


def test_foreign_rows_in_a_duckdb_table_are_kept(tmp_path):
    """Foreign rows in a duckdb table are kept."""
    with duckdb.connect(str(tmp_path / "ext.duckdb")) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.rows AS SELECT 7 AS v")

    with pytest.raises(OutsideError, match="holds rows that Mainstem did not write"):
        run_version(tmp_path, 1, has_state=True)

    with duckdb.connect(str(tmp_path / "ext.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT v FROM shop.rows").fetchall() == [(7,)]
    assert not (tmp_path / "out/one.csv").exists()


def test_other_columns_in_a_duckdb_table_are_refused(base):
    """Other columns in a duckdb table are refused."""
    with duckdb.connect(str(base / "ext.duckdb")) as connection:
        connection.execute("ALTER TABLE shop.rows ADD COLUMN extra INTEGER")

    with pytest.raises(
        DataError, match=r"has the columns .*extra integer.* this run gives id bigint"
    ):
        run_version(base, 2, has_state=True)

    assert is_old(base)


def test_folder_with_foreign_files_is_kept_unless_forced(base):
    """Folder with foreign files is kept unless forced."""
    (base / "out/folder/notes.txt").write_text("mine")

    with pytest.raises(OutsideError, match=r"did not write: notes.txt"):
        run_version(base, 2, has_state=True)

    assert (base / "out/folder/notes.txt").read_text() == "mine"
    assert is_old(base)


def test_torn_journal_tail_is_reported_and_taken_away(base):
    """Torn journal tail is reported and taken away."""
    journal = folder_of(base) / "journal.jsonl"
    whole = journal.read_bytes()
    last = whole.rstrip(b"\n").rpartition(b"\n")[2]
    journal.write_bytes(whole[: -len(last) // 2])
    torn = len(last) + 1 - len(last) // 2 - (len(last) % 2)

    found = read(folder_of(base))
    events = run_version(base, 2, has_state=True)

    assert found.torn_bytes > 0
    assert abs(found.torn_bytes - torn) <= 1
    assert events[0].kind == "journal_repaired"
    assert events[0].facts["bytes"] == found.torn_bytes
    assert contents(base, has_state=True) == expected(2, has_state=True)
    assert read(folder_of(base)).torn_at is None


def test_damaged_journal_stops_the_run(base):
    """Damaged journal stops the run."""
    journal = folder_of(base) / "journal.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data.replace(b'"epoch":1', b'"epoch":7', 1))

    with pytest.raises(StateError, match=r"line 1 of the journal .* is damaged"):
        run_version(base, 2, has_state=True)

    assert is_old(base)


def test_failed_commit_is_finished_by_the_next_run(base, monkeypatch):
    """A rename that fails after the decision: told so, and the next start finishes."""
    from mainstem.storage.local import commit

    def refuse(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(commit, "put_file", refuse)
    with pytest.raises(OutsideError, match="decided but not finished") as failed:
        run_version(base, 2, has_state=True)
    monkeypatch.undo()

    assert failed.value.finding.code == "CommitUnfinished"
    events = run_version(base, 3, has_state=True)
    assert events[0].facts["outcome"] == "finished"
    assert re.search("one", str(events[0].facts["sinks"]))
    assert contents(base, has_state=True)["one"] == {3}
