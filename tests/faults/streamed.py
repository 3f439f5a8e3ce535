"""A whole stream, run as a user runs one, over rows from a formula: only its reader is replaced.

Rows come at once or at a pace, as many in an epoch as the run asks for, so that the epochs of two runs
are the same. What every table must hold is worked out from the formula in plain Python.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import duckdb

import mainstem as ms
from mainstem.engines.embedded.stream import run as stream_run
from mainstem.engines.embedded.stream.spec import Loaded, Part, Slice
from mainstem.engines.spec import StreamSettings
from mainstem.errors import MainstemError
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir

ROOT = Path(__file__).resolve().parents[2]
NAME = "streamed"
EPOCHS, ROWS = 12, 500
COUNTED = (
    "SELECT auction, window_end, count(*) AS n, sum(id) AS ids FROM "
    "TUMBLE(bids, ts, INTERVAL '10 seconds') GROUP BY auction, window_end"
)
LATEST = "SELECT auction, count(*) AS n FROM bids GROUP BY auction"
# Each table with the words that it is made with.
TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "kept": (COUNTED, {}),
    "stored": (COUNTED, {"sink": ms.duckdb("out.duckdb", "stored")}),
    "filed": ("SELECT id, auction FROM bids", {"sink": ms.files("filed/", format="parquet")}),
    "latest": (LATEST, {"state": "unbounded", "sink": ms.duckdb("latest.duckdb", "latest")}),
}


def pipeline(tables: tuple[str, ...] = tuple(TABLES)) -> ms.Pipeline:
    """Give the pipeline with some of the tables."""
    p = ms.Pipeline(NAME)
    p.source(
        "bids", ms.files("none/*.jsonl", stream=True),
        schema="id bigint, auction bigint, ts timestamp", event_time="ts", watermark="2 seconds",
    )  # fmt: skip
    for name in tables:
        sql, words = TABLES[name]
        p.table(name, sql, **words)
    return p


def row(i: int) -> tuple[int, int]:
    """Give the auction and the milliseconds of row `i`."""
    return i % 7, i * 20 - (i * 37) % 2000


class Numbers:
    """Reads the rows of a formula; the position is the number of rows so far.

    Parameters
    ----------
    source : Source
        Whose rows they are.
    rows : int
        How many there are.
    extra : str, optional
        SQL of columns beside id, auction and ts, over the number ``i``.
    pace_s : float, optional
        How long each slice is waited for.
    """

    def __init__(self, source: Any, rows: int, *, extra: str = "", pace_s: float = 0.0) -> None:
        self.source, self.rows, self.extra, self.pace_s = source, rows, extra, pace_s
        self.at = 0
        self.stopping = Event()

    def open(self, positions: Any, until: Any = None) -> None:
        self.at = positions.get("", 0)

    def read(self, most_rows: int, wait_s: float) -> Slice | None:
        if self.at >= self.rows:
            self.stopping.wait(wait_s)
            return Slice(self.source.name, (), None, is_end=True)
        self.stopping.wait(self.pace_s)
        last = min(self.at + most_rows, self.rows)
        part = Part("", self.at, last, last - self.at)
        self.at = last
        return Slice(self.source.name, (part,), None, is_end=last == self.rows)

    def silences(self) -> dict[str, float]:
        return {"": 0.0}

    def lag(self) -> dict[str, int]:
        return {"": self.rows - self.at}

    def load(self, session: Any, taken: Slice, table: str) -> Loaded:
        (part,) = taken.parts
        session.rows(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT i AS id, i % 7 AS auction, TIMESTAMPTZ "
            "'2026-01-01 00:00:00+00' + to_milliseconds(i * 20 - (i * 37) % 2000) AS ts"
            f"{self.extra}, 0::INTEGER AS __part FROM range({part.start}, {part.end}) AS r(i)"
        )
        return Loaded(part.rows, part.rows)

    def committed(self, positions: Any) -> None:
        """Nobody else is told."""

    def stop(self) -> None:
        self.stopping.set()

    def close(self) -> None:
        self.stopping.set()


@contextmanager
def reading(n_rows: int) -> Iterator[None]:
    """Have streams of this process read so many rows in place of their sources."""
    before = stream_run.reader_of
    stream_run.reader_of = lambda source, _settings: Numbers(source, n_rows)
    try:
        yield
    finally:
        stream_run.reader_of = before


def stream(
    folder: Path, tables: tuple[str, ...] = tuple(TABLES), *, epochs: int = EPOCHS,
    epoch_rows: int = ROWS, max_pending: int = 2, ending: str = "caught_up", state: Path | None = None,
) -> list[Any]:  # fmt: skip
    """Run the stream to the end of its rows; give the events."""
    settings = StreamSettings(ending, None, epoch_rows, max_pending)
    options = RunOptions(folder, state_dir=state, stream=settings)
    with (
        reading(epochs * epoch_rows),
        closing(run(pipeline(tables).plan(), options)) as events,
    ):
        return list(events)


def in_process(
    switches: dict[str, str], base: str, tables: tuple[str, ...], words: dict[str, Any]
) -> None:
    """Be a process that was forked."""
    os.environ |= switches
    try:
        stream(Path(base), tables, **words)
    except MainstemError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def killed(
    folder: Path, kill_at: str, tables: tuple[str, ...] = tuple(TABLES), **words: Any
) -> bool:
    """Run until a named point, where the process is killed; say whether it was reached.

    It is forked from a server that has imported everything: a second a kill less.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.streamed"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    child = context.Process(target=in_process, args=(switches, str(folder), tables, words))
    child.start()
    child.join(120)
    assert child.exitcode in (0, -signal.SIGKILL), (kill_at, child.exitcode)
    return child.exitcode == -signal.SIGKILL


