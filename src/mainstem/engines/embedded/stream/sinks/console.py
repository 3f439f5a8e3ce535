"""Rows on standard output. Nothing can be asked what it has printed: a crash may print rows again."""

from __future__ import annotations

import json
import sys
from typing import Any

import duckdb

from mainstem.connectors.console.options import ConsoleSink
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.stream.spec import Batch
from mainstem.errors import InternalError
from mainstem.plan.nodes import Step

PROMISE = "at-least-once: after a crash the last epochs may be printed again"


def console_sink(step: Step) -> Console:
    """Give the sink of a table whose binding is ``ms.console``."""
    if step.sink is None:
        raise InternalError(f"{step.name!r} has no sink")
    return Console(step.name, read_options(ConsoleSink, step.sink, step.where))


class Console:
    """One table of a stream on standard output."""

    def __init__(self, table: str, options: ConsoleSink) -> None:
        self._table = table
        self._options = options

    def wire(self, select: str) -> str:
        """Give the rows as they are."""
        return select

    def open(self) -> dict[str, Any] | None:
        """Say what is promised; there is no token."""
        if self._options.format == "table":
            _print(f"-- {self._table}: {PROMISE}")
        return None

    def write(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> dict[str, Any]:
        """Print the first rows of an epoch, and how many there were."""
        result = cursor.execute(f"SELECT * FROM ({batch.select}) LIMIT {self._options.limit}")
        names = [column[0] for column in result.description]
        rows = result.fetchall()
        lines = self._lines(names, rows)
        if self._options.format == "table" and batch.rows:
            rest = batch.rows - len(rows)
            more = f", {rest} more not shown" if rest else ""
            lines.insert(0, f"-- {self._table}, epoch {batch.epoch}: {batch.rows} rows{more}")
        _print(*lines)
        return {"rows": batch.rows, "already_there": 0}

    def close(self) -> None:
        """Nothing is held."""

    def _lines(self, names: list[str], rows: list[tuple[Any, ...]]) -> list[str]:
        if self._options.format == "json":
            return [json.dumps(dict(zip(names, row, strict=True)), default=str) for row in rows]
        if not rows:
            return []
        texts = [names, *([_text(value) for value in row] for row in rows)]
        widths = [max(len(row[i]) for row in texts) for i in range(len(names))]
        return ["  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)).rstrip()
                for row in texts]  # fmt: skip


def _text(value: Any) -> str:
    return "NULL" if value is None else str(value)


def _print(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
