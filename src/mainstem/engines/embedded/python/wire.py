"""Columns as bytes, on their way between a run and its workers."""

from __future__ import annotations

import pyarrow as pa


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
