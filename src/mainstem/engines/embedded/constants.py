"""Expressions without columns that fail, in places that may never be reached (V10).

DuckDB computes such an expression while it plans: ``CASE WHEN a > 9 THEN substring(s, CAST('x' AS
bigint)) END`` failed though no row had an `a` above 9, and so did a table of no rows. So those that can
fail are tried beforehand, and one that does becomes a `Failure`, which fails when a row gets to it.

Not tried are expressions with a run parameter or the time of the run: their values are not known yet.
"""

from __future__ import annotations

import operator
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from mainstem.engines.embedded.fallible import Failure, fails
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

# Below these an operand is judged only where it is reached.
_CHOOSING = frozenset(["and", "or", "coalesce", "if", "nvl2", "choose"])
_WHOLE: dict[str, Callable[[int, int], int]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul,
}  # fmt: skip
_BIGINTS = range(-(2**63), 2**63)


def judged(node: t.NodeT, text: Callable[[t.Expr], str]) -> t.NodeT:
    """Give a bound tree in which constants that fail, where they may not be reached, are Failures.

    Parameters
    ----------
    node : Query or Expr
        What is bound.
    text : callable
        Prints an expression as DuckDB's SQL.
    """
    with ExitStack() as stack:
        return cast("t.NodeT", _Judge(text, stack).node(node))


class _Judge:
    """Rebuilds a query from the leaves up; DuckDB is opened for the first expression to be tried."""

    def __init__(self, text: Callable[[t.Expr], str], stack: ExitStack) -> None:
        self.text = text
        self.stack = stack
        self.connection: duckdb.DuckDBPyConnection | None = None

    def node(self, node: t.Node) -> t.Node:
        """Give a node that every row gets to."""
        condition = _condition(node)
        below = self._chosen if _is_choice(node) else self.node
        if condition is None:
            return t.rebuilt(node, below)
        return t.rebuilt(node, lambda c: self._filter(c) if c is condition else below(c))

    def _filter(self, node: t.Node) -> t.Node:
        """Give a WHERE or ON: rows go through one operand of AND after the other, without a choice."""
        is_and = isinstance(node, t.Call) and node.name == "and"
        return t.rebuilt(node, self._filter) if is_and else self.node(node)

    def _chosen(self, node: t.Node) -> t.Node:
        if isinstance(node, t.Query):
            return self.node(node)
        new = t.rebuilt(node, self._chosen)
        if not fails(new) or not _is_constant(new):
            return new
        whole = _whole(new)
        # None is no number: a range would be searched for it.
        if whole is not None and whole in _BIGINTS:
            return new
        expr = cast("t.Expr", new)
        message = self._failure(expr)
        return Failure(message, type=expr.type, at=expr.at) if message else new

    def _failure(self, expr: t.Expr) -> str:
        """Give what DuckDB says of an expression that fails, or ""."""
        import duckdb

        from mainstem.engines.embedded.failures import is_data, words
        from mainstem.engines.embedded.session import plain_connection

        if self.connection is None:
            self.connection = plain_connection()
            self.stack.callback(self.connection.close)
        try:
            # The hash needs the value, and gives a number that Python can hold.
            self.connection.execute(f"SELECT hash({self.text(expr)})").fetchall()
        except duckdb.Error as error:
            if not is_data(error):
                raise
            said = words(error)
            return said.split(" Error: ", maxsplit=1)[-1]
        return ""


def _whole(node: t.Node) -> int | None:
    """Give the value of a sum or product of whole numbers, None of anything else.

    ``x BETWEEN 1 AND 1 + 10`` is common, and to open DuckDB for it takes longer than to plan a query.
    """
    if isinstance(node, t.Literal) and node.kind == "integer" and t.type_of(node).kind == "bigint":
        return int(cast("int", node.value))
    if not isinstance(node, t.Call) or node.name not in _WHOLE or t.type_of(node).kind != "bigint":
        return None
    first, second = map(_whole, node.args)
    return None if first is None or second is None else _WHOLE[node.name](first, second)


def _condition(node: t.Node) -> t.Expr | None:
    if isinstance(node, t.Select):
        return node.where
    return node.on if isinstance(node, t.Join) else None


def _is_choice(node: t.Node) -> bool:
    return isinstance(node, t.Case | t.Lambda) or (
        isinstance(node, t.Call) and node.name in _CHOOSING
    )


def _is_constant(node: t.Node) -> bool:
    return all(_is_known(n) for n in t.walk(node))


def _is_known(node: t.Node) -> bool:
    if isinstance(node, t.Call):
        row = catalogue().get(node.name)
        return row is not None and row.kind == "scalar" and row.is_deterministic
    return not isinstance(node, t.Column | t.Query | t.Param | Failure)
