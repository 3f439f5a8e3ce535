"""``QUALIFY row_number() OVER (PARTITION BY key ORDER BY …) <= n``: the first rows of each key."""

from __future__ import annotations

from dataclasses import replace

from mainstem.plan import tree as t
from mainstem.plan.stream import FIRST_START, LAST_START, SESSION_NUMBER
from mainstem.plan.types import BIGINT
from mainstem.sql.stream.kept import CLOSED_ALIAS
from mainstem.sql.stream.parts import (
    window_calls,
)
from mainstem.sql.stream.refusal import Refusal


def rank_of(node: t.Select) -> t.Call:
    """Give the row_number of a top-N."""
    return window_calls(node)[0]


def top_window(node: t.Select) -> t.Window:
    """Give the OVER of a top-N; refuse any other."""
    calls = set(window_calls(node))
    call = next(iter(calls), None)
    is_top = (
        len(calls) == 1
        and call is not None
        and call.name == "row_number"
        and node.qualify is not None
        and call.window is not None
        and top_limit(node) > 0
    )
    if not is_top or call is None or call.window is None:
        raise Refusal(
            "StreamConstruct",
            "OVER over a stream is known in two forms: within a window, and as "
            "the first n of each key",
            node.at,
            "write PARTITION BY window_end, or QUALIFY "
            "row_number() OVER (PARTITION BY key ORDER BY …) <= n",
        )
    return call.window


def top_limit(node: t.Select) -> int:
    """Give n of ``QUALIFY row_number() OVER (…) <= n``; 0 for anything else."""
    test = node.qualify
    if not isinstance(test, t.Call) or test.name not in ("=", "<=", "<") or len(test.args) != 2:
        return 0
    left, right = test.args
    if not isinstance(left, t.Call) or left.window is None or not isinstance(right, t.Literal):
        return 0
    value = right.value if isinstance(right.value, int) else 0
    if test.name == "=":
        return 1 if value == 1 else 0
    return value - 1 if test.name == "<" else value


def of_sessions(keep: t.Select) -> t.Select:
    """Give what can still be among the first of each session of a key, when a `ttl` parts them.

    A row that stays stands for its whole session: were it to keep its own time, a session whose middle
    rows fell out would come apart.
    """

    def change(node: t.Node) -> t.Node:
        made = t.rebuilt(node, change)
        if not isinstance(made, t.Call) or made.window is None:
            return made
        partition = (*made.window.partition, _hidden(SESSION_NUMBER))
        return replace(made, window=replace(made.window, partition=partition))

    bounds = tuple(t.Item(_hidden(name), name) for name in (FIRST_START, LAST_START))
    assert keep.qualify is not None  # noqa: S101 - of a top-N
    return replace(keep, items=(*keep.items, *bounds), qualify=t.rebuilt(keep.qualify, change))


def _hidden(name: str) -> t.Column:
    return t.Column(CLOSED_ALIAS, name, type=BIGINT)
