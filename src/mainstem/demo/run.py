"""`mainstem demo`: makes data, runs a pipeline on it, and shows what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.demo.answer import bikes_report
from mainstem.demo.data import write
from mainstem.demo.report import Report, to_html
from mainstem.record import record

if TYPE_CHECKING:
    from mainstem.definition.pipeline import Pipeline

PAGE = "report.html"


@record
class Demo:
    """What a demo made: the pipeline file to read and change, the report, and its page."""

    pipeline: Path
    report: Report
    page: Path


def run_demo(folder: Path) -> Demo:
    """Make the demo in `folder`: data, ``pipeline.py``, its settings, tables and a page.

    Files of an earlier demo are replaced; others are left alone.

    Parameters
    ----------
    folder : Path
        Made when absent.

    Returns
    -------
    Demo
        Print `report` with `mainstem.demo.report.to_text`.
    """
    from mainstem.definition.load import load

    write(folder / "data")
    # The user's own copy: the pipeline that ran is the file that can be read and changed.
    file = folder / "pipeline.py"
    file.write_text(files("mainstem.demo").joinpath("bikes.py").read_text("utf-8"), "utf-8")
    # Its own settings: else those of a folder above count, and name the tables of others.
    (folder / "mainstem.toml").write_text("# Settings of this pipeline.\n", "utf-8")
    pipeline = load(file)
    pipeline.run()
    report = bikes_report(kept_tables(pipeline))
    page = folder / PAGE
    page.write_text(to_html(report), "utf-8")
    return Demo(file, report, page)


def kept_tables(pipeline: Pipeline) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Give the tables of the last run that have no sink, each as a list of rows."""
    kept = [t.name for t in pipeline.plan().tables if t.sink is not None and t.sink.type == "state"]
    if not kept:
        return {}
    with pipeline.connect() as tables:
        answers = {name: tables.query(f'SELECT * FROM "{name}"') for name in kept}
    return {
        name: [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        for name, answer in answers.items()
    }
