"""Runs an example as a user does, in a copy of its folder, and reads what it made."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from mainstem.definition.load import load
from mainstem.demo.run import kept_tables
from tests.examples import flights_reference as reference


@dataclass(frozen=True)
class Example:
    """An example that ran: its folder, what it printed, and its tables as rows."""

    folder: Path
    printed: str
    tables: dict[str, list[dict]]


def copy(folder: Path, target: Path) -> Path:
    """Give a copy of an example without what earlier runs made."""
    ignored = shutil.ignore_patterns("in", "out", ".mainstem", "__pycache__")
    return Path(shutil.copytree(folder, target / folder.name, ignore=ignored))


def run_script(folder: Path, script: str) -> str:
    """Run a script of the example in its own process; give what it printed."""
    done = subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def parquet(path: Path, columns: str) -> list[tuple]:
    """Give columns of all Parquet files of a folder, partitions as columns."""
    glob = str(path / "**" / "*.parquet")
    with duckdb.connect() as connection:
        reader = "read_parquet(?, hive_partitioning = true)"
        return connection.execute(f"SELECT {columns} FROM {reader}", [glob]).fetchall()


def folders(path: Path) -> set[str]:
    """Give the names of the partitions; Mainstem keeps its manifest in a folder beside them."""
    return {child.name for child in path.iterdir() if "=" in child.name}


def approximate(values):
    """Give the mean of what is known, as something to compare a DOUBLE with; None of nothing."""
    mean = reference.mean(values)
    return None if mean is None else pytest.approx(mean, rel=1e-9, abs=1e-9)


def run_pipeline(file: Path) -> Example:
    """Run a pipeline file in this process and read the tables that it keeps."""
    pipeline = load(file)
    pipeline.run()
    return Example(file.parent, "", {k: list(v) for k, v in kept_tables(pipeline).items()})


def run_example(folder: Path, target: Path, *, script: str) -> Example:
    """Run a copy of an example by its script, then read the tables that it kept."""
    copied = copy(folder, target)
    printed = run_script(copied, script)
    tables = kept_tables(load(copied / "pipeline.py"))
    return Example(copied, printed, {k: list(v) for k, v in tables.items()})
