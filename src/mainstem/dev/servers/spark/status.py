"""What a master says of itself and of its workers, on the page that it has for programs."""

from __future__ import annotations

import json

from mainstem.dev.web import NoAnswer, get
from mainstem.record import record


@record
class Status:
    """What a master knows.

    Parameters
    ----------
    state : str
        ``"ALIVE"`` when it leads.
    workers : frozenset of int
        Ports of the workers that it takes for alive; those that it has lost stay on its page.
    """

    state: str
    workers: frozenset[int]


def ask(port: int) -> Status:
    """Give what the master with its web page at this port knows.

    Raises
    ------
    NoAnswer
        When nobody listens there, or it takes longer than two seconds.
    """
    return read(get(port, "/json/"))


def read(text: bytes) -> Status:
    """Give what an answer says.

    Raises
    ------
    NoAnswer
        When no master wrote it.
    """
    try:
        found = json.loads(text)
        alive = [worker["port"] for worker in found["workers"] if worker["state"] == "ALIVE"]
        return Status(found["status"], frozenset(alive))
    except (ValueError, KeyError, TypeError) as error:
        raise NoAnswer("its answer is not that of a master") from error
