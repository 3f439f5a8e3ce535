"""The tests that examples have of themselves pass, run as their readers run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.running import copy

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("example", "program", "says"),
    [
        ("flights", ("-m", "pytest", "-q"), "5 passed"),
        ("flights", ("-m", "mainstem", "test"), "1 case passed"),
        ("webviews", ("-m", "mainstem", "test"), "2 cases passed"),
    ],
    ids=["pytest", "cases", "cases of a stream"],
)
def test_tests_of_a_pipeline_pass(tmp_path, example, program, says):
    """In a copy, which is left as it was: a test writes nothing beside the pipeline."""
    folder = copy(EXAMPLES / example, tmp_path)
    before = sorted(folder.rglob("*"))

    done = subprocess.run(
        [sys.executable, *program], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert says in done.stdout
    assert sorted(folder.rglob("*")) == before
