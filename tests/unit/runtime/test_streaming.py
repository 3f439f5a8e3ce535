"""Runs of streams: ledger, endings, journal, and what later commands read of them."""

import os
import signal
from contextlib import closing

import pytest

from mainstem.connectors.files import files
from mainstem.engines.embedded.stream.ledger import Counts
from mainstem.engines.spec import Event, StreamSettings
from mainstem.errors import InternalError, SettingsError, StateError, Stopped, Terminated
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs, status
from mainstem.runtime.streaming import stream_settings
from tests.unit.runtime.endless import base, pipeline, run_to_end, write

__all__ = ["base"]

ROWS = [(1, "a", 1), (2, "a", 2), (3, "b", 12), (4, "a", 30), (5, "a", 3)]


def rows_of(folder):
    """The table of the state file, by key and end."""
    found = query(folder, "SELECT k, epoch(window_end)::BIGINT % 3600, n FROM t ORDER BY ALL")
    return list(found.rows)


def test_caught_up_run_leaves_open_windows_and_goes_on(base):
    """The window up to 40 s is open after the first run, and closed by the second."""
    write(base, *ROWS)
    first = run_to_end(base)
    folder = state_dir(base, "endless")

    assert rows_of(folder) == [("a", 10, 2), ("b", 20, 1)]
    assert first[-1].facts["stream"] == {
        "ending": "caught_up",
        "end": "caught up",
        "epochs": 1,
        "epoch": 1,
    }
    assert first[-1].facts["open_state"]

    write(base, (6, "a", 31), (7, "a", 50))
    second = run_to_end(base)

    assert rows_of(folder) == [("a", 10, 2), ("a", 40, 2), ("b", 20, 1)]
    assert second[-1].facts["ledger"]["sources"]["s"]["read"] == 2


def test_ledger_has_every_line_and_balances(base):
    """Five rows and a record that does not fit; the last row is late: 30 s - 5 s is past its window."""
    write(base, *ROWS)
    with (base / "s-0.jsonl").open("a") as file:
        file.write('{"id": "x", "k": "a", "ts": "2026-01-01T00:00:31Z"}\n')

    ledger = run_to_end(base)[-1].facts["ledger"]

    source = ledger["sources"]["s"]
    assert (source["read"], source["admitted"], source["dead"]) == (6, 5, 1)
    step = ledger["steps"]["t"]
    assert (step["rows_in"], step["used"], step["late"], step["partly_late"]) == (5, 4, 1, 0)
    assert step["rows_out"] == 2
    sink = ledger["sinks"]["t"]
    assert (sink["kind"], sink["offered"], sink["committed"], sink["pending"]) == ("state", 2, 2, 0)
    assert ledger["epochs"] == 1


def test_ledger_of_a_sink_outside_counts_what_it_has(base):
    """A DuckDB table: offered is what was computed, committed what the sink took."""
    write(base, *ROWS)
    import mainstem as ms

    events = run_to_end(base, pipeline(sink=ms.duckdb("out.duckdb", table="t")))

    sink = events[-1].facts["ledger"]["sinks"]["t"]
    assert (sink["kind"], sink["path"]) == ("duckdb", "out.duckdb")
    assert (sink["offered"], sink["committed"], sink["pending"], sink["already_there"]) == (
        2,
        2,
        0,
        0,
    )


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("sources", {"read": 5, "admitted": 3, "dead": 1}),
        ("steps", {"arrived": 2, "late": 2, "partly_late": 1}),
        ("steps", {"arrived": 2, "late": -1, "partly_late": 0}),
    ],
)
def test_books_that_do_not_balance_stop_the_run(part, line):
    """A row that got lost, and one that was counted twice."""
    counts = Counts(**{part: {"s": line}})

    with pytest.raises(InternalError, match="does not balance") as caught:
        counts.check()
    assert caught.value.finding.code == "LedgerUnbalanced"


def test_lost_row_commits_no_epoch(base, monkeypatch):
    """The check stands before the commit."""
    write(base, *ROWS)
    from tests.unit.runtime import endless

    def loses(self, session, taken, table):
        from dataclasses import replace

        found = real(self, session, taken, table)
        return replace(found, admitted=found.admitted - 1)

    real = endless.Lines.load
    monkeypatch.setattr(endless.Lines, "load", loses)

    with pytest.raises(InternalError, match="LedgerUnbalanced"):
        run_to_end(base)
    assert rows_of(state_dir(base, "endless")) == []


def test_bounded_run_closes_every_window_and_is_final(base):
    """And nothing can follow: every row would come after the end of time."""
    write(base, *ROWS)
    events = run_to_end(base, ending="bounded")

    assert rows_of(state_dir(base, "endless")) == [("a", 10, 2), ("a", 40, 1), ("b", 20, 1)]
    assert events[-1].facts["stream"]["end"] == "closed"
    assert not events[-1].facts["open_state"]
    with pytest.raises(StateError, match="StreamClosed"):
        run_to_end(base)


