"""Wait for a port of this machine, then become another program: ``after.py PORT PROGRAM ARGUMENT…``.

A worker that finds no master tries again after 5 to 15 s. The process stays the same one, so that who
started it may take it for the worker from the beginning. No import of ours, as it runs by itself.
"""

from __future__ import annotations

import os
import socket
import sys
import time


def main(port: int, argv: list[str]) -> None:
    """Return never: whoever started the master sees to it that it comes up, or ends both."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            os.execv(argv[0], argv)  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
