"""Random expressions and queries: DuckDB, through our parser, binder and printer, against the reference.

A seed that fails says so with its number; `run_seed(number)` repeats it. MAINSTEM_LONG=1 runs many more.
"""

from __future__ import annotations

import os

import pytest

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.session import plain_connection
from mainstem.sql.bind import bind
from mainstem.testing.generator import makers
from mainstem.testing.query_trial import run_queries
from mainstem.testing.trial import run_seed

LONG = os.environ.get("MAINSTEM_LONG") == "1"
FAST = os.environ.get("MAINSTEM_FAST") == "1"
SEEDS = range(60 if LONG else 1 if FAST else 5)
QUERY_SEEDS = range(200 if LONG else 2 if FAST else 8)


@pytest.mark.parametrize("seed", SEEDS)
def test_expressions_agree_with_the_reference(seed):
    """Each value is the same on every row, and a row fails in one where it fails in the other."""
    outcome = run_seed(seed, 120)

    assert not outcome.disagreements, f"seed {seed}:\n" + "\n".join(map(str, outcome.disagreements))
    # Were most refused, equal or failing for a trivial reason, nothing would be compared.
    assert outcome.n_expressions > 100
    assert outcome.n_failing < outcome.n_cells / 3


@pytest.mark.parametrize("seed", QUERY_SEEDS)
def test_queries_agree_with_the_reference(seed):
    """Each query gives the same bag of rows, in the same order where it has a total one."""
    outcome = run_queries(seed, 40)

    assert not outcome.disagreements, f"seed {seed}:\n" + "\n".join(outcome.disagreements)
    assert outcome.n_queries > 35
    assert outcome.n_rows > 40


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s <> 'x' AND CAST(s AS bigint) > 5", [True, False, None]),
        ("CAST(s AS bigint) > 5 AND s <> 'x'", [True, False, None]),
        ("s = 'x' OR CAST(s AS bigint) > 5", [True, True, None]),
        ("CAST(s AS bigint) > 5 OR s = 'x' OR CAST(s AS date) IS NULL", [True, True, True]),
        ("coalesce(i, nullif(CAST(s AS bigint) + 1, 1))", [1, 2, 3]),
    ],
)
def test_what_is_not_reached_does_not_fail(text, expected):
    """V10 where DuckDB alone would fail: it computes both operands of AND in a SELECT list."""
    connection = plain_connection()
    query = f"SELECT {text} AS v FROM (VALUES (1, '7'), (2, 'x'), (3, NULL)) AS t(i, s)"
    rows = connection.execute(step_sql(bind(query + " ORDER BY i", {}).query)).fetchall()
    connection.close()

    assert [v for (v,) in rows] == expected


def test_the_generator_reaches_the_catalogue():
    """A new row of the known families is picked up without a word here."""
    assert len({maker.row.name for maker in makers()}) >= 140
