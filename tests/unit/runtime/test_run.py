"""What a run journals, and what later commands read from it."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.run import token
from mainstem.errors import DataError, SettingsError, StateError, UnsupportedError
from mainstem.plan.nodes import Binding
from mainstem.runtime.compare import compare
from mainstem.runtime.journal import Journal, read
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, new_run_id, run
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs, status


def pipeline(where="id > 1", sink=None):
    """Two tables and a view over one CSV file."""
    p = Pipeline("shop")
    p.source("orders", files("orders.csv"), schema="id bigint not null, name string")
    p.view("some", f"SELECT id, name FROM orders WHERE {where}")
    p.table("kept", "SELECT id FROM some")
    p.table("out", "SELECT id, name FROM some", sink=sink or files("out.csv"))
    return p


@pytest.fixture
def base(tmp_path):
    """A folder with three orders."""
    (tmp_path / "orders.csv").write_text("id,name\n1,a\n2,b\n3,c\n")
    return tmp_path


def run_all(base, plan, **options):
    """Run to the end; give the events."""
    with closing(run(plan, RunOptions(base, **options))) as events:
        return list(events)


def test_ledger_balances_and_is_journaled(base):
    """Ledger balances and is journaled."""
    events = run_all(base, pipeline().plan())

    ledger = events[-1].facts["ledger"]
    assert ledger["sources"]["orders"]["read"] == 3
    assert ledger["sources"]["orders"]["admitted"] == 3
    assert ledger["sources"]["orders"]["dead"] == 0
    assert ledger["steps"]["kept"]["rows_out"] == 2
    assert {n: s["committed"] for n, s in ledger["sinks"].items()} == {"kept": 2, "out": 2}
    assert {n: s["pending"] for n, s in ledger["sinks"].items()} == {"kept": 0, "out": 0}
    (record,) = runs(state_dir(base, "shop"))
    assert record.ledger == ledger
    assert (record.status, record.epoch, record.is_committed) == ("succeeded", 1, True)
    assert set(record.tokens) == {"kept", "out"}
    assert set(record.versions) == {"mainstem", "python", "duckdb"}


def test_events_tell_the_story_in_order(base):
    """Events tell the story in order."""
    kinds = [e.kind for e in run_all(base, pipeline().plan()) if e.kind != "progress"]

    step = ["step_started", "step_finished", "sink_staged"]
    assert kinds == [
        "run_started", "source_read", *step, *step, "outputs_staged",
        "sink_committed", "sink_committed", "outputs_committed", "run_ended",
    ]  # fmt: skip


def test_bad_row_stops_the_run_and_is_journaled(base):
    """Bad row stops the run and is journaled."""
    run_all(base, pipeline().plan())
    (base / "orders.csv").write_text("id,name\n1,a\nx,b\n")

    with pytest.raises(DataError):
        run_all(base, pipeline().plan())

    assert [r.status for r in runs(state_dir(base, "shop"))] == ["succeeded", "failed"]
    assert (base / "out.csv").read_text() == "id,name\n2,b\n3,c\n"
    assert query(state_dir(base, "shop"), "SELECT id FROM kept ORDER BY id").rows == ((2,), (3,))


def test_query_reads_and_writes_nothing(base):
    """Query reads and writes nothing."""
    run_all(base, pipeline().plan())
    folder = state_dir(base, "shop")

    answer = query(folder, "SELECT id, id > 2 AS large FROM kept ORDER BY id")

    assert answer.columns == ("id", "large")
    assert answer.rows == ((2, False), (3, True))
    for sql in ("DROP TABLE kept", f"COPY kept TO '{base}/stolen.csv'", "ATTACH 'x.duckdb'"):
        with pytest.raises(DataError):
            query(folder, sql)
    assert not (base / "stolen.csv").exists()


def test_query_before_the_first_run_says_so(base):
    """Query before the first run says so."""
    with pytest.raises(StateError, match="there are no tables yet"):
        query(state_dir(base, "shop"), "SELECT 1")


def test_compare_names_what_changed(base):
    """Compare names what changed."""
    folder = state_dir(base, "shop")
    assert {c.change for c in compare(pipeline().plan(), folder).changes} == {"added"}
    run_all(base, pipeline().plan())
    assert not compare(pipeline().plan(), folder).has_changed

    p = pipeline(where="id > 2", sink=files("other.csv"))
    p.table("fresh", "SELECT id FROM orders")
    plan = p.plan()
    plan = replace(plan, steps=tuple(s for s in plan.steps if s.name != "kept"))
    changes = {c.name: c for c in compare(plan, folder).changes}

    assert {n: c.change for n, c in changes.items()} == {
        "orders": "same", "some": "changed", "out": "changed", "fresh": "added", "kept": "removed",
    }  # fmt: skip
    assert "sink" in changes["out"].fields
    assert changes["some"].before.endswith("id > 1")
    assert changes["some"].after.endswith("id > 2")


def test_status_of_nothing(base):
    """Status of nothing."""
    told = status(state_dir(base, "shop"))

    assert (told.holder, told.last, told.committed, told.n_runs) == (None, None, None, 0)


def test_bounded_run_is_refused_on_open_stream_state(base):
    """Bounded run is refused on open stream state."""
    run_all(base, pipeline().plan())
    folder = state_dir(base, "shop")
    last = read(folder).entries[-1]
    with closing(Journal(folder)) as journal:
        journal.append(last | {"open_state": True})

    with pytest.raises(StateError, match="left open stream state"):
        run_all(base, pipeline().plan())


def test_what_streams_cannot_have_and_append_are_refused_by_name(base):
    """A single file cannot grow, and append of the state file is a reserved word."""
    plan = pipeline().plan()
    unbounded = replace(plan, sources=(replace(plan.sources[0], bounded=False),))
    sink = Binding("state", (("mode", "append"),))
    appending = replace(plan, steps=(*plan.steps[:-1], replace(plan.steps[-1], sink=sink)))

    with pytest.raises(UnsupportedError, match="a single file, which a stream cannot add to"):
        run_all(base, unbounded)
    with pytest.raises(UnsupportedError, match="mode='append' of 'out' is a reserved word"):
        run_all(base, appending)
    assert not (base / ".mainstem").exists()


def test_unknown_engine_is_refused(base):
    """Unknown engine is refused."""
    with pytest.raises(SettingsError, match="no engine 'sparkle'"):
        run_all(base, pipeline().plan(), engine="sparkle")


def test_run_ids_sort_by_time_and_differ():
    """Run ids sort by time and differ."""
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 0, 1000, UTC)

    assert new_run_id(early) < new_run_id(late)
    assert new_run_id(early) != new_run_id(early)


def test_token_depends_on_its_fields_only():
    """Token depends on its fields only."""
    fields = {
        "pipeline": "p", "table": "t", "epoch": 1, "positions": {"s": "1"}, "plan_fingerprint": "f",
    }  # fmt: skip
    changes = {"pipeline": "q", "table": "u", "epoch": 2, "positions": {}, "plan_fingerprint": "g"}

    assert token(**fields) == token(**fields)
    for name, value in changes.items():
        assert token(**fields | {name: value}) != token(**fields), name
