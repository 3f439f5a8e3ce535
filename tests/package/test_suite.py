"""The suite checks itself: what must fail it does fail it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]

# Each passes, or is passed over, under a lax configuration.
MUST_FAIL = {
    "a warning": "import warnings\ndef test_it():\n    warnings.warn('old', stacklevel=1)\n",
    "an open file": "def test_it():\n    open(__file__)\n",
    "an unknown marker": "import pytest\n@pytest.mark.sloow\ndef test_it(): pass\n",
    "an empty parameter list": (
        "import pytest\n@pytest.mark.parametrize('x', [])\ndef test_it(x): pass\n"
    ),
    "an expected failure that passes": (
        "import pytest\n@pytest.mark.xfail(reason='x')\ndef test_it(): pass\n"
    ),
    "a skip": "import pytest\ndef test_it():\n    pytest.skip('no server')\n",
    "a skipped module": "import pytest\npytest.skip('no server', allow_module_level=True)\n",
    "a missing module": "import pytest\npytest.importorskip('no_such_module')\n",
}
MUST_PASS = {
    "an ordinary test": "def test_it(): pass\n",
    "an expected failure": (
        "import pytest\n@pytest.mark.xfail(reason='x')\ndef test_it(): assert False\n"
    ),
    "a zone that is not UTC": "import time\ndef test_it(): assert time.timezone == -20700\n",
}


def outcomes(folder: Path, texts: dict[str, str], *, require: str = "all") -> dict[str, str]:
    """How pytest, configured as here, ends for each planted test: passed, failed, skipped."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    files = {title: f"test_planted_{number}" for number, title in enumerate(texts)}
    for title, text in texts.items():
        (folder / f"{files[title]}.py").write_text(text)
    options = ["--continue-on-collection-errors", "--junit-xml=report.xml"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, *(f"{file}.py" for file in files.values())],
        cwd=folder,
        env=os.environ | {"MAINSTEM_REQUIRE": require},
        capture_output=True,
        check=False,
    )
    report = ElementTree.parse(folder / "report.xml")
    ends = {}
    for case in report.iter("testcase"):
        words = {child.tag for child in case} & {"failure", "error", "skipped"}
        # A test has its file in the class name, a file that failed as a whole in the name.
        ends[case.get("classname") or case.get("name")] = words.pop() if words else "passed"
    return {title: ends.get(file, "missing") for title, file in files.items()}


def test_suite_fails_on_what_hides_a_mistake(tmp_path):
    """Warnings, empty parameter lists, unexpected passes and skips are failures."""
    ends = outcomes(tmp_path, MUST_FAIL)

    assert {title: end for title, end in ends.items() if end not in ("failure", "error")} == {}


def test_suite_passes_on_what_is_right(tmp_path):
    """An expected failure is none, and the zone is the one that we set."""
    ends = outcomes(tmp_path, MUST_PASS)

    # JUnit's format has no word for an expected failure: it says skipped.
    assert ends == dict.fromkeys(MUST_PASS, "passed") | {"an expected failure": "skipped"}


def test_skip_is_a_skip_on_a_developers_machine(tmp_path):
    """Without MAINSTEM_REQUIRE=all a missing server does not fail the suite."""
    ends = outcomes(tmp_path, {"a skip": MUST_FAIL["a skip"]}, require="")

    assert ends == {"a skip": "skipped"}
