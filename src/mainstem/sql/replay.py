"""Whether rows that were kept aside may go through a pipeline again, and with which new values."""

from __future__ import annotations

from mainstem.errors import NOWHERE, Finding, Findings, Place, SettingsError, nearest
from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan, Step
from mainstem.plan.types import Schema, in_expressions
from mainstem.sql.bind import bind_tree
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.delta import DELTA, STATIC, Growth, growths, mode_of
from mainstem.sql.parse import Parser
from mainstem.sql.tokens import Text

# What adds to a sink, or finds its own rows there by key.
ADDING = ("append", "merge", "history")


def replay_faults(plan: Plan, name: str, tables: frozenset[str]) -> list[Finding]:
    """Give why the rows of a relation may not be replayed; empty when they may.

    A replay brings a few rows to what is made of the relation. That is right where each row's way
    is its own and the sink adds it, and where rows are found by key. Everywhere else the sink would
    hold those few rows in the place of all, or a group made of them alone.

    Parameters
    ----------
    plan : Plan
        The whole plan.
    name : str
        The relation.
    tables : frozenset of str
        What is made of it.
    """
    grown = growths(plan)
    if grown[name].kind == STATIC:
        return [Finding(
            "ReplayWhole", f"{name!r} is read whole in each run, which judges all of its rows again",
            _where(plan, name), "correct the data or the rule and run again: the source is read "
            "whole", step=name,
        )]  # fmt: skip
    if grown[name].kind != DELTA:
        return [_unsafe(name, f"the rows of {name!r}", grown[name], _where(plan, name))]
    steps = [step for step in plan.tables if step.name in tables]
    found = [_fault(step, grown[step.name]) for step in steps]
    return [finding for finding in found if finding is not None]


def _fault(step: Step, grown: Growth) -> Finding | None:
    if grown.kind != DELTA:
        return _unsafe(step.name, f"table {step.name!r}", grown, step.where)
    mode = mode_of(step.sink)
    if mode in ADDING:
        return None
    return Finding(
        "ReplayReplaces", f"table {step.name!r} is replaced by the rows of one run ({mode}): after a "
        "replay it would hold the replayed rows alone", step.where,
        'write it with mode="append" or ms.merge(key=…)', step=step.name,
    )  # fmt: skip


def _unsafe(step: str, what: str, grown: Growth, where: Place) -> Finding:
    seen = "" if grown.step in ("", step) else f" of {grown.step!r}"
    return Finding(
        "ReplayUnsafe", f"{what} cannot be replayed: {grown.operator}{seen} {grown.why}", where,
        "correct the data at its origin, and read it as a new file or in a run over everything",
        step=step,
    )  # fmt: skip


def _where(plan: Plan, name: str) -> Place:
    found = plan.source(name) or plan.step(name)
    return NOWHERE if found is None else found.where


def bind_set(text: str, name: str, schema: Schema) -> tuple[str, t.Query]:
    """Give the column and the bound value of ``column = expression`` over the rows of a relation.

    The value is converted to the column's type as CAST does.

    Parameters
    ----------
    text : str
        As it was written.
    name : str
        The relation.
    schema : Schema
        Its columns.

    Raises
    ------
    SettingsError
        For a text that is no assignment, an unknown column, or an expression that looks beyond its
        row.
    CheckFailed
        For a wrong expression.
    """
    column, sign, value = text.partition("=")
    spelled = {f.name.lower(): f for f in schema.fields}
    field = spelled.get(column.strip().strip('"').lower())
    if not sign or not value.strip():
        raise SettingsError(
            f"--set {text!r} is no assignment",
            code="Usage",
            fix='write --set "amount = abs(amount)"',
        )
    if field is None:
        close = nearest(column.strip(), schema.names)
        raise SettingsError(
            f"--set names {column.strip()!r}, which {name!r} does not have (columns: "
            f"{', '.join(schema.names)})", code="Usage", fix=f"write {close or schema.names[0]}",
        )  # fmt: skip
    type_ = in_expressions(field.type)
    source = Text(value.strip(), Place("--set"), name)
    parser = Parser(source)
    tree = parser.expression()
    parser.finish()
    item = t.Item(t.Cast(tree, type_), field.name)
    findings = Findings()
    bound = bind_tree(t.Query(t.Select((item,), t.Table(name))), {name: schema}, source=source,
                      findings=findings)  # fmt: skip
    findings.raise_errors()
    if bound is None or any(_looks_around(node) for node in t.walk(bound.query)):
        raise SettingsError(
            f"--set {text!r} looks at other rows than its own", code="Usage",
            fix="use the columns of the row, constants and functions",
        )  # fmt: skip
    return field.name, bound.query


def _looks_around(node: t.Node) -> bool:
    return is_aggregate(node) or (isinstance(node, t.Call) and node.window is not None)
