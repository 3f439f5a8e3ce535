"""The operators of a stream, by the kind of the node."""

from __future__ import annotations

from mainstem.engines.embedded.stream.operators.operator import Operator
from mainstem.engines.embedded.stream.operators.running import Latest, Running
from mainstem.engines.embedded.stream.operators.sessions import Sessions
from mainstem.engines.embedded.stream.operators.top import LatestTop, Top
from mainstem.engines.embedded.stream.operators.windows import Windows
from mainstem.plan.stream import RUNNING, SESSION, TOP, WINDOW, StreamNode

_KINDS: dict[str, type[Windows | Sessions | Running | Top]] = {
    WINDOW: Windows, SESSION: Sessions, RUNNING: Running, TOP: Top,
}  # fmt: skip


def operator_of(node: StreamNode) -> Operator:
    """Give the operator of a stateful node."""
    if node.ttl is not None and node.kind in (RUNNING, TOP):
        return Latest(node) if node.kind == RUNNING else LatestTop(node)
    return _KINDS[node.kind](node)
