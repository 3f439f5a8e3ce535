"""Python functions of the user's inside Spark's workers, called as the embedded engine calls them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mainstem.engines.embedded.python.by_value import unpickled
from mainstem.engines.embedded.python.evaluate import CallFailed, Evaluated, Evaluator
from mainstem.engines.embedded.python.maps import DEAD_SCHEMA, dead_batch
from mainstem.plan.nodes import PythonFunction
from mainstem.record import record
from mainstem.sql.lift_calls import MapCall

# Begins the line of an exception that says, as JSON, which call failed.
FAILED = "mainstem: a Python function failed: "


@record
class Setup:
    """What a worker has to know of a map.

    Parameters
    ----------
    run : str
        What a run has opened is the next one's no more.
    functions : tuple of dict
        Their facts and code, as `mainstem.engines.embedded.python.by_value` gives them.
    calls : tuple of MapCall
        What is called.
    batch_size : int
        Rows that are handed over at a time.
    """

    run: str
    functions: tuple[dict[str, Any], ...]
    calls: tuple[MapCall, ...]
    batch_size: int


class _Opened:
    """What the functions of one run have opened in this process, which Spark keeps."""

    run = ""
    functions: dict[str, PythonFunction] = {}  # noqa: RUF012 - replaced as a whole, with each run
    opened: dict[str, Any] = {}  # noqa: RUF012 - same

    @classmethod
    def evaluator(cls, setup: Setup) -> Evaluator:
        if cls.run != setup.run:
            cls.run, cls.functions, cls.opened = setup.run, {}, {}
        for given in setup.functions:
            if given["name"] not in cls.functions:
                cls.functions[given["name"]] = unpickled(given)
        return Evaluator(cls.functions, setup.calls, cls.opened)


def called(setup: Setup, arguments: Sequence[pa.Array]) -> pa.Array:
    """Give what comes of the calls for some rows.

    Parameters
    ----------
    setup : Setup
        What is called.
    arguments : sequence of Array
        At least one, of equal lengths.

    Returns
    -------
    StructArray
        For each row the results ``r0``, …, and the columns of `DEAD_SCHEMA`, which are NULL but for a
        row that failed: that one has no results.

    Raises
    ------
    RuntimeError
        When a function with ``on_error="fail"`` fails; its words begin with `FAILED`.
    """
    evaluator = _Opened.evaluator(setup)
    n_rows = len(arguments[0])
    parts = []
    # Once also for no rows, of which the type is wanted.
    for first in range(0, max(n_rows, 1), setup.batch_size):
        given = [one.slice(first, setup.batch_size) for one in arguments]
        n_given = len(given[0])
        try:
            found = evaluator.batch(given, n_given)
        except CallFailed as error:
            # A row's number says nothing here: which part of the rows this is, only Spark knows.
            facts = {n: getattr(error.failure, n) for n in error.failure.__dataclass_fields__}
            raise RuntimeError(FAILED + json.dumps(facts | {"row": -1})) from error
        parts.append(_structs(found, n_given))
    return pa.concat_arrays(parts)


def _structs(found: Evaluated, n_rows: int) -> pa.Array:
    left = range(n_rows) if found.rows is None else found.rows
    results = found.results
    if found.rows is not None:
        results = tuple(column.take(_places(left, n_rows)) for column in results)
    told = dead_batch(found.dead).columns
    places = _places([one.row for one in found.dead], n_rows)
    columns = [*results, *(column.take(places) for column in told)]
    return pa.StructArray.from_arrays(columns, names=names(len(results)))


def _places(rows: Sequence[int], n_rows: int) -> pa.Array:
    """Give for each row where it stands among some of them; NULL when it does not."""
    places: list[int | None] = [None] * n_rows
    for place, row in enumerate(rows):
        places[row] = place
    return pa.array(places, pa.int64())


def names(n_results: int) -> list[str]:
    """Give the names of what comes of a row."""
    return [*(f"r{i}" for i in range(n_results)), *DEAD_SCHEMA.names]
