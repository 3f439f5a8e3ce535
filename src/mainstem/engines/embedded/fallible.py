"""Which expressions can fail, and AND, OR and COALESCE over them (V10).

DuckDB computes both operands of an AND in a SELECT list, in their written order, for all rows; by the
contract a value beside a FALSE operand of AND, or a TRUE one of OR, is not judged. So where an operand
can fail, the ones that cannot are asked first, in a CASE, which DuckDB does evaluate row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.types import MAX_PRECISION, Type
from mainstem.record import record

_BIGINT_DIGITS = 19
_EXACT_IN_DECIMAL = frozenset(["+", "-", "*", "negate", "abs"])


@record
class Failure(t.Expr):
    """A constant that was computed and fails with this message; see `constants`."""

    message: str


def can_fail(node: t.Expr) -> bool:
    """Say whether an expression may fail on some row.

    What has no column was judged before (`constants`) or fails at once. A subquery counts as safe,
    because nothing that depends on a CASE could be joined.
    """
    return any(fails(n) and _depends(n) for n in _own(node))


def _own(node: t.Node) -> Iterator[t.Node]:
    yield node
    for child in t.children(node):
        if not isinstance(child, t.Query):
            yield from _own(child)


def _depends(node: t.Node) -> bool:
    return any(isinstance(n, t.Column | t.Query | Failure) for n in t.walk(node))


def fails(node: t.Node) -> bool:
    """Say whether a node itself, whatever is below it, fails for some values."""
    if isinstance(node, Failure):
        return True
    if isinstance(node, t.Cast):
        return not node.is_try and (not node.is_exact or _narrows(t.type_of(node.expr), node.to))
    if not isinstance(node, t.Call) or node.name == "grouping":
        return False
    type_ = t.type_of(node)
    if node.name in _EXACT_IN_DECIMAL and type_.kind in ("decimal", "double"):
        return type_.kind == "decimal" and type_.precision == MAX_PRECISION
    row = catalogue().get(node.name)
    return row is not None and row.fails != "never"


def _narrows(own: Type, to: Type) -> bool:
    """Say whether a conversion that loses nothing may still overflow, at 38 digits."""
    if to.kind == "list":
        return bool(own.items) and _narrows(own.items[0], to.items[0])
    if to.kind != "decimal" or own.kind not in ("bigint", "decimal"):
        return False
    whole = own.precision - own.scale if own.kind == "decimal" else _BIGINT_DIGITS
    return to.precision - to.scale < whole


def operands(node: t.Expr, name: str) -> list[t.Expr]:
    """Give the operands of a chain of one connective, from left to right."""
    if isinstance(node, t.Call) and node.name == name:
        return [x for arg in node.args for x in operands(arg, name)]
    return [node]


def parted(parts: Sequence[t.Expr]) -> tuple[list[t.Expr], list[t.Expr]]:
    """Give the operands that cannot fail, and those that can."""
    return [p for p in parts if not can_fail(p)], [p for p in parts if can_fail(p)]


def connected(name: str, safe: Sequence[str], tried: Sequence[str], last: Sequence[str]) -> str:
    """Give the SQL of an AND or OR of printed operands, in which a deciding operand saves the others.

    Parameters
    ----------
    name : str
        ``and`` or ``or``.
    safe, tried, last : sequence of str
        Operands that cannot fail, those that can, and those that can and must not stand in TRY.
    """
    word, decides = f" {name.upper()} ", "FALSE" if name == "and" else "TRUE"
    whole = f"({word.join((*safe, *tried, *last))})"
    asked = [f"({word.join(safe)}) IS {decides}"] if safe else []
    # One that can fail is asked only when no other has decided; two must not stop one another.
    if len(tried) + len(last) > 1:
        tries = [f"TRY({part})" if asked or n else _apart(part) for n, part in enumerate(tried)]
        asked += [f"{part} IS {decides}" for part in tries]
    if not asked:
        return whole
    whens = " ".join(f"WHEN {a} THEN {decides}" for a in asked)
    return f"(CASE {whens} ELSE {whole} END)"


def _apart(part: str) -> str:
    """Give an operand in TRY where nothing shares it with the ELSE of its CASE.

    What the first WHEN has in common with the rest DuckDB computes once and before the CASE: outside of
    TRY as well (measured with 2.0.0), so it failed. It leaves lambdas alone.
    """
    return f"list_extract(list_transform([0], lambda _o: TRY({part})), 1)"


def chosen(parts: Sequence[str]) -> str:
    """Give COALESCE as a CASE.

    DuckDB's own stops at the first value, but a part that stands twice in a later argument is computed
    once and before it, for all rows; what is inside of a CASE is left there.
    """
    whens = " ".join(f"WHEN {part} IS NOT NULL THEN {part}" for part in parts[:-1])
    return f"(CASE {whens} ELSE {parts[-1]} END)"
