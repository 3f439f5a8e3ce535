"""Checks a table against its sink: the columns that options name, the schema and kind declared."""

from __future__ import annotations

from typing import Any

from mainstem.connectors.spec import Problem, column_missing, connector, read_options
from mainstem.definition.binding import options_of
from mainstem.definition.declaration import StepDeclaration
from mainstem.errors import Finding, Findings, listing, nearest
from mainstem.plan.nodes import Binding
from mainstem.plan.types import Schema, in_expressions


class TableWork:
    """Checks one view or table whose query is right; what is wrong goes to `findings`."""

    def __init__(self, declared: StepDeclaration, schema: Schema, findings: Findings) -> None:
        self.declared = declared
        self.schema = schema
        self.findings = findings

    def mode(self) -> None:
        """Check the kind that a table over inputs that end asserts (C1)."""
        if self.declared.mode == "updating":
            self._add(
                "KindMismatch", f"{self.declared.name!r} is an append table: over inputs that end "
                "every row is final (contract C1)", 'write mode="append" or remove it',
            )  # fmt: skip

    def columns(self, sink: Binding) -> None:
        """Check the columns that a sink's options name."""
        options = options_of("sinks", connector(sink))
        if options is None:
            return
        checked: Any = read_options(options, sink)
        name = self.declared.name
        problems: list[Problem] = []
        for column in getattr(checked, "partition_columns", ()):
            problems += column_missing(
                column, "partition_by", self.schema, use=f"to partition {name!r} by",
                fix="select it",
            )  # fmt: skip
        if hasattr(checked, "column_problems"):
            problems += checked.column_problems(self._written(), "")
        for found in problems:
            self._add(found.code, found.what, found.fix)

    def _written(self) -> Schema:
        """Give the columns as the sink has them."""
        wanted = self.declared.sink_schema
        return wanted if wanted is not None and len(wanted) else self.schema

    def declared_schema(self) -> None:
        """Check that the declared columns of a sink are the query's, narrower at the most."""
        declared, wanted = self.declared, self.declared.sink_schema
        if wanted is None or not len(wanted):
            return
        given = {field.name.lower(): field for field in self.schema.fields}
        for field in wanted.fields:
            own = given.pop(field.name.lower(), None)
            if own is None:
                close = nearest(field.name, self.schema.names)
                self._add(
                    "ColumnNotFound", f"{declared.name!r} declares column {field.name!r}, which "
                    f"its query does not give (columns: {listing(self.schema.names)})",
                    f"write {close}" if close else "select it",
                )  # fmt: skip
            elif in_expressions(field.type) != in_expressions(own.type):
                self._add(
                    "TypeMismatch", f"{declared.name!r} declares {field.name} as {field.type}; its "
                    f"query gives {own.type}",
                    f"write CAST({field.name} AS {field.type}) in the query",
                )  # fmt: skip
        if given:
            names = listing(field.name for field in given.values())
            self._add(
                "ColumnNotFound", f"{declared.name!r} gives {names}, which its schema does not "
                "declare", "add them to the schema, or leave them out",
            )  # fmt: skip

    def _add(self, code: str, what: str, fix: str) -> None:
        self.findings.add(Finding(code, what, self.declared.where, fix, step=self.declared.name))
