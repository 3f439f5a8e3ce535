"""A stream over files that a test writes line by line, without a broker."""

import json
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.stream import run as stream_run
from mainstem.engines.embedded.stream.readers.loading import load_files
from mainstem.engines.embedded.stream.spec import Part, Slice
from mainstem.engines.spec import StreamSettings
from mainstem.runtime.run import RunOptions, run

WAIT_S = 30.0


class Lines:
    """Reads ``<source>-<partition>.jsonl``: a partition each, positions are numbers of lines."""

    def __init__(self, source, base: Path) -> None:
        self.source, self.base = source, base
        self.at: dict[str, int] = {}
        self.n_slices = 0

    def open(self, positions, until=None) -> None:
        self.at = {name: int(position) for name, position in positions.items()}

    def _lines(self, name: str) -> list[str]:
        path = self.base / f"{self.source.name}-{name}.jsonl"
        return path.read_text().splitlines(keepends=True)

    def _names(self) -> list[str]:
        paths = sorted(self.base.glob(f"{self.source.name}-*.jsonl"))
        return [path.stem.removeprefix(f"{self.source.name}-") for path in paths]

    def read(self, most_rows, wait_s):
        parts, taken = [], []
        for name in self._names():
            start = self.at.get(name, 0)
            lines = self._lines(name)[start : start + most_rows]
            if lines:
                self.at[name] = start + len(lines)
                parts.append(Part(name, start, start + len(lines), len(lines)))
                taken.append(lines)
        if not parts:
            time.sleep(wait_s)
            return Slice(self.source.name, (), [], is_end=True)
        is_end = all(self.at.get(n, 0) == len(self._lines(n)) for n in self._names())
        return Slice(self.source.name, tuple(parts), taken, is_end=is_end)

    def silences(self):
        return dict.fromkeys(self._names(), 0.0)

    def lag(self):
        return {name: len(self._lines(name)) - self.at.get(name, 0) for name in self._names()}

    def load(self, session, taken, table):
        folder = self.base / "slices"
        folder.mkdir(exist_ok=True)
        made = []
        for part, lines in enumerate(taken.data):
            self.n_slices += 1
            path = folder / f"{self.source.name}-{self.n_slices}-{part}.jsonl"
            path.write_text("".join(lines))
            made.append((str(path), part))
        return load_files(session, self.source, made, table, str(self.base))

    def committed(self, positions) -> None:
        """Nobody else is told."""

    def stop(self) -> None:
        """Reading never waits for long."""

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A folder whose sources are read by `Lines`."""
    monkeypatch.setattr(
        stream_run, "reader_of", lambda source, settings: Lines(source, settings.base_dir)
    )
    return tmp_path


def pipeline(sql: str = "", *, schema: str = "id bigint not null, k string, ts timestamp", **words):
    """A count per window of ten seconds over the source `s`."""
    p = Pipeline("endless")
    p.source(
        "s", files("s-*.jsonl", stream=True), schema=schema, event_time="ts", watermark="5 seconds",
        on_bad="dead_letter",
    )  # fmt: skip
    p.table("t", sql or COUNTS, **words)
    return p


COUNTS = """SELECT k, window_end, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '10 seconds')
GROUP BY k, window_end"""


def write(base: Path, *rows: tuple, partition: str = "0", source: str = "s") -> None:
    """Add rows (id, k, second) to a partition."""
    with (base / f"{source}-{partition}.jsonl").open("a") as file:
        for id_, k, second in rows:
            ts = f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"
            file.write(json.dumps({"id": id_, "k": k, "ts": ts}) + "\n")


def run_to_end(base: Path, p=None, ending: str = "caught_up", **stream) -> list:
    """Run until caught up; give the events."""
    options = RunOptions(base, stream=StreamSettings(ending=ending, **stream))
    with closing(run((p or pipeline()).plan(), options)) as events:
        return list(events)


class Running:
    """A stream in a thread of its own, which ends when told to."""

    def __init__(self, base: Path, p=None) -> None:
        self.plan = (p or pipeline()).plan()
        self.base = base
        self.is_ending = False
        self.events: list = []
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with closing(run(self.plan, RunOptions(self.base))) as events:
                for event in events:
                    if event.kind != "waiting":
                        self.events.append(event)
                    if self.is_ending:
                        return
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def __enter__(self) -> "Running":
        self.thread.start()
        self.until("stream_started")
        return self

    def until(self, kind: str, times: int = 1) -> None:
        """Wait for events of a kind."""
        ends = time.monotonic() + WAIT_S
        while sum(event.kind == kind for event in self.events) < times:
            assert time.monotonic() < ends, (kind, self.error, self.events)
            assert self.error is None, self.error
            time.sleep(0.01)

    def __exit__(self, *_) -> None:
        self.is_ending = True
        self.thread.join(WAIT_S)
