"""Calls functions on a batch of rows: NULLs and rows that are not reached left out, errors named."""

from __future__ import annotations

import itertools
import json
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mainstem.engines.embedded.python.values import (
    WrongLength,
    WrongValue,
    arrow_batch,
    arrow_type,
    arrow_values,
    python_values,
)
from mainstem.plan.nodes import PythonFunction
from mainstem.plan.values import shown
from mainstem.record import mutable, record
from mainstem.sql.lift_calls import MapCall

LONGEST = 300
# Besides ordinary exceptions: a function that ends the program must not end the run without a word.
_RAISED = (Exception, SystemExit)


@record
class Failure:
    """A row that a function could not be called for, or whose result was wrong.

    `row` is its position in the batch, -1 when it is not one row alone. `reason` is ``exception``
    or ``result``; `file` and `line` are where the exception was raised.
    """

    function: str
    row: int
    arguments: tuple[str, ...]
    reason: str
    message: str
    file: str = ""
    line: int = 0
    values: str = ""


class CallFailed(Exception):
    """A function with ``on_error="fail"`` failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@record
class Evaluated:
    """Results of a batch: one column for each call; `rows` are those that are left, None for all."""

    results: tuple[pa.Array, ...]
    dead: tuple[Failure, ...] = ()
    rows: tuple[int, ...] | None = None


@mutable
class Evaluator:
    """The functions of one map in one process; what `open` gives is made once, when first needed."""

    functions: dict[str, PythonFunction]
    calls: Sequence[MapCall]
    opened: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def batch(self, arguments: Sequence[pa.Array], rows: int) -> Evaluated:
        """Make every call for the rows of a batch.

        Raises
        ------
        CallFailed
            For the first row that fails in a function with ``on_error="fail"``.
        """
        results: list[pa.Array] = []
        dead: dict[int, Failure] = {}
        for call in self.calls:
            args = [arguments[n] if n >= 0 else results[-1 - n] for n in call.args]
            reach = arguments[call.reach] if call.reach >= 0 else None
            one = _Call(self.functions[call.function], self._callable(call.function))
            mask = _reached(args, reach, rows, dead, skips_null=one.function.null == "skip")
            results.append(one.column(args, mask, rows))
            dead |= one.dead
        if not dead:
            return Evaluated(tuple(results))
        left = tuple(row for row in range(rows) if row not in dead)
        return Evaluated(tuple(r.take(pa.array(left, pa.int64())) for r in results),
                         tuple(dead.values()), left)  # fmt: skip

    def _callable(self, name: str) -> Callable[..., Any]:
        if name not in self.opened:
            function = self.functions[name]
            call: Any = function.call
            if function.open is not None:
                try:
                    call = partial(call, function.open())
                except _RAISED as error:
                    raise CallFailed(_raised(function, error, -1, (), "open")) from error
            self.opened[name] = call
        return self.opened[name]


def _reached(
    args: Sequence[pa.Array], reach: pa.Array | None, rows: int, dead: Iterable[int], *,
    skips_null: bool,
) -> pa.Array | None:  # fmt: skip
    """Give which rows a call is made for; None for all."""
    masks = [] if reach is None else [pc.fill_null(reach, False)]  # noqa: FBT003
    if skips_null:
        masks += [arg.is_valid() for arg in args if arg.null_count]
    gone = set(dead)
    if gone:
        masks.append(pa.array([row not in gone for row in range(rows)]))
    if not masks:
        return None
    whole = masks[0]
    for mask in masks[1:]:
        whole = pc.and_(whole, mask)
    return None if pc.all(whole).as_py() in (True, None) else whole


@mutable
class _Call:
    """One function on one batch; `dead` are its failed rows by their position in the batch."""

    function: PythonFunction
    call: Callable[..., Any]
    dead: dict[int, Failure] = field(default_factory=dict)

    def column(self, args: Sequence[pa.Array], mask: pa.Array | None, rows: int) -> pa.Array:
        if mask is None:
            return self._made(args, rows, range(rows))
        numbers = pc.indices_nonzero(mask)
        made = self._made([a.filter(mask) for a in args], len(numbers), numbers.to_pylist())
        # Back to their rows: each takes the next value, or NULL.
        place = pc.subtract(pc.cumulative_sum(mask.cast(pa.int64())), 1)
        return made.take(pc.if_else(mask, place, pa.scalar(None, pa.int64())))

    def _made(self, args: Sequence[pa.Array], rows: int, numbers: Sequence[int]) -> pa.Array:
        if not rows:
            return pa.nulls(0, arrow_type(self.function.gives))
        if self.function.is_batch:
            return self._whole(args, rows, numbers)
        return self._each(args, rows, numbers)

    # Row by row

    def _each(self, args: Sequence[pa.Array], rows: int, numbers: Sequence[int]) -> pa.Array:
        function = self.function
        try:
            columns = [python_values(a, x) for a, x in zip(args, function.takes, strict=True)]
        except WrongValue as wrong:
            raise CallFailed(Failure(function.name, -1, (), "argument", wrong.why)) from wrong
        given = list(zip(*columns, strict=True)) if columns else [()] * rows
        values: list[Any] = []
        rest = iter(given)
        while len(values) < rows:
            try:
                # One `try` for all rows up to the next that fails: it costs nothing a row.
                for row in rest:
                    values.append(self.call(*row))  # noqa: PERF401 - how far it came is needed
            except _RAISED as error:
                number = numbers[len(values)]
                self._failed(_raised(function, error, number, given[len(values)]), error)
                values.append(None)
        return self._typed(values, given, numbers)

    def _typed(self, values: list[Any], given: Any, numbers: Sequence[int]) -> pa.Array:
        while True:
            try:
                return arrow_values(values, self.function.gives)
            except WrongValue as wrong:
                row = wrong.row
                self._failed(_wrong(self.function, wrong, numbers[row], given[row]), wrong)
                values[row] = None

    # Whole columns

    def _whole(self, args: Sequence[pa.Array], rows: int, numbers: Sequence[int]) -> pa.Array:
        wanted = [a.cast(arrow_type(x)) for a, x in zip(args, self.function.takes, strict=True)]
        try:
            return arrow_batch(self.call(*wanted), self.function.gives, rows)
        except (*_RAISED, WrongValue) as error:
            return self._halves(wanted, rows, numbers, error)

    def _halves(
        self, args: Sequence[pa.Array], rows: int, numbers: Sequence[int], error: BaseException
    ) -> pa.Array:
        """Find the rows at which a batch fails, by halves; each row is tried alone at the most once."""
        if rows == 1 or isinstance(error, WrongLength):
            values = tuple(a[0].as_py() for a in args) if rows == 1 else ()
            row = numbers[0] if rows == 1 else -1
            make: Any = _wrong if isinstance(error, WrongValue) else _raised
            self._failed(make(self.function, error, row, values), error)
            return pa.nulls(rows, arrow_type(self.function.gives))
        middle = rows // 2
        parts = []
        for start, n in ((0, middle), (middle, rows - middle)):
            own = [a.slice(start, n) for a in args]
            parts.append(self._whole(own, n, numbers[start : start + n]))
        if self.function.on_error == "fail":
            # Every half of it is right: it is about the batch.
            make = _wrong if isinstance(error, WrongValue) else _raised
            raise CallFailed(make(self.function, error, -1, ())) from error
        return pa.concat_arrays(parts)

    def _failed(self, failure: Failure, error: BaseException) -> None:
        if self.function.on_error == "fail" or failure.row < 0:
            raise CallFailed(failure) from error
        self.dead[failure.row] = failure


def _wrong(function: PythonFunction, wrong: WrongValue, row: int, values: Sequence[Any]) -> Failure:
    text = f"it gave {wrong.why}"[:LONGEST]
    return Failure(function.name, row, tuple(map(shown, values)), "result", text,
                   values=_json(values))  # fmt: skip


def _raised(
    function: PythonFunction, error: BaseException, row: int, values: Sequence[Any], part: str = ""
) -> Failure:
    """Describe an exception: its type, its words on one line, and the line that raised it."""
    said = " ".join(str(error).split())
    kind = type(error).__name__
    text = (f"{kind}: {said}" if said else kind)[:LONGEST]
    call: Any = function.open if part == "open" else function.call
    file = getattr(getattr(call, "__code__", None), "co_filename", "")
    frames = traceback.extract_tb(error.__traceback__)
    # The user's own line: deeper ones, in libraries, say less.
    own = [f for f in frames if f.filename == file] or frames[-1:]
    place = (own[-1].filename, own[-1].lineno or 0) if own else ("", 0)
    arguments = tuple(itertools.islice(map(shown, values), 20))
    return Failure(function.name, row, arguments, part or "exception", text, *place,
                   values=_json(values))  # fmt: skip


def _json(values: Sequence[Any]) -> str:
    return json.dumps(list(values), default=str, ensure_ascii=False)
