"""Real servers on this machine, for tests and for trying things: no docker, no root.

from mainstem.dev import server

with server("kafka", nodes=3) as kafka:
    print(kafka.address)
"""

from __future__ import annotations

from mainstem.dev.control import Server, ServerNode, attach, down, running, server, shared, up
from mainstem.dev.process import Process

__all__ = ["Process", "Server", "ServerNode", "attach", "down", "running", "server", "shared", "up"]
