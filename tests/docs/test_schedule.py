"""The tasks of Airflow and Dagster on the how-to do what it says; stand-ins have their words."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "howto-schedule.md"
FILES = re.compile(r"<!-- file: (?P<name>\S+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The files of the page, in a folder of their own."""
    for found in FILES.finditer(PAGE.read_text("utf-8")):
        file = tmp_path / found["name"]
        file.parent.mkdir(exist_ok=True)
        file.write_text(found["text"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def module(monkeypatch, name: str, **words) -> None:
    """Put a stand-in where an import finds it."""
    made = ModuleType(name)
    made.__dict__.update(words)
    monkeypatch.setitem(sys.modules, name, made)


def load(file: Path) -> ModuleType:
    """Import a file by its path."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_asset_of_dagster_writes_a_day_once(shop, monkeypatch):
    """What it materializes says how much it wrote, and what was there."""
    monkeypatch.delitem(sys.modules, "pipeline", raising=False)
    module(
        monkeypatch, "dagster", asset=lambda **_: lambda function: function,
        DailyPartitionsDefinition=SimpleNamespace, Definitions=SimpleNamespace,
        AssetExecutionContext=object, MaterializeResult=SimpleNamespace,
    )  # fmt: skip
    daily = load(shop / "assets.py").daily
    context = SimpleNamespace(partition_key="2026-01-02")

    first, second = daily(context).metadata, daily(context).metadata
    monkeypatch.delitem(sys.modules, "pipeline")

    assert (first["rows"], first["there before"]) == (2, 0)
    assert (second["rows"], second["there before"]) == (0, 2)


def test_task_of_airflow_writes_a_day_once(shop, monkeypatch):
    """Its command is run as its operator runs it: by bash, with the day in place of ``{{ ds }}``."""
    made = []

    class Dag:
        def __init__(self, name, **words):
            assert words["max_active_runs"] == 1

        __enter__ = __exit__ = lambda *_: None

    for name in ("airflow", "airflow.providers", "airflow.providers.standard"):
        module(monkeypatch, name)
    module(monkeypatch, "airflow.providers.standard.operators")
    module(
        monkeypatch, "airflow.providers.standard.operators.bash",
        BashOperator=lambda **words: made.append(words),
    )  # fmt: skip
    module(monkeypatch, "airflow.sdk", DAG=Dag)
    load(shop / "dags" / "shop.py")
    (task,) = made
    program = f"{shlex.quote(sys.executable)} -m mainstem"
    command = task["bash_command"].replace("{{ ds }}", "2026-01-01").replace("mainstem", program, 1)

    for _ in range(2):
        subprocess.run(["bash", "-c", command], check=True, cwd=shop, stdout=subprocess.DEVNULL)
    import duckdb

    rows = duckdb.sql(f"SELECT id, amount FROM '{shop}/out/daily/*.parquet'").fetchall()
    assert rows == [(1, 10)]
