"""Names the row and the expression that made a step fail (contract V10).

DuckDB says which values an operator could not take, not which row they stand in. So after a failure
the step's expressions that can fail are tried again one by one over their own FROM clause:
``TRY([e])`` is NULL only on a row where `e` fails, since a NULL result is still a list of one NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import duckdb

from mainstem.engines.embedded.compile import DuckdbPrinter
from mainstem.engines.embedded.fetch import fetch
from mainstem.engines.embedded.session import Session
from mainstem.engines.spec import Program
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.nodes import Expectation, Plan, Step
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.order import row_columns
from mainstem.sql.text import Printer, quoted

MAX_EXPRESSIONS = 64
MAX_SHOWN = 6


def culprit(session: Session, program: Program, step: Step) -> str:
    """Give ``expression on the row (column=value, …)`` of the first failure found, or "".

    A view is computed where it is read, so the views behind the step are searched too.

    Nothing is found when the failure stands in an aggregate, in a correlated subquery, or on rows
    that only a join or an earlier WITH query produces: then DuckDB's own words have to do.
    """
    printer = DuckdbPrinter()
    _start_again(session, program, step)
    for owner in _with_views(program.plan, step):
        parts = [pair for query in _queries(program.plan, owner) for pair in fallible(query)]
        for select, expr in parts[:MAX_EXPRESSIONS]:
            found = _failing_row(session, printer, select, expr)
            if found:
                place = "" if owner is step else f" in view {owner.name!r} ({owner.where})"
                return f"{Printer().expr(expr)} on the row {found}{place}"
    return ""


def culprit_of_rules(
    session: Session, rules: Iterable[Expectation]
) -> tuple[Expectation | None, str]:
    """Give the first rule that failed and its ``expression on the row (column=value, …)``."""
    printer = DuckdbPrinter()
    with suppress(duckdb.Error):
        # No transaction is open unless a table of the state file was written before.
        session.rows("ROLLBACK")
    for rule in rules:
        for select, expr in list(fallible(rule.test))[:MAX_EXPRESSIONS] if rule.test else ():
            found = _failing_row(session, printer, select, expr)
            if found:
                return rule, f"{Printer().expr(expr)} on the row {found}"
    return None, ""


def _start_again(session: Session, program: Program, step: Step) -> None:
    """Leave the failed transaction, and make what it held of earlier steps again, as views."""
    statements = ["ROLLBACK"]
    for statement in program.statements:
        if statement.step.name == step.name:
            break
        if program.plan.expected_of(statement.step.name):
            # Its readers saw the rows that passed, which only the judged table can give.
            continue
        statements.append(
            f"CREATE OR REPLACE TEMP VIEW {quoted(statement.step.name)} AS {statement.sql}"
        )
    for sql in statements:
        # No transaction was open, or the step is a table from before it: both are as they should be.
        with suppress(duckdb.Error):
            session.rows(sql)


def _queries(plan: Plan, step: Step) -> list[t.Query]:
    """Give what was run of a step; where it calls Python functions, their results are tables."""
    if not plan.functions:
        return [step.query]
    from mainstem.sql.lift import lifted

    taken = lifted(step.query, plan.functions, step.name)
    return [*(one.query for one in taken.maps), taken.query]


def _with_views(plan: Plan, step: Step) -> Iterator[Step]:
    """Give the step and the views that are computed with it, nearest first."""
    waiting, seen = [step], {step.name}
    while waiting:
        current = waiting.pop(0)
        yield current
        for name in current.inputs:
            behind = plan.step(name)
            if behind is not None and not behind.is_table and name not in seen:
                seen.add(name)
                waiting.append(behind)


def fallible(node: t.Node) -> Iterator[tuple[t.Select, t.Expr]]:
    """Give the innermost expressions that can fail, each with the SELECT that it stands in."""
    for child in t.children(node):
        yield from fallible(child)
    if isinstance(node, t.Select) and node.source is not None:
        for part in (node.where, *(i.expr for i in node.items), *node.group):
            if part is not None:
                yield from ((node, e) for e in _own(part) if _can_fail(e))


def _own(node: t.Node) -> Iterator[t.Expr]:
    """Give the expressions of one SELECT, inner ones first, without those of subqueries and lambdas."""
    if isinstance(node, t.Query | t.Lambda):
        return
    for child in t.children(node):
        yield from _own(child)
    if isinstance(node, t.Expr) and not is_aggregate(node):
        yield node


def _can_fail(expr: t.Expr) -> bool:
    if any(isinstance(n, t.Query) or is_aggregate(n) or _has_window(n) for n in t.walk(expr)):
        return False
    if isinstance(expr, t.Cast):
        return not expr.is_try and not expr.is_exact
    return (
        isinstance(expr, t.Call)
        and expr.name in catalogue()
        and catalogue()[expr.name].fails != "never"
    )


def _has_window(node: t.Node) -> bool:
    return isinstance(node, t.Call) and node.window is not None


def _failing_row(session: Session, printer: DuckdbPrinter, select: t.Select, expr: t.Expr) -> str:
    columns = [
        c for c in row_columns(t.Select(select.items, select.source)) if isinstance(c, t.Column)
    ]
    used = {c for c in t.walk(expr) if isinstance(c, t.Column)}
    shown = sorted(columns, key=lambda c: c not in used)[:MAX_SHOWN]
    if select.source is None or not shown:
        return ""
    items = ", ".join(f"{printer.expr(c)} AS {quoted(c.name)}" for c in shown)
    sql = f"SELECT {items} FROM {printer.relation(select.source)} WHERE TRY([{printer.expr(expr)}]) IS NULL LIMIT 1"
    try:
        _, _, rows = fetch(session.connection, sql)
    except duckdb.Error:
        # Its FROM clause fails by itself, or names what exists only inside the query: not the one.
        return ""
    if not rows:
        return ""
    return (
        "(" + ", ".join(f"{c.name}={_text(v)}" for c, v in zip(shown, rows[0], strict=True)) + ")"
    )


def _text(value: object) -> str:
    text = "NULL" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
