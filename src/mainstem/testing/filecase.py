"""Runs the cases of a pipeline file: its own definition, on rows that stand in the case.

::

    title:    cancelled orders are not counted
    pipeline: shop.py
    param:    day = 2024-01-31
    rows orders:
      id | customer | amount
      == | ======== | ======
      1  | ada      | 12.50
      2  | eve      | null
    rows customers:
    result by_customer:
      ada | 12.50
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from mainstem.definition.resolve import Resolved
from mainstem.errors import DefinitionError, MainstemError
from mainstem.plan.nodes import Plan, is_stream
from mainstem.testing.arrivals import Sections
from mainstem.testing.aside import check_aside
from mainstem.testing.bench import Bench
from mainstem.testing.case import Case
from mainstem.testing.difference import difference
from mainstem.testing.given import Given
from mainstem.testing.ran import Ran
from mainstem.testing.run import (
    RESULT,
    add_expectations,
    check_failure,
    check_findings,
    check_ledger,
    expected_rows,
)
from mainstem.testing.text import read_table


def run_file_case(case: Case, engine: str) -> None:
    """Run a case of a pipeline file, and raise AssertionError when its answer is another.

    Parameters
    ----------
    case : Case
        One with a `pipeline`.
    engine : str
        Name of the engine.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = _bench(case, folder)
        bench.take({**_words(case), "engine": engine})
        resolved = bench.resolved()
        if case.errors or case.warnings:
            # A case about something else need not repeat what the pipeline is always warned of.
            check_findings(case, resolved.findings.items)
        if case.errors:
            return
        _check_answer(case, bench, resolved)


def _bench(case: Case, folder: Path) -> Bench:
    file, _, name = case.pipeline.partition(" --pipeline ")
    beside = Path(case.place.file).absolute().parent
    bench = Bench(file.strip(), folder, beside, name=name.strip())
    if case.query:
        bench.pipeline.table(RESULT, case.query)
    add_expectations(case, bench.pipeline)
    return bench


def _words(case: Case) -> dict[str, Any]:
    run = dict(case.run)
    words: dict[str, Any] = {
        "params": dict(_param(case, text) for text in case.params),
        "env": run.get("env", ""), "run_key": run.get("key", ""), "now": run.get("now"),
        "select": run.get("select", ()), "real": tuple(run.get("real", "").split()),
    }  # fmt: skip
    return words


def _param(case: Case, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise DefinitionError(
            f"param: {text!r} gives no value", where=case.place, code="CaseSyntax",
            fix="write param: name = value",
        )  # fmt: skip
    return name.strip(), value.strip()


def _given(case: Case, plan: Plan, folder: Path) -> Sections:
    """Give the rows of a case as they arrive; files of it are written where the run does not write."""
    found: list[tuple[str, Given]] = []
    for source in case.sources:
        if source.file:
            path = folder / "files" / source.file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(source.content)
            found.append((source.name, path))
        elif not is_stream(plan):
            found.append((source.name, source.text))
    return [*found, *(case.sections if is_stream(plan) else ())]


def _check_answer(case: Case, bench: Bench, resolved: Resolved) -> None:
    plan = resolved.checked_plan()
    kept = {name: plan.step(name) for name, _ in case.results}
    views = tuple(name for name, step in kept.items() if step is not None and step.sink is None)
    bench.take({"views": views})
    said, ran = "", None
    try:
        ran = bench.finish(resolved, _given(case, plan, bench.folder))
    except MainstemError as error:
        said = str(error)
        if not (case.fails or case.bad):
            raise
    if ran is None or case.fails or case.bad:
        # Only the names of the files mean something to the case.
        own = re.compile(re.escape(str(bench.folder)) + r"/(?:files/|given/\w+/)?")
        check_failure(case, own.sub("", said))
        return
    check_ledger(case, ran.ledger)
    check_aside(case, bench.state_dir, plan)
    _check_tables(case, ran)
    for name, text in case.late_texts:
        _check_late(ran, name, text)


def _check_late(ran: Ran, name: str, text: str) -> None:
    """Compare the rows that came too late; without a head they have the first columns of the table."""
    table = f"{name}__late"
    ran.late(name)
    head, rows = read_table(text)
    if rows and not head:
        names = tuple(ran.columns(table))[: len(rows[0])]
        text = "\n".join([" | ".join(names), " | ".join("==" for _ in names), text])
    ran.assert_rows(table, text)


def _check_tables(case: Case, ran: Ran) -> None:
    for name, text in case.results:
        ran.assert_rows(name, text, ordered=case.is_ordered)
    if case.batch is not None:
        step = ran.step(RESULT)
        found = [tuple(row.values()) for row in ran.rows(RESULT)]
        said = difference(
            "the query", step.schema.names, found, expected_rows(case.batch, step.schema),
            is_ordered=case.is_ordered,
        )  # fmt: skip
        assert not said, said
