"""A reduce task: the sections of one partition in, rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from mainstem.mapreduce.code import RAISED, Code, Failed, dead_of, killed
from mainstem.mapreduce.fits import row_of, spread
from mainstem.mapreduce.job import Dead, Done, Job, ReduceTask
from mainstem.mapreduce.keys import Keys
from mainstem.mapreduce.mapper import Mark
from mainstem.mapreduce.rows import RowWriter
from mainstem.mapreduce.runs import Pair, first, loaded, merged, read_section
from mainstem.mapreduce.words import chosen, total
from mainstem.plan.values import Refused

# What a pair takes in memory for each byte that it has in a run.
_GROWTH = 6


def run_reduce(job: Job, task: ReduceTask) -> Done:
    """Reduce the groups of a partition, in the order of their keys.

    Raises
    ------
    Failed
        When the user's code fails and the job does not keep such groups aside.
    Damaged
        When a run is not as it was written.
    """
    return _ReduceRun(job, task).done()


class _ReduceRun:
    def __init__(self, job: Job, task: ReduceTask) -> None:
        self.job, self.task = job, task
        self.code = Code(job)
        self.keys = Keys([field.type.kind for field in job.key.fields])
        self.mark = Mark(task.mark) if task.mark else None
        path = f"{task.folder}/reduce{task.number}.{task.attempt}.rows"
        self.rows = RowWriter(job.returns, path)
        self.row = self._row()
        self.dead: list[Dead] = []
        self.groups = 0
        size = sum(section.size for section in task.sections)
        self.is_small = size * _GROWTH < job.memory_bytes

    def done(self) -> Done:
        self.code.begin()
        if self.job.word:
            self._word()
        else:
            self._reduce()
        self.code.end()
        n_rows, path = self.rows.closed()
        return Done(
            self.groups, tuple(self.dead), rows=n_rows, rows_path=path,
            counters=self.code.context.counters,
        )  # fmt: skip

    def _row(self) -> Callable[[Any], tuple[Any, ...]]:
        """Give how what `reduce` yields becomes a row: pairs, unless ``returns=`` says columns."""
        schema, check = self.job.returns, row_of(self.job.returns)
        if schema.fields != (*self.job.key.fields, *self.job.value.fields):
            return check
        if len(self.job.key) == len(self.job.value) == 1:
            return check
        flat = spread(self.job.key, self.job.value)
        return lambda given: check(flat(given))

    # Named reducers

    def _word(self) -> None:
        one_key, check = len(self.job.key) == 1, row_of(self.job.returns)
        for data, value in self._word_values():
            self.groups += 1
            key = self.keys.decode(data)
            row = (key, value) if one_key else (*key, value)
            try:
                self.rows.add(check(row))
            except Refused as error:
                self._died(error, key)

    def _word_values(self) -> Iterator[tuple[bytes, Any]]:
        type_ = self.job.value.fields[0].type
        is_exact = self.job.word == "sum" and type_.kind == "double"
        if not self.is_small:
            for data, pairs in groupby(self._pairs(), first):
                values = [value for _, value in pairs]
                yield data, total(values) if is_exact else _folded(values, self._fold())
            return
        found: dict[bytes, Any] = {}
        fold = _joined if is_exact else self._fold()
        for section in self.task.sections:
            for keys, values in read_section(section):
                for key, value in zip(keys, values, strict=True):
                    found[key] = fold(found[key], value) if key in found else value
        for data in sorted(found):
            yield data, total([found[data]]) if is_exact else found[data]

    def _fold(self) -> Callable[[Any, Any], Any]:
        return chosen(self.job.word, self.job.value.fields[0].type)

    # The user's own

    def _reduce(self) -> None:
        reduce, has_order = self.code.get("reduce"), bool(self.job.sort)
        group = (lambda pair: pair[0][0]) if has_order else first
        for number, (data, pairs) in enumerate(groupby(self._pairs(), group)):
            self.groups += 1
            if number in self.task.skip:
                self.dead.append(killed("reduce", self.keys.decode(data)))
                continue
            if self.mark is not None:
                self.mark.at(number)
            self._group(reduce, self.keys.decode(data), pairs)

    def _pairs(self) -> Iterable[Pair]:
        return loaded(self.task.sections) if self.is_small else merged(self.task.sections)

    def _group(self, reduce: Any, key: Any, pairs: Iterable[Pair]) -> None:
        values = map(itemgetter(1), pairs)
        try:
            given = (self.row(row) for row in reduce(key, values))
            # What a group gave before it failed is not to be seen, where it is kept aside.
            for row in given if self.job.on_error == "fail" else list(given):
                self.rows.add(row)
        except RAISED as error:
            self._died(error, key)

    def _died(self, error: BaseException, key: Any) -> None:
        reason = "result" if isinstance(error, Refused) else "exception"
        dead = dead_of(error, "reduce", given=key, reason=reason)
        if self.job.on_error == "fail":
            raise Failed(dead) from error
        self.dead.append(dead)


def _folded(values: list[Any], fold: Callable[[Any, Any], Any]) -> Any:
    found = values[0]
    for value in values[1:]:
        found = fold(found, value)
    return found


def _joined(left: tuple[float, ...], right: tuple[float, ...]) -> tuple[float, ...]:
    return left + right
