"""`content` against the plain reference: random changes, cut into random runs."""

import itertools
from contextlib import closing

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.connectors.keyed import Keyed
from mainstem.engines.embedded.writing.content import (
    content,
    counted,
    drop_statements,
    memory_columns,
)
from tests.unit.embedded_writing.keyed_reference import merged, versions

COLUMNS = ("a", "b", "seq", "op", "x", "y")
TYPES = {
    "a": "BIGINT",
    "b": "VARCHAR",
    "seq": "BIGINT",
    "op": "VARCHAR",
    "x": "BIGINT",
    "y": "VARCHAR",
}
KEY = ("a", "b")


class Sink:
    """A keyed sink of two tables in memory."""

    def __init__(self, connection, keyed):
        self.connection = connection
        self.keyed = keyed
        more = {"valid_from": "BIGINT", "valid_to": "BIGINT", "is_current": "BOOLEAN"}
        held = TYPES | (more if keyed.kind == "history" else {})
        memory = {c: TYPES.get(c, "BOOLEAN") for c in memory_columns(keyed, COLUMNS)}
        for name, types in (("held", held), ("memory", memory or {"a": "BIGINT"})):
            text = ", ".join(f'"{c}" {t}' for c, t in types.items())
            connection.execute(f"CREATE OR REPLACE TABLE {name} ({text})")

    def take(self, run):
        """Bring a run in; give the ledger."""
        ask = self.connection.execute
        text = ", ".join(f'"{c}" {t}' for c, t in TYPES.items())
        ask(f"CREATE OR REPLACE TABLE new ({text}, __deleted BOOLEAN)")
        if run:
            rows = [(*r.values(), r["op"] == "D") for r in run]
            self.connection.executemany("INSERT INTO new VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        found = content(self.keyed, COLUMNS, existing="FROM held", memory="FROM memory", new="new")
        for sql in found.prepare:
            ask(sql)
        counts = counted(ask(found.counts).fetchall())
        key = ", ".join(KEY)
        ask(f"CREATE OR REPLACE TABLE held AS FROM held ANTI JOIN ({found.touched}) AS t USING ({key}) "
            f"UNION ALL BY NAME ({found.rows})")  # fmt: skip
        if found.remembered:
            ask(f"CREATE OR REPLACE TABLE memory AS FROM memory ANTI JOIN ({found.forgotten}) AS t "
                f"USING ({key}) UNION ALL BY NAME ({found.remembered})")  # fmt: skip
        for sql in drop_statements():
            ask(sql)
        return counts

    def rows(self):
        """What it holds, as dicts in the order of the reference."""
        found = self.connection.execute("FROM held")
        names = [d[0] for d in found.description]
        made = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        return sorted(made, key=lambda r: tuple((v is not None, v) for v in r.values()))


# Few keys and values, so that rows meet: most drawings of many would never touch one another.
changes = st.lists(
    st.fixed_dictionaries({
        "a": st.just(1), "b": st.sampled_from(["p", "q"]), "seq": st.integers(1, 12),
        "op": st.sampled_from(["U", "U", "U", "D"]), "x": st.sampled_from([1, 1, None]),
        "y": st.sampled_from(["z", "z", None]),
    }).map(lambda row: {c: row[c] for c in COLUMNS}),
    min_size=6, max_size=24,
)  # fmt: skip
cuts = st.lists(st.integers(0, 24), min_size=1, max_size=5)


def runs_of(rows, at):
    """The rows, cut into runs."""
    edges = [0, *sorted(min(c, len(rows)) for c in at), len(rows)]
    return [rows[a:b] for a, b in itertools.pairwise(edges)]


@pytest.fixture(scope="module")
def connection():
    """One DuckDB for all examples."""
    with closing(duckdb.connect()) as made:
        yield made


@settings(max_examples=40, deadline=None)
@given(changes, cuts)
def test_merge_is_what_the_reference_says(connection, rows, at):
    """Whatever the cut; and once more over everything changes nothing but ties across runs."""
    sink = Sink(connection, Keyed("merge", KEY, ("seq",)))
    runs = runs_of(rows, at)
    for run in runs:
        counts = sink.take(run)
        assert sum(counts.values()) == len(run)

    assert sink.rows() == merged(runs, KEY, "seq")
    again = sink.take(runs[-1])
    assert sink.rows() == merged(runs, KEY, "seq")
    assert again["inserted"] == again["updated"] == again["deleted"] == 0


TRACKED = [("op", "x", "y"), ("x",)]


@settings(max_examples=40, deadline=None)
@given(changes, cuts, st.sampled_from(TRACKED))
def test_history_is_what_the_reference_says(connection, rows, at, tracked):
    """Versions in any order of arrival; confirmations and removals are not forgotten."""
    columns = () if tracked == TRACKED[0] else tracked
    sink = Sink(connection, Keyed("history", KEY, ("seq",), "", columns))
    runs = runs_of(rows, at)
    for run in runs:
        counts = sink.take(run)
        assert sum(counts.values()) == len(run)

    assert sink.rows() == versions(runs, KEY, "seq", tracked)
    again = sink.take(runs[-1])
    assert sink.rows() == versions(runs, KEY, "seq", tracked)
    assert again["inserted"] == again["updated"] == again["deleted"] == 0


def unique_sequences(rows):
    """Without two changes of one key at one sequence, of which the later run would win."""
    return list({(r["a"], r["b"], r["seq"]): r for r in rows}.values())


@settings(max_examples=20, deadline=None)
@given(changes, cuts, st.randoms(use_true_random=False))
def test_any_order_and_any_cut_give_one_answer(connection, rows, at, random):
    """Without ties many runs in any order are one run."""
    rows = unique_sequences(rows)
    shuffled = random.sample(rows, len(rows))
    for keyed in (Keyed("merge", KEY, ("seq",)), Keyed("history", KEY, ("seq",))):
        whole, parts = Sink(connection, keyed), None
        whole.take(rows)
        expected = whole.rows()
        parts = Sink(connection, keyed)
        for run in runs_of(shuffled, at):
            parts.take(run)

        assert parts.rows() == expected
