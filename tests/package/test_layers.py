"""The layers are kept by a check that does fail: forbidden imports are planted in a copy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Upwards over each boundary, and sideways between siblings.
FORBIDDEN = [
    ("errors", "settings"),
    ("errors", "plan"),
    ("settings", "definition"),
    ("plan", "functions"),
    ("functions", "sql"),
    ("functions", "operators"),
    ("connectors", "formats"),
    ("formats", "storage"),
    ("storage", "engines"),
    ("operators", "sql"),
    ("sql", "engines"),
    ("sql", "definition"),
    ("engines", "definition"),
    ("definition", "engines"),
    ("engines", "runtime"),
    ("definition", "runtime"),
    ("runtime", "cli"),
    ("runtime", "demo"),
    ("demo", "cli"),
    ("demo", "dev"),
    ("dev", "cli"),
    ("dev", "runtime"),
    ("dev", "plan"),
    ("runtime", "dev"),
    ("runtime", "testing"),
    ("testing", "cli"),
    ("web", "cli"),
]
# Third-party packages outside the one place that may import them.
FORBIDDEN_PACKAGES = [
    ("plan", "duckdb"),
    ("engines", "duckdb"),
    ("runtime", "duckdb"),
    ("cli", "duckdb"),
    ("runtime", "rich"),
    ("plan", "cyclopts"),
    ("sql", "sqlglot"),
    ("engines.embedded", "pyarrow"),
]
ALLOWED_PACKAGES = [
    ("engines.embedded", "duckdb"),
    ("testing", "duckdb"),
    ("cli", "rich"),
    ("cli", "cyclopts"),
]


@pytest.fixture
def copy(tmp_path):
    """A copy of the package and of its contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "mainstem", tmp_path / "mainstem", ignore=ignored)
    return tmp_path


def module(copy: Path, name: str) -> Path:
    """The file of `mainstem.<name>` to plant an import in; an absent layer is made."""
    folder = copy.joinpath("mainstem", *name.split("."))
    file = folder.with_suffix(".py")
    if file.exists():
        return file
    for part in (folder.parent, folder):
        part.mkdir(exist_ok=True)
        (part / "__init__.py").touch()
    return folder / "planted.py"


def plant(copy: Path, importer: str, line: str) -> str:
    """Plant an import; give the full name of the module that now has it."""
    file = module(copy, importer)
    with file.open("a") as text:
        text.write(f"\n{line}\n")
    return ".".join(file.relative_to(copy).with_suffix("").parts)


def lint(copy: Path) -> tuple[int, str]:
    """Exit code and output of the check on the copy, without the installed mainstem."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache", "--no-logo"],
        cwd=copy,
        env=os.environ | {"COLUMNS": "1000", "NO_COLOR": "1", "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_layers_hold_with_what_is_allowed(copy):
    """The copy as it is passes, and so does each package where it belongs."""
    for importer, package in ALLOWED_PACKAGES:
        plant(copy, importer, f"import {package}")

    code, text = lint(copy)

    assert code == 0, text


def test_each_forbidden_import_between_layers_is_named(copy):
    """Every upward and sideways import is found, with its module."""
    expected = []
    for importer, imported in FORBIDDEN:
        module(copy, imported)
        name = plant(copy, importer, f"from mainstem import {imported}")
        expected.append(f"{name} -> mainstem.{imported} ")

    code, text = lint(copy)

    assert code == 1, text
    assert [edge for edge in expected if edge not in text] == [], text


def test_each_forbidden_package_is_named(copy):
    """A package outside its place is found, inside a function too."""
    expected = []
    for importer, package in FORBIDDEN_PACKAGES:
        name = plant(copy, importer, f"def planted_{package}():\n    import {package}")
        expected.append(f"{name} -> {package} ")

    code, text = lint(copy)

    assert code == 1, text
    assert [edge for edge in expected if edge not in text] == [], text


def test_module_outside_the_layers_is_refused(copy):
    """A new `mainstem.utils` needs a decision about where it stands."""
    (copy / "mainstem" / "utils.py").write_text("")

    code, text = lint(copy)

    assert code == 1, text
    assert "utils" in text
