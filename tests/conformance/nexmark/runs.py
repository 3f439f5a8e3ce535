"""Runs every query of NEXMark: as a batch, and as a stream in pieces, cut and restarted at random."""

import json
import os
import random
from csv import DictReader
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import mainstem as ms
from mainstem.testing.reference_stream import END, Flow, Ledger, Row, judged, source_mark
from tests.conformance.nexmark.events import BOUND, auction_ids, closing, instant, random_events
from tests.conformance.nexmark.queries import QUERIES, every_query, refused_queries
from tests.conformance.nexmark.reference import JOINS, MEANINGS, bids_of, q13, side_input

# When the first file was written, in seconds since 1970: in 2025.
_WRITTEN = 1_750_000_000

FOLDER = ms.files("in/*.jsonl")
GROWING = ms.files("in/*.jsonl", stream=True, settle="0 seconds")


@dataclass
class Stop:
    """Where a run ended: how many events were there, and what all tables and late tables held."""

    n_events: int
    tables: dict[str, list[tuple]]
    late: dict[str, list[tuple]]
    ledger: dict


@dataclass
class Trial:
    """Events, and the stops of the runs over them."""

    events: list[dict]
    stops: list[Stop]
    side: dict[int, str]

    def flow(self, n_events, *, is_batch=False):
        """The first events, judged as a stream; none is late in a batch (T9)."""
        arrived = [("", event) for event in self.events[:n_events]]
        rows = judged(arrived, "at", BOUND)
        if is_batch:
            return Flow(tuple(Row(row.values) for row in rows), END)
        return Flow(tuple(rows), source_mark(arrived, "at", BOUND, [""]))

    def expected(self, name, n_events, *, is_batch=False):
        """The rows that a query has to give, and its ledger."""
        flow, ledger = self.flow(n_events, is_batch=is_batch), Ledger()
        given = flow if name == "q8" else bids_of(flow)
        if name == "q13":
            return q13(given, ledger, self.side), ledger
        return MEANINGS[name](given, ledger), ledger


def run_batch(folder: Path, seed: int, n_events: int) -> Trial:
    """One run over a file that ends."""
    trial = _begin(folder, seed, n_events, beyond=False)
    _write(folder / "in" / "all.jsonl", trial.events)
    _run(trial, folder, FOLDER, len(trial.events))
    return trial


def run_joins(folder: Path, seed: int, n_events: int) -> tuple[Trial, dict[str, list[tuple]]]:
    """The queries that a stream refuses and a batch answers."""
    trial = _begin(folder, seed, n_events, beyond=False)
    _write(folder / "in" / "all.jsonl", trial.events)
    pipeline = refused_queries(FOLDER, JOINS)
    pipeline.run(base_dir=folder)
    with pipeline.connect(base_dir=folder) as tables:
        return trial, {name: _rows(tables, f"SELECT * FROM {name}") for name in JOINS}


def run_stream(folder: Path, seed: int, n_events: int, *, beyond: bool) -> Trial:
    """Several runs over a growing folder, each of which goes on where the last one stopped."""
    trial = _begin(folder, seed, n_events, beyond=beyond)
    rng = random.Random(seed)
    trial.events.append(closing(trial.events))
    n_all = len(trial.events)
    stops = sorted({*(rng.randrange(1, n_all) for _ in range(2)), n_all})
    for begin, end in pairwise([0, *stops]):
        n_files = rng.choice((1, 2))
        cuts = sorted({begin, end, *(rng.randrange(begin, end) for _ in range(n_files - 1))})
        for start, stop in pairwise(cuts):
            _write(folder / "in" / f"{start}.jsonl", trial.events[start:stop], start)
        epoch_rows = rng.choice((n_events // 8, n_events // 3, n_events))
        _run(trial, folder, GROWING, end, until_caught_up=True, epoch_rows=epoch_rows)
    return trial


def _begin(folder, seed, n_events, *, beyond):
    (folder / "in").mkdir(parents=True)
    events = random_events(random.Random(seed), n_events, beyond=beyond)
    side = side_input(auction_ids(n_events))
    lines = "".join(f"{key},{value}\n" for key, value in side.items())
    (folder / "side_input.csv").write_text("key,value\n" + lines, "utf-8")
    return Trial(events, [], side)


def _write(path, events, number=0):
    """Write events as JSON lines, moved into place so that no half of a file is read."""
    lines = []
    for event in events:
        made = {**event, "at": instant(event["at"]).isoformat()}
        if event["auction"]:
            expires = instant(event["auction"]["expires"]).isoformat()
            made["auction"] = {**event["auction"], "expires": expires}
        lines.append(json.dumps({k: v for k, v in made.items() if v is not None}))
    hidden = path.with_suffix(".tmp")
    hidden.write_text("\n".join(lines) + "\n", "utf-8")
    # Files are read in the order of their times; those are all later than any event.
    written = _WRITTEN + number
    os.utime(hidden, (written, written))
    hidden.rename(path)


def _run(trial, folder, source, n_events, **options):
    pipeline = every_query(source)
    result = pipeline.run(base_dir=folder, **options)
    is_stream = bool(options)
    with pipeline.connect(base_dir=folder) as tables:
        found = {name: _rows(tables, f"SELECT * FROM {name}") for name in QUERIES if name != "q10"}
        late = {
            name: _rows(tables, f"SELECT {_quoted(query.late)}, __watermark, __missed_windows FROM {name}__late")
            for name, query in QUERIES.items() if is_stream and query.late
        }  # fmt: skip
    found["q10"] = partitions(folder / "out" / "q10")
    trial.stops.append(Stop(n_events, found, late, result.ledger))


def _rows(tables, sql):
    return list(map(tuple, tables.query(sql).rows))


def _quoted(names):
    return ", ".join(f'"{name}"' for name in names)


def partitions(folder: Path) -> list[tuple]:
    """The rows of the partitioned files of q10."""
    rows = []
    for path in folder.rglob("*.csv"):
        where = dict(
            part.split("=", 1) for part in map(unquote, path.relative_to(folder).parts[:-1])
        )
        with path.open(encoding="utf-8", newline="") as lines:
            for row in DictReader(lines):
                at = row["at"].replace("Z", "+00:00")
                rows.append((int(row["auction"]), int(row["bidder"]), int(row["price"]), datetime.fromisoformat(at),
                             row["extra"], where["dt"], where["hm"]))  # fmt: skip
    return rows
