"""A pipeline that writes to HDFS, run in a process of its own that may be killed; and what tests ask HDFS."""

import csv
import io
import multiprocessing
import os
import subprocess
import uuid
from contextlib import closing
from pathlib import Path

import duckdb

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.filesystems import file_system
from mainstem.runtime.run import RunOptions, repair, run
from mainstem.runtime.state import state_dir

NAME = "far"
# Two rows a version.
ROWS = {1: "id,k\n1,a\n2,b\n", 2: "id,k\n3,b\n4,c\n"}


def folder_on(server) -> str:
    """A folder of one test."""
    return f"{server.address}/{uuid.uuid4().hex[:8]}"


def put(folder: str, name: str, content: bytes, scratch: Path) -> str:
    """Write a file, in place of the one that is there; give its address."""
    (scratch / "sent").write_bytes(content)
    address = f"{folder}/{name}"
    file_system(folder).put(scratch / "sent", address)
    return address


def read(address: str) -> bytes:
    """All of a file."""
    with file_system(address).open(address) as file:
        return file.read(1 << 30)


def admin(server, *words: str) -> str:
    """Call Hadoop's command for administrators."""
    argv = server.entry.layout.nodes[0].argv
    command = [*argv[:-1], "org.apache.hadoop.hdfs.tools.DFSAdmin", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pipeline(folder: str, *, has_state: bool) -> Pipeline:
    """One file and one folder on HDFS, a file here, and maybe a table in the state file."""
    p = Pipeline(NAME)
    p.source("rows", files("in.csv"), schema="id bigint, k string")
    p.param("version", "bigint")
    sql = "SELECT id, k, :version AS v FROM rows"
    p.table("one", sql, sink=files(f"{folder}/one.csv"))
    p.table("folder", sql, sink=files(f"{folder}/folder", format="parquet"))
    p.table("here", sql, sink=files("here.csv"))
    if has_state:
        p.table("kept", sql)
    return p


def run_version(base: Path, folder: str, version: int, *, has_state: bool) -> list:
    """Run over the rows of a version; give the events."""
    (base / "in.csv").write_text(ROWS[version])
    options = RunOptions(base, params={"version": version})
    with closing(run(pipeline(folder, has_state=has_state).plan(), options)) as events:
        return list(events)


def contents(base: Path, folder: str) -> dict:
    """The versions that each sink holds."""
    parts = file_system(folder).find(f"{folder}/folder")
    (base / "part").write_bytes(b"".join(read(part) for part in parts))
    with closing(duckdb.connect()) as connection:
        rows = connection.execute("SELECT v FROM read_parquet(?)", [str(base / "part")]).fetchall()
    assert (len(parts), len(rows)) == (1, 2)
    return {
        "one": _versions(read(f"{folder}/one.csv").decode()),
        "folder": {v for (v,) in rows},
        "here": _versions((base / "here.csv").read_text()),
    }


def _versions(text: str) -> set[int]:
    return {int(row["v"]) for row in csv.DictReader(io.StringIO(text))}


def expected(version: int) -> dict:
    """What `contents` gives when every sink holds `version`."""
    return {name: {version} for name in ("one", "folder", "here")}


def leftovers(base: Path, folder: str) -> list[str]:
    """Everything that only a run in progress may have lying about."""
    client = file_system(folder).client
    there = [one.path for one in client.list_status(file_system(folder)._name(folder))]
    inner = state_dir(base, NAME)
    here = [*base.rglob(".mainstem-*"), inner / "commit.json", inner / "staging", inner / "tmp"]
    return [path for path in there if "/." in path] + [str(path) for path in here if path.exists()]


def killed(base: Path, folder: str, action: str, *, kill_at: str, has_state: bool) -> None:
    """Run a process that must die by SIGKILL at a point; forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.servers.hdfs_case"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    child = context.Process(
        target=_in_process, args=(switches, str(base), folder, action, has_state)
    )
    child.start()
    child.join(120)
    assert child.exitcode == -9, (kill_at, child.exitcode)


def _in_process(switches: dict, base: str, folder: str, action: str, has_state: bool) -> None:
    os.environ |= switches
    if action == "repair":
        repair(state_dir(Path(base), NAME))
    else:
        run_version(Path(base), folder, 2, has_state=has_state)
