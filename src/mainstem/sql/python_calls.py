"""Calls of the user's Python functions in a bound tree."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from mainstem.functions.spec import Function, overload
from mainstem.plan import tree as t
from mainstem.plan.nodes import PythonFunction


def rows_of(functions: Sequence[PythonFunction]) -> dict[str, Function]:
    """Give Python functions as the binder knows functions: one row each, by name."""
    return {one.name: _row(one) for one in functions}


def _row(one: PythonFunction) -> Function:
    return Function(
        one.name, "A function of this pipeline, in Python.",
        (overload(*map(str, one.takes), gives=str(one.gives)),),
        family="python", fails="it raises an exception",
        is_deterministic=one.is_deterministic,
    )  # fmt: skip


def is_python_call(node: t.Node, names: Collection[str]) -> bool:
    """Say whether a node calls one of the functions called `names`."""
    return isinstance(node, t.Call) and node.name in names


def python_calls(node: t.Node, names: Collection[str]) -> Iterator[t.Call]:
    """Give every call of the functions called `names`, outer calls before those in their arguments."""
    for part in t.walk(node):
        if isinstance(part, t.Call) and part.name in names:
            yield part
