"""The pages on which servers tell programs about themselves."""

from __future__ import annotations

import http.client

from mainstem.dev.ports import HOST

_LIMIT_S = 2.0


class NoAnswer(Exception):
    """A server that does not answer, or another one than was asked."""


def get(port: int, path: str) -> bytes:
    """Give what stands on a page of a server of this machine.

    Raises
    ------
    NoAnswer
        When nobody listens there, it takes longer than two seconds, or there is no such page.
    """
    # Not by way of urllib, which would ask the user's proxy for an address of this machine.
    connection = http.client.HTTPConnection(HOST, port, timeout=_LIMIT_S)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(str(error)) from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise NoAnswer(f"{answer.status} {answer.reason}")
    return text
