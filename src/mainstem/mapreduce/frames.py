"""Pickled values in frames: between a run and its workers, and in files of rows.

Both ends are this package, started by the same user; nothing else can write to these pipes.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import IO, Any

_LENGTH = struct.Struct("<Q")


class Ended(Exception):
    """The other end has closed its pipe, or is gone."""


def send(pipe: IO[bytes], value: Any) -> None:
    """Write one value.

    Raises
    ------
    Ended
        When nobody reads any more.
    """
    try:
        write(pipe, value)
        pipe.flush()
    except (OSError, ValueError) as error:
        raise Ended from error


def write(file: IO[bytes], value: Any) -> int:
    """Write one value into a file; give its bytes."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    file.write(_LENGTH.pack(len(body)))
    file.write(body)
    return _LENGTH.size + len(body)


def receive(pipe: IO[bytes]) -> Any:
    """Read one value.

    Raises
    ------
    Ended
        When nobody writes any more.
    """
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    return pickle.loads(_exactly(pipe, length))  # noqa: S301 - from our own worker


def read_all(path: str) -> Iterator[Any]:
    """Give the values of a file, in order."""
    with open(path, "rb") as file:  # noqa: PTH123 - a Path costs as much again
        while True:
            try:
                yield receive(file)
            except Ended:
                return


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    try:
        found = pipe.read(length)
    except (OSError, ValueError) as error:
        raise Ended from error
    if len(found) < length:
        raise Ended
    return found
