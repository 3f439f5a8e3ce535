"""The second act of `make demo`: a stream that is killed; what it says is true, and can be untrue."""

import importlib.util
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from mainstem.runtime.saved import shown
from tests.examples.running import copy, run_script

EXAMPLE = Path(__file__).parents[2] / "examples" / "webviews"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo as `make demo` runs it, in a copy: its folder, and what it printed."""
    folder = copy(EXAMPLE, tmp_path_factory.mktemp("webviews"))
    return folder, run_script(folder, "demo.py")


@pytest.fixture
def script(demo, monkeypatch):
    """The module demo.py of the copy, whose stream has run."""
    folder, _ = demo
    monkeypatch.syspath_prepend(str(folder))
    for name in ("pipeline", "demo"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("demo", folder / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("pipeline", None)


def figure(printed, pattern):
    """One number of the printed text."""
    return int(re.search(pattern, printed)[1].replace(",", ""))


def test_it_says_that_nothing_was_lost(demo):
    """The last line; and every table was compared."""
    _, printed = demo

    assert printed.splitlines()[-1] == "0 lost, 0 doubled"
    for name in ("per_minute", "top_pages", "visits", "broken records"):
        assert figure(printed, rf"{name} +([\d,]+)") > 0


def test_the_kill_was_real(demo):
    """The journal has a run without an end, and the next one went on behind its last epoch."""
    folder, printed = demo
    journal = (folder / "out" / "stream" / "webviews" / "journal.jsonl").read_text("utf-8")
    epoch = figure(printed, r"kill -9 +at epoch (\d+)")

    assert journal.count('"run_started"') == 2
    assert journal.count('"run_ended"') == 1
    assert epoch > 0
    assert figure(printed, r"run again +epoch (\d+)") == epoch + 1


def test_the_figures_are_those_of_the_state_file(demo):
    """Records read are the position of the generator; the parts before and after add up to it."""
    folder, printed = demo
    state = shown(folder / "out" / "stream" / "webviews")
    position = state["sources"]["views"]["partitions"][""]["position"]["row"]

    assert figure(printed, r"records read +([\d,]+)") == position
    before = figure(printed, r"before the kill +([\d,]+)")
    assert before == figure(printed, r"kill -9 +at epoch \d+, after ([\d,]+)")
    assert before + figure(printed, r"after it +([\d,]+)") == position
    assert figure(printed, r"recovered in +(\d+)\.\d s") < 60


TAMPERED = {
    "lost": ("DELETE FROM visits WHERE rowid = (SELECT min(rowid) FROM visits)", 1, 0),
    "doubled": ("INSERT INTO per_minute SELECT * FROM per_minute LIMIT 1", 0, 1),
    "changed": ("UPDATE top_pages SET views = views + 1 WHERE rowid = 0", 1, 1),
    "a broken record lost": ("DELETE FROM views__dead WHERE rowid = 0", 1, 0),
}


@pytest.mark.parametrize(
    ("sql", "lost", "doubled"), TAMPERED.values(), ids=list(TAMPERED)
)  # fmt: skip
def test_a_tampered_answer_is_found(demo, script, tmp_path, capsys, sql, lost, doubled):
    """One row of the stream's own tables, changed by hand: the demo says so, and fails."""
    folder, _ = demo
    state = shutil.copytree(
        folder / "out" / "stream" / "webviews", tmp_path / "webviews",
        ignore=shutil.ignore_patterns("socket"),
    )  # fmt: skip
    with duckdb.connect(str(state / "state.duckdb")) as connection:
        connection.execute(sql)
    recovery = recovered(state)

    proof = script.prove(recovery, state, tmp_path / "batch")
    code = script.show(recovery, proof, dead=0, late=0)

    assert code == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"{lost} lost, {doubled} doubled"


def recovered(state):
    """How the stream in a state directory ended, as the demo sees it."""
    from mainstem.demo.recovery import Recovery, Standing

    found = shown(state)
    source = found["sources"]["views"]
    mark = source["watermark"]
    mark = datetime.fromisoformat(mark) if isinstance(mark, str) else mark
    rows = source["partitions"][""]["position"]["row"]
    first = Standing(1, 0, datetime(2025, 6, 2, tzinfo=UTC))
    return Recovery(first, Standing(found["epoch"], rows, mark), 0.1, 2, 0, rows, {})


def test_late_rows_are_no_success(demo, script, tmp_path, capsys):
    """The demo's rows are within the bound: a late one would be missing in the windows."""
    folder, _ = demo
    recovery = recovered(folder / "out" / "stream" / "webviews")
    proof = script.prove(recovery, folder / "out" / "stream" / "webviews", tmp_path / "batch")

    assert script.show(recovery, proof, dead=1, late=0) == 0
    assert script.show(recovery, proof, dead=1, late=1) == 1
    assert capsys.readouterr().out
