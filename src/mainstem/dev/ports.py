"""Free ports of this machine."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection
from pathlib import Path

from mainstem.errors import BusyError, SettingsError

HOST = "127.0.0.1"
# Below the ports that systems give to outgoing connections: a node that is killed and started again
# finds its port free, and no connection of anybody has taken it in between.
_FIRST, _BELOW = 20_000, 32_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Say whether a server could listen on a port of the loopback address."""
    with socket.socket() as probe:
        # A port whose last connection has just ended is free for a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(n_ports: int, taken: Collection[int]) -> list[int]:
    """Give free ports that are not among those `taken` by servers of ours that may be down now."""
    found: list[int] = []
    tried: set[int] = set(taken)
    below = _below()
    while len(found) < n_ports:
        if len(tried) >= below - _FIRST:
            raise BusyError(
                f"no free port from {_FIRST} to {below - 1}", code="PortTaken", fix="end a server"
            )
        port = random.randrange(_FIRST, below)  # noqa: S311 - no secret
        if port not in tried:
            tried.add(port)
            if is_free(port):
                found.append(port)
    return found


def _below() -> int:
    try:
        first_outgoing = int(_RANGE.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _BELOW  # not Linux: there they begin above
    return min(_BELOW, first_outgoing) if first_outgoing > _FIRST + 1000 else _BELOW


def claim(first: int, n_ports: int, taken: Collection[int]) -> list[int]:
    """Give the ports from `first` on, which somebody has asked for.

    Raises
    ------
    BusyError
        `PortTaken`, for the first that is not free.
    SettingsError
        When there are no such ports.
    """
    if not 1 <= first <= 65_536 - n_ports:
        raise SettingsError(
            f"port {first} is not a port", code="Usage", fix="give one from 1024 to 65000, or 0"
        )
    for port in range(first, first + n_ports):
        if port in taken or not is_free(port):
            raise BusyError(
                f"port {port} is in use", code="PortTaken",
                fix="end what listens there, or give another --port; 0 takes a free one",
            )  # fmt: skip
    return list(range(first, first + n_ports))
