"""Random pipelines over random streams, cut into epochs and crashed at random, against the reference.

A seed that fails says so with its number and its pipeline; `run_seed(number)` repeats it.
MAINSTEM_LONG=1 runs many more.
"""

from __future__ import annotations

import os
import random

import pytest

from mainstem.testing.reference_stream import END, Flow, Ledger, Row, Window, in_windows, judged
from mainstem.testing.stream_generator import BASE, SourceDraft, random_rows
from mainstem.testing.stream_trial import run_seed

LONG = os.environ.get("MAINSTEM_LONG") == "1"
FAST = os.environ.get("MAINSTEM_FAST") == "1"
N_BATCHES = 100 if LONG else 1 if FAST else 8
PER_BATCH = 10
MINUTE = 60_000_000


@pytest.mark.parametrize("batch", range(N_BATCHES))
def test_streams_agree_with_the_reference(batch):
    """Answers, late rows and ledgers are those of the reference, however the rows were cut."""
    trials = [run_seed(seed) for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH)]

    # Were there no answers, or never a late row, nothing would be compared.
    assert sum(trial.n_answers for trial in trials) > 5
    if batch == 1:
        assert sum(trial.n_late for trial in trials) > 0


@pytest.mark.parametrize("seed", range(30))
def test_rows_within_the_bound_are_never_late(seed):
    """Rows of the generator that keep the bound are early enough for every window (T6)."""
    rng = random.Random(seed)
    source = SourceDraft("s", rng.choice((0, 30_000_000)), ("a", "b"))
    rows = judged(random_rows(rng, source, 50, beyond=False, first_id=1), "at", source.bound)
    ledger = Ledger()
    in_windows(Flow(tuple(rows), END), Window("tumble", MINUTE), "at", 0, ledger)
    in_windows(Flow(tuple(rows), END), Window("session", MINUTE), "at", 0, ledger)

    assert ledger.counts == (100, 0, 0)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window("tumble", MINUTE), [(0, MINUTE)]),
        (Window("tumble", MINUTE, offset=20_000_000), [(20_000_000, 80_000_000)]),
        (Window("hop", 2 * MINUTE, MINUTE), [(0, 2 * MINUTE), (-MINUTE, MINUTE)]),
        (Window("cumulate", 3 * MINUTE, MINUTE), [(0, MINUTE), (0, 2 * MINUTE), (0, 3 * MINUTE)]),
    ],
)
def test_windows_of_the_reference(window, expected):
    """By hand: the windows that 30 seconds past 1970 are in."""
    assert window.of(30_000_000) == expected


def test_the_reference_of_sessions():
    """By hand: rows at 0, 60 s and 121 s with a gap of 60 s are sessions of two and of one."""
    rows = tuple(Row({"at": BASE + at * 1_000_000}) for at in (121, 0, 60))
    found = in_windows(Flow(rows, END), Window("session", MINUTE), "at", 0, Ledger())

    assert sorted((r["window_start"] - BASE) // 1_000_000 for r in found.rows) == [0, 0, 121]
    assert {(r["window_end"] - BASE) // 1_000_000 for r in found.rows} == {120, 181}


def test_an_open_session_holds_the_watermark():
    """By hand: the session of a row at 0 with a gap of 60 s ends at 60 s, so that 50 s leaves it open (T3)."""
    rows = (Row({"at": BASE}),)
    mark = BASE + 50_000_000
    found = in_windows(Flow(rows, mark), Window("session", MINUTE), "at", 0, Ledger())
    after = in_windows(Flow(rows, BASE + MINUTE), Window("session", MINUTE), "at", 0, Ledger())

    assert (found.rows, found.mark) == ((), mark)
    # It closes when the watermark is later than its end, not with it.
    assert (after.rows, after.mark) == ((), BASE + MINUTE - 1000)
