"""The tests that examples have of themselves pass, run as their readers run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.running import copy

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"


@pytest.mark.parametrize(
    ("program", "says"),
    [(("-m", "pytest", "-q"), "5 passed"), (("-m", "mainstem", "test"), "1 case passed")],
    ids=["pytest", "cases"],
)
def test_tests_of_the_flights_pipeline_pass(tmp_path, program, says):
    """In a copy, which is left as it was: a test writes nothing beside the pipeline."""
    folder = copy(FLIGHTS, tmp_path)
    before = sorted(folder.rglob("*"))

    done = subprocess.run(
        [sys.executable, *program], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert says in done.stdout
    assert sorted(folder.rglob("*")) == before
