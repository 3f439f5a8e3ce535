"""What a ResourceManager and a history of jobs say of themselves, on their pages for programs."""

from __future__ import annotations

import json
from typing import Any

from mainstem.dev.web import NoAnswer, get


def running_nodes(port: int) -> frozenset[int]:
    """Give the ports of the NodeManagers that the ResourceManager with this page gives work to.

    Raises
    ------
    NoAnswer
        When nobody listens there, or somebody else.
    """
    found = _read(get(port, "/ws/v1/cluster/nodes?states=RUNNING"), "nodes") or {}
    try:
        return frozenset(int(node["id"].rpartition(":")[2]) for node in found.get("node", ()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoAnswer("its answer is not that of a ResourceManager") from error


def check_history(port: int) -> None:
    """Check that a history of jobs has this page; `NoAnswer` when it does not."""
    _read(get(port, "/ws/v1/history/info"), "historyInfo")


def _read(text: bytes, name: str) -> Any:
    try:
        return json.loads(text)[name]
    except (ValueError, KeyError, TypeError) as error:
        raise NoAnswer("its answer is not that of YARN") from error
