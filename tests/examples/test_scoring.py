"""The scoring example gives every flight the score that the model gives it directly."""

import importlib.util
import pickle
import sys
from pathlib import Path

import pytest

from tests.examples.running import copy, parquet, run_pipeline, run_script

EXAMPLE = Path(__file__).parents[2] / "examples" / "scoring"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example, trained and run."""
    folder = copy(EXAMPLE, tmp_path_factory.mktemp("scoring"))
    assert "trained on " in run_script(folder, "train.py")
    yield run_pipeline(folder / "pipeline.py")
    sys.modules.pop("features", None)


def features_of(folder):
    """The example's own module, for the same numbers as in training."""
    spec = importlib.util.spec_from_file_location("scoring_features", folder / "features.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_score_is_that_of_the_model(example):
    """Every row, compared exactly: the model has no order and no neighbours."""
    columns = "month, hour, distance, origin, carrier, expected"
    rows = parquet(example.folder / "out" / "scores", columns)
    model = pickle.loads((example.folder / "out" / "model.pickle").read_bytes())

    *inputs, scores = zip(*rows, strict=True)
    direct = model.predict(features_of(example.folder).matrix(*inputs))

    assert len(rows) == 336_776
    assert list(scores) == direct.tolist()


def test_the_model_has_learned_something(example):
    """Carriers are told apart: the latest of the year is expected to be late, the earliest early."""
    carriers = {row["carrier"]: row for row in example.tables["by_carrier"]}

    assert len(carriers) == 16
    assert carriers["F9"]["expected"] > 10 > carriers["AA"]["expected"]
    assert carriers["F9"]["actual"] > 10 > carriers["AA"]["actual"]
