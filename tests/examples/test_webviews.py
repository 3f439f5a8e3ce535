"""Web analytics: every table worked out again in plain Python from the records that are made up."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mainstem.definition.load import load
from mainstem.demo.run import kept_tables
from mainstem.engines.embedded.stream.readers.generator import generator_reader
from mainstem.engines.spec import RunSettings
from tests.examples.running import copy
from tests.unit.embedded_stream.messages import new_session

EXAMPLE = Path(__file__).parents[2] / "examples" / "webviews"
COUNT = 30_000


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The first records of the stream as a batch: it ends, so that all its windows close."""
    folder = copy(EXAMPLE, tmp_path_factory.mktemp("examples"))
    (folder / "mainstem.toml").write_text(
        f"[sources.views]\ncount = {COUNT}\nrate = 1000000\nevent_rate = 100\n", "utf-8"
    )
    pipeline = load(folder / "pipeline.py")
    pipeline.run()
    return kept_tables(pipeline)


@pytest.fixture(scope="module")
def views():
    """The same records: (view, time in microseconds, visitor, page, ms)."""
    source = load(EXAMPLE / "pipeline.py").plan().sources[0]
    source = replace(source, binding=source.binding.overridden({"count": COUNT, "rate": None}, ""))
    reader, session = generator_reader(source, RunSettings("r", Path(), Path())), new_session()
    reader.open({})
    loaded = reader.load(session, reader.read(COUNT, 0), '"views"')
    assert 20 < loaded.dead < 120
    return session.rows('SELECT view, epoch_us("at"), visitor, page, ms FROM "views"')


def micros(at):
    """Give an instant as microseconds."""
    return round(at.timestamp() * 1_000_000)


def test_views_of_each_minute_count_once(tables, views):
    """However often they were sent; some were sent twice."""
    minutes = defaultdict(list)
    for row in views:
        minutes[row[1] // 60_000_000].append(row)
    expected = {
        minute * 60_000_000: (
            len({r[0] for r in rows}), len(rows), len({r[2] for r in rows}),
            max(r[4] for r in rows if r[4] is not None),
        )
        for minute, rows in minutes.items()
    }  # fmt: skip

    assert {
        micros(row["window_start"]): tuple(
            row[n] for n in ("views", "sent", "visitors", "slowest_ms")
        )
        for row in tables["per_minute"]
    } == expected
    assert sum(one[1] - one[0] for one in expected.values()) > 500
    assert len(expected) >= 5


def test_top_pages_of_each_minute(tables, views):
    """The three that were seen most; ties by their names."""
    pages = defaultdict(lambda: defaultdict(set))
    for view, at, _, page, _ in views:
        pages[at // 60_000_000 * 60_000_000][page].add(view)
    expected = set()
    for minute, found in pages.items():
        ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
        expected |= {
            (minute, page, len(seen), place)
            for place, (page, seen) in enumerate(ordered[:3], start=1)
        }

    assert {
        (micros(row["window_start"]), row["page"], row["views"], row["place"])
        for row in tables["top_pages"]
    } == expected


def test_visits_end_after_half_a_minute_of_silence(tables, views):
    """Each visitor's views in order of time, cut where more than thirty seconds pass."""
    by_visitor = defaultdict(list)
    for view, at, visitor, page, _ in views:
        by_visitor[visitor].append((at, view, page))
    gap = timedelta(seconds=30) // timedelta(microseconds=1)
    expected = set()
    for visitor, found in by_visitor.items():
        visits = []
        for row in sorted(found):
            if not visits or row[0] - visits[-1][-1][0] > gap:
                visits.append([])
            visits[-1].append(row)
        expected |= {
            (visitor, v[0][0], v[-1][0] + gap, len({r[1] for r in v}), len({r[2] for r in v}))
            for v in visits
        }

    assert {
        (r["visitor"], micros(r["begun"]), micros(r["ended"]), r["views"], r["pages"])
        for r in tables["visits"]
    } == expected
    assert max(row["views"] for row in tables["visits"]) > 3
