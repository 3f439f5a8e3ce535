"""A map task: a split in, sorted runs out; or rows, where nothing is reduced."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from mainstem.mapreduce.code import RAISED, Code, Failed, dead_of, killed
from mainstem.mapreduce.collect import collector
from mainstem.mapreduce.fits import row_of, values_fitted
from mainstem.mapreduce.job import Dead, Done, Job, MapTask, Section
from mainstem.mapreduce.keys import Keys, WrongKey, partition_of
from mainstem.mapreduce.rows import RowWriter
from mainstem.mapreduce.runs import Pair, write_run
from mainstem.mapreduce.splits import Block, blocks
from mainstem.plan.values import Refused, shown

_WRONG = (Refused, WrongKey)


def run_map(job: Job, task: MapTask) -> Done:
    """Map the records of a split.

    Raises
    ------
    Failed
        When the user's code fails and the job does not keep such records aside.
    BadText
        For a line that is no text.
    """
    return _MapRun(job, task).done()


class Mark:
    """The number of the record at work, in a file that outlives the process."""

    def __init__(self, path: str) -> None:
        Path(path).write_bytes(struct.pack("<q", -1))
        self.file = os.open(path, os.O_RDWR)
        self.bytes = mmap.mmap(self.file, 8)

    def at(self, number: int) -> None:
        """Say that a record is given to the user's code; -1 for none."""
        struct.pack_into("<q", self.bytes, 0, number)

    @staticmethod
    def read(path: str) -> int:
        """Give the number of the record at which a process was."""
        try:
            return int(struct.unpack("<q", Path(path).read_bytes())[0])
        except (OSError, struct.error):
            return -1


