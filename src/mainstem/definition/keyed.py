"""The words of ``ms.merge`` and ``ms.history`` against the columns of their table."""

from __future__ import annotations

import dataclasses
import linecache
from collections.abc import Mapping

from mainstem.connectors.keyed import HISTORY_COLUMNS, Keyed, keyed_of, wrong_mode
from mainstem.definition.declaration import StepDeclaration
from mainstem.definition.place import Located, locate
from mainstem.errors import Finding, Findings, MainstemError, Place, listing, nearest
from mainstem.plan.nodes import Binding
from mainstem.plan.tree import Query
from mainstem.plan.types import Schema, Type
from mainstem.sql.predicate import bind_predicate, parse_predicate
from mainstem.sql.tokens import Text


def bound_keyed(
    declared: StepDeclaration, sink: Binding, schema: Schema, params: Mapping[str, Type],
    findings: Findings,
) -> Query | None:  # fmt: skip
    """Check a sink's keyed mode against the table's columns.

    Parameters
    ----------
    declared : StepDeclaration
        The table.
    sink : Binding
        Its sink, with whatever overrides it.
    schema : Schema
        Its columns.
    params : mapping of str to Type
        Run parameters, which `delete_when` may use.
    findings : Findings
        Takes what is wrong.

    Returns
    -------
    Query or None
        The bound ``delete_when``; None without one, or when anything is wrong.
    """
    mode = sink.as_dict().get("mode", "overwrite")
    wrong = wrong_mode(mode, declared.where)
    for finding in wrong:
        findings.add(dataclasses.replace(finding, step=declared.name))
    keyed = None if wrong else keyed_of(mode)
    if keyed is None:
        return None
    _check_columns(declared, keyed, schema, findings)
    if not keyed.delete_when:
        return None
    return _bound(declared, keyed.delete_when, schema, params, findings)


def _check_columns(
    declared: StepDeclaration, keyed: Keyed, schema: Schema, findings: Findings
) -> None:
    known = {f.name.lower(): f for f in schema.fields}
    words = {"key": keyed.key, "sequence_by": keyed.sequence_by, "columns": keyed.columns}
    for word, names in words.items():
        for name in names:
            field = known.get(name.lower())
            if field is None:
                close = nearest(name, schema.names)
                _add(findings, declared, "ColumnNotFound",
                     f"no column {name!r} for {word} of {declared.name!r} (columns: "
                     f"{listing(schema.names)})",
                     f"write {close}" if close else "select it")  # fmt: skip
            elif word != "columns" and field.type.is_nested:
                _add(findings, declared, "KeyType",
                     f"{word} {name!r} of {declared.name!r} is {field.type}, which cannot say which "
                     "row is meant", "name a column of one value")  # fmt: skip
    taken = [n for n in HISTORY_COLUMNS if n in known] if keyed.kind == "history" else []
    if taken:
        _add(findings, declared, "DuplicateName",
             f"{declared.name!r} has the column {', '.join(taken)}, which its history adds",
             "rename it in the query")  # fmt: skip


def _bound(
    declared: StepDeclaration, predicate: str, schema: Schema, params: Mapping[str, Type],
    findings: Findings,
) -> Query | None:  # fmt: skip
    """Bind the predicate; only when something is wrong is its place in the user's file looked for."""
    own = Findings()
    query = _attempt(
        Text(predicate, Place(declared.where.file, 1, 1)), declared, schema, params, own
    )
    if not own.items:
        return query
    located = _located(declared, predicate)
    own = Findings()
    _attempt(Text(predicate, located.place), declared, schema, params, own)
    for finding in own.items:
        where = finding.where if located.is_exact else declared.where
        if not located.has_columns:
            where = Place(where.file, where.line)
        what = f"delete_when of {declared.name!r}: {finding.what}"
        findings.add(dataclasses.replace(finding, what=what, where=where, step=declared.name))
    return None


def _attempt(
    text: Text, declared: StepDeclaration, schema: Schema, params: Mapping[str, Type], own: Findings
) -> Query | None:
    try:
        query = parse_predicate(text, declared.name)
    except MainstemError as error:
        own.add(error.finding)
        return None
    tables = {declared.name: schema}
    bound = bind_predicate(query, text, tables, params=params, declared=(), findings=own)
    return None if bound is None else bound.query


def _located(declared: StepDeclaration, predicate: str) -> Located:
    if declared.text_at is None:
        return locate(predicate, declared.where, declared.span)
    # A .sql file: the text stands in quotes somewhere in the statement.
    lines = linecache.getlines(declared.where.file)
    for number in range(declared.span.line, declared.span.end_line + 1):
        line = lines[number - 1] if number <= len(lines) else ""
        at = line.find(predicate)
        if at >= 0:
            return Located(Place(declared.where.file, number, at + 1))
    return Located(declared.where, has_columns=False, is_exact=False)


def _add(findings: Findings, declared: StepDeclaration, code: str, what: str, fix: str) -> None:
    findings.add(Finding(code, what, declared.where, fix, step=declared.name))
