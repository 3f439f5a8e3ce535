"""A full disk under a running stream: a clear word, whole epochs, and the right answer once there is room."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.faults import streamed

WORDS = {"epochs": 12, "epoch_rows": 40_000}
# Bytes of a file system that is made for the test.
SIZE = 64 << 20
# What is on it, the tables, bytes that are left there at the start, and the largest file that may be
# written where no file system can be made.
CASES = [
    ("state", ("kept", "filed"), 2_500_000, 1_500_000),
    ("sink", ("filed",), 300_000, 1_200_000),
    ("sink", ("stored",), 1_000_000, 300_000),
    # As small as its seven rows are, a file of DuckDB has the size of a block: no limit is hit later.
    ("sink", ("latest",), 1_000_000, 0),
]

FULL = """
import resource, sys
from pathlib import Path
from mainstem.errors import MainstemError
from mainstem.runtime.status import runs
from tests.faults import streamed
from tests.faults.test_stream_disk import SIZE, WORDS

disk, other, way, where, tables = *map(Path, sys.argv[1:3]), *sys.argv[3:5], tuple(sys.argv[7:])
left, limit = map(int, sys.argv[5:7])
base, state = (disk, other / "state") if where == "sink" else (other, disk / "state")
for folder in (disk, other):
    folder.mkdir(exist_ok=True)
if way == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
else:
    (disk / "ballast").write_bytes(bytes(SIZE - left))
try:
    streamed.stream(base, tables, state=state, **WORDS)
except MainstemError as error:
    found = error.finding
    print(found.code, error.exit_code, str(disk) in found.what, found.fix, sep="|")
if way == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
else:
    (disk / "ballast").unlink()
last = runs(state)[-1]
n_epochs = last.stream["epochs"]
print(last.status, 0 < n_epochs < WORDS["epochs"])
# What is there are whole epochs: of a sink perhaps fewer, which wait in the state file.
found = streamed.answers(base, tables, state=state)
wholes = [streamed.expected(tables, n * WORDS["epoch_rows"]) for n in range(n_epochs + 1)]
print(all(any(found[name] == whole[name] for whole in wholes) for name in tables))
streamed.stream(base, tables, state=state, **WORDS)
streamed.check(base, tables, state=state, **WORDS)
print("right")
"""


def cases() -> list[tuple[Any, ...]]:
    """A small file system where this is permitted, else a limit on the size of files."""
    probe = subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /tmp"], capture_output=True, check=False
    )  # fmt: skip
    if probe.returncode == 0:
        return [("tmpfs", *case) for case in CASES]
    return [("limit", *case) for case in CASES if case[-1]]


@pytest.mark.parametrize(("way", "where", "tables", "left", "limit"), cases())
def test_full_disk_is_named_and_the_stream_goes_on_when_there_is_room(
    way: str, where: str, tables: tuple[str, ...], left: int, limit: int, tmp_path: Path
) -> None:
    """The state file, a folder and two DuckDB files; nothing is lost and nothing doubled."""
    mount = f'mount -t tmpfs -o size={SIZE} tmpfs "$0" && exec "$@"'
    disk = tmp_path / "disk"
    disk.mkdir()
    before = ["unshare", "-rm", "sh", "-c", mount, str(disk)] if way == "tmpfs" else []

    words = (str(tmp_path / "other"), way, where, str(left), str(limit), *tables)
    done = subprocess.run(
        [*before, *streamed.command(FULL, disk, *words)], cwd=streamed.ROOT,
        env=streamed.environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    out, err = done.stdout, done.stderr

    fix = "free some space and run again: the stream goes on behind its last whole epoch"
    # A limit on sizes may meet the state file first.
    is_named = f"DiskFull|4|True|{fix}" if way == "tmpfs" else "DiskFull|4|"
    assert out.startswith(is_named), out + err
    assert out.splitlines()[1:] == ["failed True", "True", "right"], out + err
