"""DuckDB's errors at run time, as ours: step, place, DuckDB's own words, and a fix."""

from __future__ import annotations

import json
import re
from typing import Any

import duckdb

from mainstem.errors import (
    NOWHERE,
    BusyError,
    DataError,
    EngineError,
    MainstemError,
    OutsideError,
    Place,
)
from mainstem.functions.calendar import OUTSIDE
from mainstem.lazy import pattern
from mainstem.plan.nodes import Step

# Begins every message that a check of ours raises inside DuckDB.
MARK = "mainstem: "
_DATA = (
    duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException,
    duckdb.ConstraintException, duckdb.DataError,
)  # fmt: skip
_HOLDER = pattern(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
_RIGHTS = ("Permission denied", "Read-only file system", "Operation not permitted")


# What failed in another thread stands as JSON in the message of the one that waited for it.
_WRAPPED = pattern(r'\{"exception_type":"\w+","exception_message":"((?:[^"\\]|\\.)*)".*\}')
# A text that our compiled cast marked, so that DuckDB refuses what it would misread.
_MARKED = pattern(r"Could not convert string '.*' to ", re.DOTALL)


def words(error: BaseException) -> str:
    """Give DuckDB's message without the text of our compiled SQL below it, or what a guard says."""
    said = str(error).split("\n\nLINE ", maxsplit=1)[0].strip()
    wrapped = _WRAPPED.search(said)
    if wrapped:
        said = json.loads(f'"{wrapped[1]}"')
    # The guard fails as a cast of these words, around which DuckDB speaks of the format of dates.
    return OUTSIDE if f'"{OUTSIDE}"' in said else said


def row_words(error: BaseException) -> str:
    """Give DuckDB's message about a value, without the mark that our compiled cast put to its text."""
    return _MARKED.sub("could not convert the text to ", words(error))


def is_data(error: duckdb.Error) -> bool:
    """Say whether a value, not the machine, made DuckDB fail."""
    return isinstance(error, _DATA) and not isinstance(error, duckdb.OutOfMemoryException)


def explained(
    error: duckdb.Error, step: Step | None, *, doing: str = "", culprit: str = "",
    where: Place = NOWHERE,
) -> MainstemError:  # fmt: skip
    """Give a DuckDB error as an error of ours.

    Parameters
    ----------
    error : duckdb.Error
        What DuckDB raised.
    step : Step or None
        The step that ran; its name and place go into the message.
    doing : str
        What was being done, such as ``writing out.parquet``.
    culprit : str
        The expression and the row that failed, when they were found.
    where : Place, optional
        What is to be corrected, when that is no step.
    """
    said = words(error)
    facts: dict[str, Any] = {"engine_message": str(error)}
    where = step.where if step else where
    name = step.name if step else ""
    prefix = f"{doing}: " if doing else ""
    if isinstance(error, duckdb.OutOfMemoryException) and not is_full(said):
        return EngineError(
            f"{prefix}memory ran out: {said.splitlines()[0]}", where=where, step=name,
            code="OutOfMemory", fix="raise memory_limit, or lower threads", **facts,
        )  # fmt: skip
    if isinstance(error, duckdb.IOException) or is_full(said):
        return outside(said, where=where, step=name, prefix=prefix)
    if MARK in said:
        return DataError(
            said.split(MARK, 1)[1], where=where, step=name, code="SinkValue",
            fix="filter or convert the value in the query, or widen the column", **facts,
        )  # fmt: skip
    if isinstance(error, _DATA):
        return DataError(
            f"{prefix}{culprit or 'an expression on a row'} failed: "
            + row_words(error), where=where, step=name,
            code="ExpressionFailed", fix="filter the row out, or use the try_ form of the function",
            **facts,
        )  # fmt: skip
    if "already attached by database" in said:
        return BusyError(
            f"{prefix}the DuckDB file is open in this process too: {said.splitlines()[0]}",
            where=where, step=name, code="FileLocked", fix="close that connection and run again", **facts,
        )  # fmt: skip
    if "LIMIT/OFFSET cannot be negative" in said:
        return DataError(
            f"{prefix}a parameter makes LIMIT or OFFSET negative", where=where, step=name,
            code="ParameterValue", fix="give 0 or more", **facts,
        )  # fmt: skip
    return EngineError(
        f"{prefix}{said}", where=where, step=name, code="EngineRefused",
        fix="report it with the output of `mainstem render`", **facts,
    )  # fmt: skip


def is_full(said: str) -> bool:
    """Say whether these are words about a disk, a quota or a limit that is full."""
    return any(sign in said for sign in _FULL)


def outside(said: str, *, where: Place = NOWHERE, step: str = "", prefix: str = "") -> OutsideError:
    """Give a failure of a file, a disk or a lock, from the words of DuckDB or of the system."""
    holder = _HOLDER.search(said)
    if holder:
        return BusyError(
            f"{prefix}the DuckDB file is open in another process, "
            f"{holder['program']} (pid {holder['pid']}): {said.splitlines()[0]}",
            where=where, step=step, code="FileLocked",
            fix=f"close it there (pid {holder['pid']}) and run again", pid=int(holder["pid"]),
        )  # fmt: skip
    if is_full(said):
        code, fix = "DiskFull", "free some space and run again; the old output is whole"
    elif any(sign in said for sign in _RIGHTS):
        code, fix = "NoRights", "give this user the right to write there"
    else:
        code, fix = "InputOutput", "see the message; the old output is whole"
    return OutsideError(f"{prefix}{said}", where=where, step=step, code=code, fix=fix)
