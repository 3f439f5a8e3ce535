"""The rows that a task gives, as a file of `frames`: each a list of columns."""

from __future__ import annotations

import os
from typing import Any

from mainstem.mapreduce.frames import write
from mainstem.plan.types import Schema

BATCH = 8192


class RowWriter:
    """Writes rows that fit a schema."""

    def __init__(self, schema: Schema, path: str) -> None:
        self.schema, self.path = schema, path
        self.file = open(path, "wb")  # noqa: PTH123, SIM115 - closed by `closed`, or with the process
        self.batch: list[tuple[Any, ...]] = []
        self.n = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Take a row."""
        self.batch.append(row)
        if len(self.batch) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        if self.batch:
            write(self.file, [list(column) for column in zip(*self.batch, strict=True)])
            self.n += len(self.batch)
            self.batch.clear()

    def closed(self) -> tuple[int, str]:
        """Write what is left; give the number of rows and the path."""
        self._flush()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        return self.n, self.path
