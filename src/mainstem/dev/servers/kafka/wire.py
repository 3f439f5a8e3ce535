"""As much of Kafka's protocol as tells whether a broker does its work; no client is needed."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from mainstem.dev.ports import HOST
from mainstem.record import record

_API_VERSIONS, _METADATA = 18, 3
_CLIENT = b"mainstem-dev"
_LIMIT_S = 2.0


class NoAnswer(Exception):
    """A broker that does not answer, or not what the protocol says."""


@record
class Broker:
    """A broker as another one knows it."""

    node_id: int
    host: str
    port: int


def brokers(port: int) -> list[Broker]:
    """Give the brokers that the one at this port knows to be ready, itself among them.

    Raises
    ------
    NoAnswer
        When nobody listens there, or it takes longer than two seconds.
    """
    try:
        with _connected(port) as connection:
            _ask(connection, _API_VERSIONS, version=0, body=b"")
            # No topics: an empty list in this version, where null would be all of them.
            return _read_brokers(_ask(connection, _METADATA, version=1, body=struct.pack(">i", 0)))
    except (OSError, struct.error) as error:
        raise NoAnswer(str(error)) from error


@contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, port), timeout=_LIMIT_S) as connection:
        yield connection


def _ask(connection: socket.socket, api: int, *, version: int, body: bytes) -> bytes:
    """Send a request and give what the answer holds after its header."""
    header = struct.pack(">hhih", api, version, api, len(_CLIENT)) + _CLIENT
    connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    if not 4 <= size < 1 << 20:
        raise NoAnswer(f"an answer of {size} bytes: no Kafka")
    answer = _exactly(connection, size)
    (correlation,) = struct.unpack_from(">i", answer)
    if correlation != api:
        raise NoAnswer("the answer to another question: no Kafka")
    if api == _API_VERSIONS and struct.unpack_from(">h", answer, 4)[0]:
        raise NoAnswer("it refuses to tell what it knows")
    return answer[4:]


def _exactly(connection: socket.socket, n_bytes: int) -> bytes:
    found = b""
    while len(found) < n_bytes:
        more = connection.recv(n_bytes - len(found))
        if not more:
            raise NoAnswer("it hangs up")
        found += more
    return found


def _read_brokers(answer: bytes) -> list[Broker]:
    (count,) = struct.unpack_from(">i", answer)
    at, found = 4, []
    for _ in range(count):
        node_id, length = struct.unpack_from(">ih", answer, at)
        at += 6
        host = answer[at : at + length].decode()
        at += length
        port, rack = struct.unpack_from(">ih", answer, at)
        at += 6 + max(rack, 0)
        found.append(Broker(node_id, host, port))
    return found
