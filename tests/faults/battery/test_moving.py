"""Files that change while they are read, that may not be read, and a line of 100 MB."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.reading import ingest as ingesting
from mainstem.engines.embedded.reading import sources, statements
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.run import Run
from mainstem.errors import BusyError, OutsideError
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema
from mainstem.runtime.query import connect
from mainstem.runtime.start import RunResult
from tests.faults.battery.case import HEAD, SCHEMA, csv, line
from tests.faults.battery.pages import parquet

MB = 1 << 20
ROWS = csv(*(line(n) for n in range(1, 10)))


def grow(path: Path) -> None:
    """Add half of a row, as a program does that is still writing."""
    with path.open("ab") as stream:
        stream.write(b"10,10.")


def shrink(path: Path) -> None:
    """Cut the file in the middle of a row."""
    os.truncate(path, len(ROWS) - 30)


def swap(path: Path) -> None:
    """Put another file of the same size in its place."""
    other = path.with_suffix(".new")
    other.write_bytes(ROWS.replace(b"5.50", b"5.51"))
    os.utime(other, ns=(1, 1))
    other.rename(path)


def read(path: Path, on_bad: str, schema: str = SCHEMA) -> RunResult:
    """Run a pipeline that copies a file into the state file."""
    p = Pipeline("battery")
    p.source("s", files(str(path)), schema=schema, on_bad=on_bad)
    p.table("t", "SELECT * FROM s")
    return p.run(state_dir=path.parent / "state")


def once(after: Callable[..., Any], change: Callable[[], None]) -> Callable[..., Any]:
    """Give a function that does what `after` does and then, the first time, makes a change."""
    done: list[bool] = []

    def wrapped(*given: Any, **named: Any) -> Any:
        result = after(*given, **named)
        if not done:
            done.append(True)
            change()
        return result

    return wrapped


@pytest.mark.parametrize("change", [grow, shrink, swap, Path.unlink])
@pytest.mark.parametrize("on_bad", ["fail", "dead_letter"])
@pytest.mark.parametrize("moment", ["before the pass", "before DuckDB", "after DuckDB"])
def test_text_file_that_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], on_bad: str,
    moment: str,
) -> None:  # fmt: skip
    """Refused, to be tried again; what was read of it is nowhere."""
    path = tmp_path / "in.csv"
    path.write_bytes(ROWS)
    where, name = {
        "before the pass": (ingesting, "list_files"), "before DuckDB": (statements, "groups"),
        "after DuckDB": (statements, "expected_rows"),
    }[moment]  # fmt: skip
    monkeypatch.setattr(where, name, once(getattr(where, name), lambda: change(path)))
    with pytest.raises(OutsideError) as caught:
        read(path, on_bad)
    assert caught.value.findings[0].code == "FileInWriting"
    assert caught.value.retry
    assert str(path) in str(caught.value)
    monkeypatch.undo()
    path.write_bytes(ROWS)
    read(path, on_bad)
    with connect(tmp_path / "state") as state:
        assert state.query("SELECT count(*) FROM t").rows == ((9,),)


@pytest.mark.parametrize("moment", ["before the steps", "after the steps"])
@pytest.mark.parametrize("size", [0, 100, None])
def test_parquet_file_that_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, size: int | None
) -> None:
    """It is read while the steps run, so it has to stay as it is until their end."""
    path = tmp_path / "in.parquet"
    path.write_bytes(parquet())

    def change() -> None:
        if size is None:
            path.unlink()
        else:
            os.truncate(path, size)

    where, name = (Run, "compute") if moment == "after the steps" else (sources, "scan")
    if moment == "after the steps":
        compute = Run.compute

        def then_change(run: Run) -> Any:
            yield from compute(run)
            change()

        monkeypatch.setattr(where, name, then_change)
    else:
        monkeypatch.setattr(where, name, once(sources.scan, change))
    with pytest.raises(BusyError, match=r"in\.parquet changed while being read"):
        read(path, "fail", "id bigint, n bigint")


def as_nobody(work: Callable[[], object]) -> None:
    """Do something without the rights of root, which may read everything."""
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        work()
    finally:
        if user == 0:
            os.seteuid(user)


def test_file_of_another_user() -> None:
    """A file that this user may not read is named; the rights of root are put away for it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "in.csv"
        path.write_bytes(ROWS)
        source = Source("s", files(str(path)), parse_schema(SCHEMA))
        # Whatever is loaded late is loaded now: the rights may not suffice for it afterwards.
        assert ingest(duckdb.connect(), source).read == 9
        path.chmod(0)
        with pytest.raises(OutsideError) as caught:
            as_nobody(lambda: ingest(duckdb.connect(), source))
        assert caught.value.findings[0].code == "FileNotRead"
        assert f"cannot read {path}: Permission denied" in str(caught.value)


# Started as a process of its own, and measured as one: getrusage would begin with the peak of its starter.
MEASURED = """
import re, sys
from pathlib import Path
import duckdb
from mainstem.connectors.files import files
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema
source = Source("s", files(sys.argv[1]), parse_schema(sys.argv[2]), on_bad="dead_letter")
connection = duckdb.connect(config={"threads": 1, "memory_limit": "64MB"})
def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak_kb()
report = ingest(connection, source)
letters = connection.execute(f"SELECT row, line, byte_offset, reason, octet_length(raw) FROM {report.dead_letters}")
print(report.read, report.admitted, *letters.fetchall()[0])
print((peak_kb() - before) // 1024)
"""


@pytest.mark.parametrize(
    ("file", "head", "good", "start", "end", "schema"),
    [
        ("in.csv", HEAD, line(1) + b"\n", b"2,2.50,", b"", SCHEMA),
        ("in.csv", b"id,text\n", b"1,a\n", b'2,"', b'"', "id bigint, text string"),
        ("in.jsonl", b"", b'{"id":1}\n', b'{"id":2,"x":"', b'"}', "id bigint, x string"),
        ("in.jsonl", b"", b'{"id":1}\n', b'{"id":2,"undeclared":"', b'"}', "id bigint"),
        ("in.txt", b"", b"a\n", b"", b"", "line string"),
    ],
    ids=["CSV", "quoted", "JSON", "JSON, undeclared", "text"],
)
def test_line_of_100_mb(
    tmp_path: Path, file: str, head: bytes, good: bytes, start: bytes, end: bytes, schema: str
) -> None:
    """A bad row of which the beginning is kept; memory is bounded, and the rows beside it are read."""
    path = tmp_path / file
    with path.open("wb") as stream:
        stream.write(head + good + start)
        for _ in range(100):
            stream.write(b"x" * MB)
        stream.write(end + b"\n" + good)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), schema],
        capture_output=True,
        text=True,
        check=True,
    )
    counts, grown_mb = done.stdout.splitlines()
    read_, admitted, *letter = counts.split()
    lines = 3 if head else 2
    offset = len(head) + len(good)
    assert (read_, admitted) == ("3", "2")
    assert letter == ["1", str(lines), str(offset), "LineTooLong", str(64 << 10)]
    # 32 MB is the longest line that is looked at whole; nothing may hold all of this one twice.
    assert 0 < int(grown_mb) < 200


def test_fifo_does_not_hang(tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for; it is not even opened."""
    os.mkfifo(tmp_path / "in.csv")
    code = (
        "import sys; import mainstem as ms; p = ms.Pipeline('p');"
        "p.source('s', ms.files(sys.argv[1]), schema='id bigint'); p.table('t', 'SELECT id FROM s'); p.run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "in.csv")],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "it is a pipe, a socket or a device" in done.stderr
