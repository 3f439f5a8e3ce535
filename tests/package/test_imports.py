"""Importing mainstem is light and quiet, and every public name is there."""

import importlib.metadata
import json
import subprocess
import sys

import mainstem

# What users may rely on. A name is added on purpose, and taken away with a line in the changelog.
PUBLIC_NAMES = [
    "Pipeline", "Secret", "__version__", "accepted", "arrow", "avg", "between", "call", "col",
    "completeness", "console", "count", "count_distinct", "cumulate", "duckdb", "errors", "exists", "expr",
    "f", "files", "foreign_key", "freshness", "generator", "history", "hop", "interval", "kafka", "lit", "load",
    "matches", "max", "merge", "min", "not_null", "row_count", "session", "stdin", "sum", "tumble", "unique",
    "volume", "when",
]  # fmt: skip

HEAVY = {"cyclopts", "duckdb", "msgspec", "numpy", "pandas", "polars", "pyarrow", "rich"}


def python(code: str) -> subprocess.CompletedProcess:
    """Run code in a new interpreter that turns each warning, late ones too, into text on stderr."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )


def test_public_names_are_the_listed_ones():
    """A name appears in or leaves the interface only together with this list."""
    assert sorted(mainstem.__all__) == sorted(PUBLIC_NAMES)


def test_public_names_all_exist():
    """Names that are loaded when first used do load."""
    assert [name for name in PUBLIC_NAMES if not hasattr(mainstem, name)] == []


def test_public_names_are_what_completion_shows():
    """`dir` gives the same names, although most are loaded when first used."""
    shown = {name for name in dir(mainstem) if not name.startswith("_")}

    assert {name for name in PUBLIC_NAMES if not name.startswith("_")} <= shown


def test_import_loads_nothing_heavy():
    """Each of these costs more to import than mainstem itself may."""
    done = python("import json, sys, mainstem; print(json.dumps(sorted(sys.modules)))")

    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & HEAVY == set()
    assert "mainstem" in loaded


def test_public_names_load_nothing_heavy():
    """Getting at a name, to define a pipeline, loads no engine either."""
    code = (
        "import json, sys, mainstem\n"
        "for name in mainstem.__all__: getattr(mainstem, name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = python(code)

    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & HEAVY == set()


def test_stderr_is_empty_at_exit():
    """No warning of a file left open, no complaint of a destructor."""
    done = python("import mainstem; [getattr(mainstem, name) for name in mainstem.__all__]")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_command_gives_its_version_and_nothing_else():
    """The installed entry point starts, and says one line."""
    entry = importlib.metadata.entry_points(group="console_scripts", name="mainstem")
    assert [point.value for point in entry] == ["mainstem.cli.main:entry"]
    code = "import sys; sys.argv = ['mainstem', '--version']; from mainstem.cli.main import entry; "
    done = python(code + "sys.exit(entry())")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.removeprefix("mainstem ") == f"{mainstem.__version__}\n"