class _MapRun:
    def __init__(self, job: Job, task: MapTask) -> None:
        self.job, self.task = job, task
        self.code = Code(job)
        self.map: Any = self.code.get("map")
        self.map_block: Any = self.code.get("map_block")
        self.keeps = job.on_error != "fail"
        self.keys = Keys([field.type.kind for field in job.key.fields])
        self.mark = Mark(task.mark) if task.mark else None
        self.row = row_of(job.returns)
        self.dead: list[Dead] = []
        self.records = self.pairs = self.bytes = self.spills = 0
        self.sections: list[list[Section]] = [[] for _ in range(job.partitions)]
        self.rows = RowWriter(job.returns, f"{self._stem()}.rows") if job.is_map_only else None
        self.collected = None if self.rows else collector(job, self.code, self.keys)

    def done(self) -> Done:
        self.code.begin()
        for block in blocks(self.task.split):
            self.records += block.rows
            for part in self._parts(block):
                self._take(part)
            if self.collected is not None and self.collected.size_bytes() > self.job.memory_bytes:
                self._spill()
        if self.collected is not None:
            self._spill()
        self.code.end()
        n_rows, path = self.rows.closed() if self.rows is not None else (0, "")
        return Done(
            self.records, tuple(self.dead), self.pairs, n_rows, self.bytes,
            tuple(map(tuple, self.sections)), path, self.code.context.counters,
        )  # fmt: skip

    def _parts(self, block: Block) -> Iterator[Block]:
        """Give a block whole, or record by record where one of them kills workers."""
        if self.mark is None and not self.task.skip:
            yield block
            return
        for index in range(block.rows):
            if block.first + index in self.task.skip:
                given, offset = block.row(index), block.offset(index)
                self.dead.append(killed("map", given, index=block.first + index, offset=offset))
                continue
            if self.mark is not None:
                self.mark.at(block.first + index)
            one = block.part(index, index + 1)
            yield Block(one.columns, 1, one.first, at=block.offset(index) if block.raw else -1)

    def _take(self, block: Block) -> None:
        if self.map_block is not None:
            self._take_block(block)
            return
        take, mapped = self._checked if self.keeps else self._folded, self.map
        for index, row in enumerate(block.records()):
            try:
                take(mapped(row))
            except RAISED as error:
                dead = self._dead(error, block, index)
                if not self.keeps:
                    raise Failed(dead) from error
                self.dead.append(dead)

    def _dead(self, error: BaseException, block: Block, index: int) -> Dead:
        return dead_of(
            error, "map", index=block.first + index, offset=block.offset(index),
            given=block.row(index), reason="result" if isinstance(error, _WRONG) else "exception",
        )  # fmt: skip

    def _take_block(self, block: Block) -> None:
        try:
            take = self._checked if self.keeps else self._folded
            take(self.map_block(block.columns))
        except RAISED as error:
            if self.keeps and block.rows > 1:
                # Which of its records it was, the same code says of halves.
                half = block.rows // 2
                for start, end in ((0, half), (half, block.rows)):
                    self._take_block(_between(block, start, end))
                return
            dead = self._dead(error, block, 0) if block.rows == 1 else dead_of(
                error, "map_block", index=block.first,
                reason="result" if isinstance(error, _WRONG) else "exception",
            )  # fmt: skip
            if not self.keeps:
                raise Failed(dead) from error
            self.dead.append(dead)

    def _folded(self, given: Any) -> None:
        """Take what a record gave as it comes: where it fails, nothing of the task is kept."""
        if self.collected is not None:
            self.collected.add(given)
        elif self.rows is not None:
            for row in given:
                self.rows.add(self.row(row))

    def _checked(self, given: Any) -> None:
        """Take what a record gave if all of it is right: else the record gave nothing."""
        if self.rows is not None:
            rows = [self.row(row) for row in given]
            for row in rows:
                self.rows.add(row)
            return
        pairs = list(given)
        for key, _ in pairs:
            self.keys.encode(key)
        values = [value for _, value in pairs]
        if self.job.word and None in values and self.job.word != "count":
            raise Refused(f"NULL as a value of {self.job.word}; leave it out")
        if self.job.word != "count":
            values = values_fitted(self.job.value, values)
        if self.collected is not None:
            self.collected.add(zip((key for key, _ in pairs), values, strict=True))

    def _spill(self) -> None:
        """Write what was collected as a run."""
        if self.collected is None:
            return
        try:
            partitions = self._partitioned(self.collected.taken())
        except _WRONG as error:
            raise Failed(dead_of(error, "map", reason="result")) from error
        self.pairs += sum(map(len, partitions))
        if not any(partitions):
            return
        path = f"{self._stem()}.{self.spills}.run"
        self.spills += 1
        for own, section in zip(self.sections, write_run(path, partitions), strict=True):
            if section.size:
                own.append(section)
                self.bytes += section.size

    def _partitioned(self, pairs: Iterator[Pair]) -> list[list[Pair]]:
        n = self.job.partitions
        found: list[list[Pair]] = [[] for _ in range(n)]
        own, has_order = self.code.get("partition"), bool(self.job.sort)
        if own is None and not has_order:
            for pair in pairs:
                found[crc32(pair[0]) % n].append(pair)
            return found
        for pair in pairs:
            key = pair[0][0] if has_order else pair[0]
            at = partition_of(key, n) if own is None else self._partition(own, key)
            found[at].append(pair)
        return found

    def _partition(self, partition: Any, data: bytes) -> int:
        key = self.keys.decode(data)
        n = self.job.partitions
        try:
            at = partition(key, n)
        except RAISED as error:
            raise Failed(dead_of(error, "partition", given=key)) from error
        if type(at) is not int or not 0 <= at < n:
            wrong = Refused(f"partition gave {shown(at)}, not a number from 0 to {n - 1}")
            raise Failed(dead_of(wrong, "partition", given=key, reason="result"))
        return at

    def _stem(self) -> str:
        return f"{self.task.folder}/map{self.task.number}.{self.task.attempt}"


def _between(block: Block, start: int, end: int) -> Block:
    part = block.part(start, end)
    if not block.raw:
        return part
    at, stop = block.offset(start), block.offset(end)
    return Block(
        part.columns, part.rows, part.first, block.raw[at - block.at : stop - block.at], at
    )
