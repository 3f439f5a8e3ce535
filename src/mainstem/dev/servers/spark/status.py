"""What a master says of itself and of its workers, on the page that it has for programs."""

from __future__ import annotations

import http.client
import json

from mainstem.dev.ports import HOST
from mainstem.record import record

_LIMIT_S = 2.0


class NoAnswer(Exception):
    """A master that does not answer, or somebody who is none."""


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
    # Not by way of urllib, which would ask the user's proxy for an address of this machine.
    connection = http.client.HTTPConnection(HOST, port, timeout=_LIMIT_S)
    try:
        connection.request("GET", "/json/")
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(str(error)) from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise NoAnswer(f"{answer.status} {answer.reason}")
    return read(text)


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
