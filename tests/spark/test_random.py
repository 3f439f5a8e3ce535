"""Random expressions and queries on Spark, against the same slow reference as the embedded engine.

A seed that fails says so with its number. MAINSTEM_LONG=1 runs many more.
"""

import os
from functools import partial

import pytest

from mainstem.testing.query_trial import run_queries
from mainstem.testing.trial import run_seed
from tests.spark.asking import Asked, SparkLaboratory

LONG = os.environ.get("MAINSTEM_LONG") == "1"


@pytest.mark.parametrize("seed", range(1000, 1020 if LONG else 1002))
def test_expressions_agree_with_the_reference(seed, tmp_path):
    """Each value is the same on every row, and a row fails in one where it fails in the other."""
    outcome = run_seed(seed, 100, laboratory=partial(SparkLaboratory, folder=tmp_path))

    assert not outcome.disagreements, f"seed {seed}:\n" + "\n".join(map(str, outcome.disagreements))
    assert outcome.n_expressions > 80


@pytest.mark.parametrize("seed", range(1000, 1040 if LONG else 1002))
def test_queries_agree_with_the_reference(seed, tmp_path):
    """Each query gives the same bag of rows, in the same order where it has a total one."""
    outcome = run_queries(seed, 30, lambda connection: Asked(connection, ["l", "r"], tmp_path))

    assert not outcome.disagreements, f"seed {seed}:\n" + "\n".join(outcome.disagreements)
    assert outcome.n_queries > 25
