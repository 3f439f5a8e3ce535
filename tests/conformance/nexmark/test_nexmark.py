"""The queries of NEXMark, as a batch and as a stream, against what they mean in plain Python.

A stream is read in pieces, its epochs cut and its runs restarted at random; at every stop all tables
must hold what the events so far mean. A seed that fails repeats. MAINSTEM_LONG=1 runs more and larger ones.
"""

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from mainstem.errors import UnsupportedError
from mainstem.testing.compare import assert_same_rows
from tests.conformance.nexmark.events import instant
from tests.conformance.nexmark.queries import QUERIES, REFUSED, refused_queries
from tests.conformance.nexmark.reference import JOINS, MEANINGS
from tests.conformance.nexmark.runs import FOLDER, GROWING, run_batch, run_joins, run_stream

LONG = os.environ.get("MAINSTEM_LONG") == "1"
N_EVENTS = 4000 if LONG else 700
SEEDS = range(12 if LONG else 1)
DOCS = Path(__file__).parents[3] / "docs" / "nexmark.md"


def wrong(what, found, wanted):
    """What differs between two tables, as a line; none when nothing does."""
    try:
        assert_same_rows(
            [list(map(plain, row)) for row in found], [list(map(plain, row)) for row in wanted]
        )
    except AssertionError as error:
        return [f"{what}: {error}"]
    return []


def plain(value):
    """A decimal in one spelling: 1.0 is 1.00."""
    return value.normalize() if isinstance(value, Decimal) else value


def late_rows(query, ledger):
    """The rows that the reference found late, as the table of late rows has them."""
    return [
        (
            *(instant(one.row[name]) if name == "at" else one.row[name] for name in query.late),
            instant(one.row.mark),
            [instant(end) for end in one.missed],
        )
        for one in ledger.late
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_batch_gives_what_the_queries_mean(tmp_path, seed):
    """Every query over a file that ends."""
    trial = run_batch(tmp_path, seed, N_EVENTS)
    (stop,) = trial.stops
    found = []
    for name in QUERIES:
        wanted, _ = trial.expected(name, stop.n_events, is_batch=True)
        assert wanted, f"{name} has no answer, and nothing would be compared"
        found += wrong(name, stop.tables[name], wanted)

    assert not found


@pytest.mark.parametrize("seed", SEEDS)
def test_joins_of_streams_run_as_a_batch(tmp_path, seed):
    """What a stream refuses for its join has its answer where the events end."""
    trial, tables = run_joins(tmp_path, seed, N_EVENTS)
    events, found = trial.flow(N_EVENTS, is_batch=True), []
    for name, meaning in JOINS.items():
        wanted = meaning(events)
        assert wanted, f"{name} has no answer, and nothing would be compared"
        found += wrong(name, tables[name], wanted)

    assert not found


@pytest.mark.parametrize(
    ("seed", "beyond"),
    [(seed + 100 * beyond, beyond) for seed in SEEDS for beyond in (False, True)],
)
def test_stream_gives_what_the_queries_mean(tmp_path, seed, beyond):
    """At every stop: answers, late rows and ledgers; within the bound no row is late, and the end is the batch's."""
    trial = run_stream(tmp_path, seed, N_EVENTS, beyond=beyond)
    found, totals = [], {name: [0, 0, 0] for name in QUERIES}
    for stop in trial.stops:
        for name, query in QUERIES.items():
            what = f"{name} after {stop.n_events} events"
            wanted, ledger = trial.expected(name, stop.n_events)
            found += wrong(what, stop.tables[name], wanted)
            if query.late:
                found += wrong(f"late rows of {what}", stop.late[name], late_rows(query, ledger))
                counts = [stop.ledger["steps"][name][w] for w in ("rows_in", "late", "partly_late")]
                totals[name] = [a + b for a, b in zip(totals[name], counts, strict=True)]
                found += wrong(f"ledger of {what}", [totals[name]], [ledger.counts])
    for name in () if beyond else QUERIES:
        wanted, _ = trial.expected(name, stop.n_events, is_batch=True)
        found += wrong(f"{name} at the end", stop.tables[name], wanted)

    assert not found
    # Were nothing late, or nothing partly late, only half of it would be compared.
    assert all(bool(late) is beyond for late in stop.late.values())
    assert bool(totals["q5"][2]) is beyond


@pytest.mark.parametrize("name", REFUSED)
def test_refused_query_says_why(name):
    """A query that needs a join of streams, or the clock of the machine, is refused before it runs."""
    code, reason, _ = REFUSED[name]
    with pytest.raises(UnsupportedError, match=reason) as caught:
        refused_queries(GROWING, [name]).check()

    assert {finding.code for finding in caught.value.findings} == {code}


def test_clock_of_the_machine_is_refused_in_a_stream_only():
    """q12 over a file is one instant for the whole run, and is no processing time; it may be asked."""
    assert refused_queries(FOLDER, ["q12"]).check() is not None


def test_page_names_every_query():
    """The page says of each public query that it runs or is refused, as the tests have it."""
    rows = dict(
        re.findall(
            r"^\| (q\d+)\b[^|]*\|[^|]*\| (runs|refused)", DOCS.read_text("utf-8"), re.MULTILINE
        )
    )
    runs = {name.split("_")[0] for name in QUERIES}
    refused = {name.split("_")[0] for name in REFUSED} - runs

    assert rows == dict.fromkeys(runs, "runs") | dict.fromkeys(refused, "refused")
    assert rows.keys() == {f"q{number}" for number in range(23)}
    assert MEANINGS.keys() == QUERIES.keys()
