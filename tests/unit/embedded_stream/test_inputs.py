"""What nodes read of a source: each row with its watermark, through a view that stays (T6)."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from mainstem.engines.embedded.stream.inputs import Inputs, floors_of, input_table
from mainstem.engines.embedded.stream.spec import Loaded, Part
from mainstem.engines.embedded.stream.watermark import SourceClock
from mainstem.plan.nodes import Binding, Source
from mainstem.plan.stream import ROW_WATERMARK
from mainstem.plan.types import parse_schema
from tests.unit.embedded_stream.messages import new_session

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BOUND = 3
SOURCE = Source(
    "it's", Binding.of("kafka"), parse_schema("at timestamp, v bigint"), bounded=False,
    event_time="at", watermark=timedelta(seconds=BOUND),
)  # fmt: skip


def instant(second):
    """Give a second since 1970."""
    return EPOCH + timedelta(seconds=second)


def fill(session, rows):
    """Make the slice of rows of part and second."""
    session.rows(f"DELETE FROM {input_table(SOURCE.name)}")
    for v, (part, second) in enumerate(rows):
        session.rows(
            f"INSERT INTO {input_table(SOURCE.name)} VALUES (make_timestamptz($1), $2, $3)",
            [second * 1_000_000, v, part],
        )


def shown(session):
    """Give the watermark of each row, in order, in seconds."""
    found = session.rows(f'SELECT v, {ROW_WATERMARK} FROM "{SOURCE.name}" ORDER BY v')
    return [None if mark is None else mark // 1_000_000 for _, mark in found]


def expected(rows, befores):
    """Row by row: the largest time of the partition so far less the bound, and no less than before."""
    largest, marks = {}, []
    for part, second in rows:
        largest[part] = max(second, largest.get(part, second))
        known = befores[part]
        marks.append(max([largest[part] - BOUND, *([] if known is None else [known])]))
    return marks


@pytest.mark.parametrize("seed", range(6))
def test_each_row_has_the_watermark_of_its_partition(seed):
    """Slices of one to seven partitions in any order: a view for more of them reads fewer too."""
    rng = random.Random(seed)
    session = new_session()
    inputs = Inputs(session, is_judged=True)
    clock = SourceClock(timedelta(seconds=BOUND), timedelta(seconds=30))
    inputs.empty(SOURCE)
    inputs.show(SOURCE, ())
    assert shown(session) == []

    for _ in range(12):
        names = rng.sample("abcdefg", rng.randint(1, 7))
        # A large slice has a view of its own.
        weight = rng.choice([1, 5000])
        parts = tuple(Part(name, 0, 1, weight) for name in names)
        clock.joined(names)
        befores = []
        for name in names:
            one = clock.partitions[name]
            one.latest = rng.choice([one.latest, None, instant(rng.randint(0, 50))])
            one.floor = rng.choice([None, instant(rng.randint(0, 50))])
            marks = [
                m for m in (one.latest and one.latest - timedelta(seconds=BOUND), one.floor) if m
            ]
            befores.append(int((max(marks) - EPOCH).total_seconds()) if marks else None)
        rows = sorted(
            ((rng.randrange(len(names)), rng.randint(0, 60)) for _ in range(rng.randint(1, 12))),
            key=lambda row: row[0],
        )
        fill(session, rows)
        assert floors_of(parts, clock) == tuple(
            None if known is None else known * 1_000_000 for known in befores
        )
        inputs.show(SOURCE, parts, floors_of(parts, clock))

        assert shown(session) == expected(rows, befores), (names, rows, befores)
        latest = inputs.latest(SOURCE, parts, Loaded(len(rows), len(rows)))
        assert latest == [
            max((instant(s) for p, s in rows if p == index), default=None)
            for index in range(len(names))
        ]


def test_no_row_gets_a_watermark_that_nobody_asks_for():
    """Where no node tells late rows from others."""
    session = new_session()
    inputs = Inputs(session, is_judged=False)
    clock = SourceClock(timedelta(), timedelta(seconds=30))
    clock.joined(["a"])
    inputs.empty(SOURCE)
    inputs.show(SOURCE, (Part("a", 0, 1, 1),), (None,))
    fill(session, [(0, 7)])

    assert shown(session) == [None]


def test_a_view_that_went_with_its_transaction_is_made_again():
    """By `Session.view`: what is undone is not remembered."""
    session = new_session()
    session.rows("BEGIN")
    session.view('"a"', "SELECT 1 AS x")
    session.rows("ROLLBACK")
    session.view('"a"', "SELECT 1 AS x")
    session.view('"a"', "SELECT 1 AS x")

    assert session.rows("FROM a") == [(1,)]
    session.view('"a"', "SELECT 2 AS x")
    assert session.rows("FROM a") == [(2,)]


def test_a_statement_is_another_one_each_time_that_it_runs():
    """Parsed once, it sees values, variables, tables and their columns as they are now."""
    session = new_session()
    for n in range(4):
        session.rows("SET VARIABLE x = CAST($1 AS BIGINT[])", [[n, None]])
        session.rows("CREATE OR REPLACE TEMP TABLE t AS SELECT unnest($1::BIGINT[]) AS a", [[n, n]])
        if n == 3:
            session.rows("ALTER TABLE t ADD COLUMN b INTEGER")

        row = (n, *([None] if n == 3 else []), [n, None])
        assert session.rows("SELECT *, getvariable('x') FROM t") == [row, row]
    assert session.rows("SELECT 1; SELECT 2") == session.rows("SELECT 1; SELECT 2") == [(2,)]
    assert session.rows("SELECT 1; SELECT 2") == [(2,)]
