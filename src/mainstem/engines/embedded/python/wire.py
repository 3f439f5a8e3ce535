"""What a run and its workers say to one another: frames of a length and a pickled value.

Both ends are this package, started by the same user; nothing else can write to these pipes.
"""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any

import pyarrow as pa

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
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    try:
        pipe.write(_LENGTH.pack(len(body)))
        pipe.write(body)
        pipe.flush()
    except (OSError, ValueError) as error:
        raise Ended from error


def receive(pipe: IO[bytes]) -> Any:
    """Read one value.

    Raises
    ------
    Ended
        When nobody writes any more.
    """
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    return pickle.loads(_exactly(pipe, length))  # noqa: S301 - from our own worker


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    try:
        found = pipe.read(length)
    except (OSError, ValueError) as error:
        raise Ended from error
    if len(found) < length:
        raise Ended
    return found


def packed(columns: list[pa.Array], rows: int) -> bytes:
    """Give columns as bytes; a batch without columns keeps its number of rows."""
    names = [f"c{i}" for i in range(len(columns))]
    batch = pa.RecordBatch.from_arrays(
        columns or [pa.nulls(rows)], names or ["none"]
    )  # fmt: skip
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def unpacked(body: bytes) -> tuple[list[pa.Array], int]:
    """Give the columns of `packed`, and the number of rows."""
    batch = pa.ipc.open_stream(body).read_next_batch()
    columns = [] if batch.schema.names == ["none"] else list(batch.columns)
    return columns, batch.num_rows