def test_bounded_run_is_refused_over_open_state(base):
    """T9."""
    write(base, *ROWS)
    run_to_end(base)

    with pytest.raises(StateError, match="OpenStreamState"):
        run_to_end(base, ending="bounded")


def test_run_until_an_event_time(base):
    """It ends by itself, though the source goes on."""
    write(base, *ROWS)
    settings = stream_settings(pipeline().plan(), until="2026-01-01T00:00:20Z")

    with closing(run(pipeline().plan(), RunOptions(base, stream=settings))) as events:
        last = list(events)[-1]

    assert last.facts["stream"]["end"] == "reached"


def test_run_of_python_takes_the_same_words(base):
    """`p.run`, with a result that does not grow with the stream."""
    write(base, *ROWS)

    result = pipeline().run(until_caught_up=True, base_dir=base)

    assert (result.status, result.rows("t")) == ("succeeded", 2)
    assert {"epoch_committed", "waiting"}.isdisjoint({event.kind for event in result.events})


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"until_caught_up": True, "bounded": True}, "one way"),
        ({"until": "tomorrow"}, "no instant"),
        ({"epoch_rows": 0}, "epoch-rows is 0"),
    ],
)
def test_wrong_words_are_refused(words, what):
    """In words, before anything runs."""
    with pytest.raises(SettingsError, match=what):
        stream_settings(pipeline().plan(), **words)


@pytest.mark.parametrize("words", [{"run_key": "a"}, {"select": ("t",)}, {"resume": True}])
def test_words_that_a_stream_would_not_heed_are_refused(base, words):
    """Instead of being dropped in silence."""
    write(base, *ROWS)

    with pytest.raises(SettingsError, match="a stream takes no --"):
        next(run(pipeline().plan(), RunOptions(base, **words)))


def test_endings_are_words_of_streams():
    """A pipeline that ends by itself takes none of them."""
    from mainstem.definition.pipeline import Pipeline

    p = Pipeline("ends")
    p.source("s", files("a.csv"), schema="id bigint")
    p.table("t", "SELECT id FROM s")

    with pytest.raises(SettingsError, match="every source of this pipeline ends"):
        stream_settings(p.plan(), bounded=True)


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, Stopped), (signal.SIGTERM, Terminated)]
)
def test_signal_ends_between_two_epochs(base, number, kind):
    """What is committed stays, the last event tells the ledger, and the journal says stopped."""
    write(base, *ROWS)
    seen = []

    def watch():
        with closing(run(pipeline().plan(), RunOptions(base))) as events:
            for event in events:
                seen.append(event)
                if event.kind == "epoch_committed":
                    os.kill(os.getpid(), number)

    with pytest.raises(kind, match="what is committed stays"):
        watch()

    assert seen[-1].kind == "run_ended"
    assert (seen[-1].facts["status"], seen[-1].facts["ledger"]["sources"]["s"]["read"]) == (
        "stopped",
        5,
    )
    folder = state_dir(base, "endless")
    assert rows_of(folder) == [("a", 10, 2), ("b", 20, 1)]
    (record,) = runs(folder)
    assert (record.status, record.open_state, record.stream["epochs"]) == ("stopped", True, 1)


def test_status_tells_what_a_stream_has_left(base):
    """Streams do not commit as a whole: their epochs are their outputs."""
    write(base, *ROWS)
    run_to_end(base)

    found = status(state_dir(base, "endless"))

    assert found.holder is None
    assert found.live is None
    assert found.committed is not None
    assert found.committed.ledger["sinks"]["t"]["committed"] == 2


def test_killed_stream_counts_as_open(base):
    """Without an end in the journal: the bounded run is refused all the same."""
    from mainstem.runtime.journal import records

    entries = [{"kind": "run_started", "run_id": "a", "stream": {"ending": ""}, "open_state": True},
               {"kind": "recovered", "run_id": "a", "outcome": "undone", "at": "x"}]  # fmt: skip

    (record,) = records(entries)
    assert (record.status, record.open_state) == ("killed", True)


def test_settings_of_a_stream_that_has_no_end():
    """The usual one."""
    assert stream_settings(pipeline().plan()) == StreamSettings()


def test_rows_that_waited_are_in_the_ledger_of_the_run_that_gives_them():
    """Three rows of an earlier run and two of this one; one was there already."""
    from mainstem.runtime.streaming import Totals

    totals = Totals(pipeline().plan())
    totals.offered = {"t": 2}
    totals.take(Event("waiting", "", {"delivered": {"t": {
        "committed": 3, "pending": 1, "carried": 3, "already_there": 1, "totals": {"files": 2},
    }}}))  # fmt: skip

    line = totals.to_dict()["sinks"]["t"]
    assert (line["offered"], line["committed"], line["already_there"], line["pending"]) == (
        5,
        3,
        1,
        1,
    )
    assert line["files"] == 2