def outcome(folder: Path, tables: tuple[str, ...] = tuple(TABLES), **words: Any) -> str:
    """Run to the end in a process of its own; give the text of the error that ended it, or ""."""
    told = folder / "told"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.streamed"])
    child = context.Process(target=_telling, args=(str(told), str(folder), tables, words))
    child.start()
    child.join(120)
    # Not by a crash of the engine, whatever it was given to read.
    assert child.exitcode == 0, child.exitcode
    return told.read_text()


def _telling(told: str, base: str, tables: tuple[str, ...], words: dict[str, Any]) -> None:
    try:
        stream(Path(base), tables, **words)
    except MainstemError as error:
        Path(told).write_text(str(error))
    else:
        Path(told).write_text("")


def finished(folder: Path, tables: tuple[str, ...] = tuple(TABLES), **words: Any) -> None:
    """Run to the end in a process of its own."""
    assert not killed(folder, "", tables, **words)


def command(code: str, folder: Path, *words: str) -> list[str]:
    """Give the command line of a program that uses this module."""
    return [sys.executable, "-c", code, str(folder), *words]


def environment() -> dict[str, str]:
    """Give the environment in which it finds this module."""
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}


def expected_windows(rows: int = EPOCHS * ROWS) -> Counter[tuple[int, int]]:
    """Give the closed windows by hand: (auction, window end in seconds) to rows."""
    counts: Counter[tuple[int, int]] = Counter()
    latest = 0
    for i in range(rows):
        auction, at_ms = row(i)
        latest = max(latest, at_ms)
        counts[auction, (at_ms // 10_000 + 1) * 10] += 1
    watermark = latest - 2000
    return Counter({key: n for key, n in counts.items() if key[1] * 1000 <= watermark})


def windows(rows: list[tuple[Any, ...]]) -> Counter[tuple[int, int]]:
    """Give found rows in the form of `expected_windows`; a doubled row is counted twice."""
    found: Counter[tuple[int, int]] = Counter()
    for auction, end, n in rows:
        found[auction, end] += n
    return found


def answers(
    folder: Path, tables: tuple[str, ...] = tuple(TABLES), *, state: Path | None = None
) -> dict[str, Any]:
    """Read tables as anybody else would."""
    seconds = "SELECT auction, CAST(epoch(window_end) - epoch(TIMESTAMPTZ '2026-01-01 00:00:00+00') AS BIGINT), n"
    paths = {
        "kept": (state or state_dir(folder, NAME)) / "state.duckdb",
        "stored": folder / "out.duckdb", "latest": folder / "latest.duckdb",
    }  # fmt: skip
    found: dict[str, Any] = {}
    for name in tables:
        if name == "filed":
            if not any(folder.glob("filed/**/*.parquet")):
                # The sink may not have begun when a run ends; its epochs wait in the state file.
                found[name] = []
                continue
            with duckdb.connect() as connection:
                ids = connection.execute(
                    f"SELECT id FROM read_parquet('{folder}/filed/**/*.parquet') ORDER BY id"
                ).fetchall()
            found[name] = [i for (i,) in ids]
            continue
        sql = "SELECT auction, n FROM latest" if name == "latest" else f"{seconds} FROM main.{name}"
        with duckdb.connect(str(paths[name]), read_only=True) as connection:
            rows = connection.execute(sql).fetchall()
        found[name] = dict(rows) if name == "latest" else windows(rows)
    return found


def expected(tables: tuple[str, ...] = tuple(TABLES), rows: int = EPOCHS * ROWS) -> dict[str, Any]:
    """Give what `answers` gives once so many rows were read."""
    whole = {
        "kept": expected_windows(rows), "stored": expected_windows(rows), "filed": list(range(rows)),
        "latest": dict(Counter(i % 7 for i in range(rows))),
    }  # fmt: skip
    return {name: whole[name] for name in tables}


def check(
    folder: Path, tables: tuple[str, ...] = tuple(TABLES), *, epochs: int = EPOCHS,
    epoch_rows: int = ROWS, state: Path | None = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless every table has every row once."""
    assert answers(folder, tables, state=state) == expected(tables, epochs * epoch_rows)
