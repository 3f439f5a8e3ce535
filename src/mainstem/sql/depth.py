"""Says where a tree is deeper than what walks it can go; beyond that Python ends the program."""

from __future__ import annotations

from mainstem.plan import tree as t
from mainstem.sql.cursor import MAX_LEVELS, MAX_NESTING
from mainstem.sql.text import is_chain


def too_deep(query: t.Query) -> t.Node | None:
    """Give a node that stands deeper than the tree's walkers can go, or None. Calls not itself."""
    left: list[tuple[t.Node, int, int]] = [(query, 0, 0)]
    while left:
        node, levels, nesting = left.pop()
        if (levels > MAX_LEVELS or nesting > MAX_NESTING) and node.at >= 0:
            return node
        left += [
            (child, levels + 1, nesting + _parentheses(node, child)) for child in t.children(node)
        ]
    return None


def _parentheses(parent: t.Node, child: t.Node) -> int:
    """Give how many levels of the reader a child costs when it is printed and read again."""
    if not isinstance(child, t.Expr | t.Query):
        return 0
    if isinstance(child, t.Call) and is_chain(parent, child):
        return 0
    return 2 if isinstance(child, t.Call) and child.name in ("not", "negate") else 1
