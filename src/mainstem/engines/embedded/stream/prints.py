"""What the state of an operator is a function of: kept with it, and compared when a pipeline starts.

A print names keys, aggregates, window and types, not the SQL text: another spelling, a filter or a
projection may change, and what was kept goes on. What would mix rows of two meanings is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from mainstem.errors import NOWHERE, Place, StateError
from mainstem.plan import tree as t
from mainstem.plan.stream import TOP, StreamNode, StreamPlan
from mainstem.record import record
from mainstem.sql.text import Printer, to_text

# The parts of a print, with the words for them.
_WORDS = {
    "kind": "its operator", "keys": "its key", "aggregates": "its aggregates",
    "window": "its window", "order": "its order or its number of rows", "ttl": "its ttl",
    "reads": "what it reads",
}  # fmt: skip
WAYS_OUT = (
    "undo the change; or give the step another name, which starts empty beside the old one; or name "
    "another --state-dir, which reads the sources from their start"
)


@record
class Changes:
    """How a pipeline differs from the one whose state is there: operators without and with no state."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def print_of(node: StreamNode, stream: StreamPlan) -> dict[str, Any]:
    """Give the print of an operator as plain data."""
    made = _made(node)
    window = node.window
    found: dict[str, Any] = {
        "step": node.step, "kind": node.kind,
        "keys": [made.get(key, key) for key in (*node.session_keys, *node.keys)],
        "aggregates": [_text(_inlined(call, node)) for _, call in node.calls],
        "window": None if window is None else [window.kind, window.size, window.step, window.offset],
        "ttl": None if node.ttl is None else str(node.ttl),
        "reads": sorted(_sources(node, stream)),
    }  # fmt: skip
    if node.kind == TOP:
        found["order"] = to_text(node.query)
    return found


def _made(node: StreamNode) -> dict[str, str]:
    """Give each column that is kept as the text of its expression with its type."""
    return {item.name: f"{_text(item.expr)} {item.expr.type}" for item in _items(node)}


def _items(node: StreamNode) -> tuple[Any, ...]:
    body = None if node.rows is None else node.rows.body
    return tuple(body.items) if isinstance(body, t.Select) else ()


def _inlined(call: t.Call, node: StreamNode) -> t.Node:
    """Give an aggregate over the expressions of its columns: those are only numbered."""
    exprs: dict[str, t.Node] = {item.name: item.expr for item in _items(node)}

    def change(found: t.Node) -> t.Node:
        if isinstance(found, t.Column) and found.name in exprs:
            return exprs[found.name]
        return t.rebuilt(found, change)

    return cast("t.Node", t.rebuilt(call, change))


def _text(node: Any) -> str:
    """Give an expression without the names of relations: a view may be called otherwise."""

    def change(found: t.Node) -> t.Node:
        if isinstance(found, t.Column):
            return t.Column("", found.name, type=found.type)
        return t.rebuilt(found, change)

    return Printer().expr(change(node))  # type: ignore[arg-type]


def _sources(node: StreamNode, stream: StreamPlan) -> set[str]:
    """Give the sources that an operator's rows come from."""
    found: set[str] = set()
    for name in node.inputs:
        inner = stream.node(name)
        found |= {name} if inner is None else _sources(inner, stream)
    return found


def compare(
    saved: Mapping[str, str], stream: StreamPlan, places: Mapping[str, Place]
) -> tuple[Changes, dict[str, str]]:
    """Compare the operators of a pipeline with those whose state is there.

    Returns
    -------
    tuple
        What was added and removed, and the prints of now.

    Raises
    ------
    StateError
        ``StateChanged``: an operator means something else than what it keeps.
    """
    now = {n.name: print_of(n, stream) for n in stream.nodes if n.is_stateful}
    for name, found in now.items():
        if name in saved:
            _refuse_changed(json.loads(saved[name]), found, places)
    texts = {name: json.dumps(found, sort_keys=True) for name, found in now.items()}
    if not saved:
        return Changes(), texts
    return Changes(_not_in(now, saved), _not_in(saved, now)), texts


def _not_in(names: Iterable[str], others: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


def _refuse_changed(
    before: dict[str, Any], now: dict[str, Any], places: Mapping[str, Place]
) -> None:
    changed = [
        f"{words} (was {_shown(before.get(part))}, is {_shown(now.get(part))})"
        for part, words in _WORDS.items()
        if _is_other(part, before.get(part), now.get(part))
    ]
    if changed:
        raise StateError(
            f"{now['step']!r} has kept rows for another meaning: {'; '.join(changed)} changed",
            code="StateChanged", where=places.get(now["step"], NOWHERE), step=now["step"],
            fix=WAYS_OUT,
        )  # fmt: skip


def _is_other(part: str, before: Any, now: Any) -> bool:
    # One more source gives rows from now on; one less would leave its rows in the state.
    if part == "reads":
        return not set(before or ()) <= set(now or ())
    return bool(before != now)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
