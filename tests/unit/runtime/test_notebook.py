"""Runs in a notebook: progress below the cell, and the result as a table."""

import sys
import types

import mainstem as ms
from mainstem.engines.spec import Event
from mainstem.runtime import notebook


class Shell:
    kernel = object()


class Handle:
    def __init__(self):
        self.shown = []

    def update(self, picture):
        self.shown.append(picture._repr_html_())


def in_notebook(monkeypatch, shell):
    """Put a kernel's IPython in place; give what is shown."""
    handle = Handle()
    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: shell

    def show(picture, *, display_id):
        assert display_id is True
        return handle

    display.display = show
    ipython.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return handle


def pipeline(tmp_path):
    """Give a pipeline of three rows, two of which are kept."""
    (tmp_path / "a.csv").write_text("id\n1\n2\n3\n")
    p = ms.Pipeline("noted")
    p.source("rows", ms.files(str(tmp_path / "a.csv")), schema="id bigint")
    p.table("kept", "SELECT id FROM rows WHERE id > 1")
    return p


def test_run_is_shown_below_the_cell(monkeypatch, tmp_path):
    """At least once, at the end, with every source and table and its rows."""
    handle = in_notebook(monkeypatch, Shell())
    result = pipeline(tmp_path).run(base_dir=tmp_path)

    last = handle.shown[-1]
    assert "<td>rows</td>" in last
    assert "3 rows</td><td>read</td>" in last
    assert "<td>kept</td>" in last
    assert "2 rows</td><td>written</td>" in last
    assert result.rows("kept") == 2


def test_nothing_is_shown_elsewhere(monkeypatch, tmp_path):
    """IPython in a terminal is no notebook."""
    handle = in_notebook(monkeypatch, None)
    pipeline(tmp_path).run(base_dir=tmp_path)
    assert handle.shown == []


def test_result_is_a_table(tmp_path):
    """Names and rows; the status above."""
    shown = pipeline(tmp_path).run(base_dir=tmp_path)._repr_html_()
    assert "<td>rows</td><td>read</td><td style='text-align:right'>3</td>" in shown
    assert "<td>kept</td><td>written</td><td style='text-align:right'>2</td>" in shown
    assert shown.startswith("<p>succeeded in ")


def test_pictures_are_few_and_names_are_escaped(monkeypatch):
    """A run sends ten progress events a second; a picture is drawn at most every quarter, and at the end."""
    clock = [100.0]
    monkeypatch.setattr(notebook.time, "monotonic", lambda: clock[0])
    handle = Handle()
    board = notebook.Board(handle.update)
    for tenth in range(11):
        clock[0] = 100.0 + tenth / 10
        board.take(Event("progress", "<b>", {"fraction": tenth / 10}))
    # At 0, 0.3, 0.6 and 0.9 s.
    assert len(handle.shown) == 4
    board.take(Event("run_ended", "p", {}))
    assert len(handle.shown) == 5
    assert "<td>&lt;b&gt;</td>" in handle.shown[-1]
    assert "value='1.000'" in handle.shown[-1]
