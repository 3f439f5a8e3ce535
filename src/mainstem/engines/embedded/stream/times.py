"""Event time as `mainstem explain --time` tells it: watermarks, and what holds which window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.statefile import OPERATORS
from mainstem.engines.embedded.stream.watermark import (
    END_OF_TIME,
    SourceClock,
    from_micros,
    lowest,
)
from mainstem.engines.embedded.types import quoted
from mainstem.plan.nodes import Plan
from mainstem.plan.stream import END, SESSION, WINDOW, StreamNode, StreamPlan
from mainstem.record import record

# The column by which an operator's rows wait: the end of a window, the last row of a part of a session.
# Stands for a watermark that nobody knows: it holds back more than any other.
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
_WAITS = {WINDOW: END, SESSION: "__last"}


@record
class Clocks:
    """How far event time has come: of a running job, or as its last epoch left it."""

    sources: Mapping[str, SourceClock]
    marks: Mapping[str, datetime | None]
    epoch: int
    lags: Mapping[str, Mapping[str, int]]


def told(
    plan: Plan, stream: StreamPlan, clocks: Clocks, session: Session, catalog: str
) -> dict[str, Any]:
    """Give watermarks of sources, partitions and operators, and the open windows of each.

    Parameters
    ----------
    plan, stream
        What runs.
    clocks : Clocks
        How far it is.
    session : Session
        Can read the state file.
    catalog : str
        Quoted name of the state file there.
    """
    marks = {name: clock.watermark for name, clock in clocks.sources.items()}
    operators = []
    for node in stream.nodes:
        mark = lowest(marks.get(name) for name in node.inputs)
        out = clocks.marks.get(node.name) if node.is_stateful else mark
        marks[node.name] = out
        line: dict[str, Any] = {
            "operator": node.name, "step": node.step, "kind": node.kind, "inputs": list(node.inputs),
            "input_watermark": mark, "output_watermark": out,
        }  # fmt: skip
        if node.is_stateful:
            line |= _waiting(node, session, catalog)
        if line.get("closes_at"):
            line["held_by"] = _holder(node, stream, clocks, marks)
        operators.append(line)
    sources = [_source(name, clock, clocks) for name, clock in clocks.sources.items()]
    return {"pipeline": plan.name, "epoch": clocks.epoch, "sources": sources,
            "operators": operators}  # fmt: skip


def _source(name: str, clock: SourceClock, clocks: Clocks) -> dict[str, Any]:
    lags = clocks.lags.get(name, {})
    holder = _holding(clock)
    partitions = [
        {"partition": key, "watermark": one.watermark(clock.bound), "latest": one.latest,
         "is_idle": one.is_idle, "position": one.position, "lag": lags.get(key),
         "is_holding": key == holder}
        for key, one in sorted(clock.partitions.items())
    ]  # fmt: skip
    return {
        "source": name, "watermark": clock.watermark, "bound_s": clock.bound.total_seconds(),
        "idle_s": clock.idle.total_seconds(), "partitions": partitions,
    }  # fmt: skip


def _holding(clock: SourceClock) -> str | None:
    """Give the partition that keeps a source's watermark where it is; None when all are idle."""
    awake = [(name, one.watermark(clock.bound)) for name, one in clock.partitions.items()
             if not one.is_idle]  # fmt: skip
    if clock.watermark == END_OF_TIME or not awake:
        return None
    unknown = [name for name, mark in awake if mark is None]
    if unknown:
        return min(unknown)
    return min(awake, key=lambda pair: (pair[1] or END_OF_TIME, pair[0]))[0]


def _waiting(node: StreamNode, session: Session, catalog: str) -> dict[str, Any]:
    """Give what an operator keeps: rows, and the open windows with what would close the first."""
    table = f'{catalog}."{OPERATORS}".{quoted(node.name)}'
    known = session.rows(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = $1 AND schema_name = $2 "
        "AND table_name = $3", [catalog.strip('"'), OPERATORS, node.name],
    )  # fmt: skip
    if not known:
        return {"rows": 0}
    column = _WAITS.get(node.kind)
    if column is None or (column,) not in known:
        ((n_rows,),) = session.rows(f"SELECT count(*) FROM {table}")
        return {"rows": n_rows}
    mark = quoted(column)
    ((n_rows, n_windows, first, last),) = session.rows(
        f"SELECT count(*), count(DISTINCT {mark}), min({mark}), max({mark}) FROM {table}"
    )
    if not n_windows:
        return {"rows": n_rows, "open_windows": 0}
    is_session = node.kind == SESSION and node.window is not None
    gap = timedelta(microseconds=node.window.size) if is_session and node.window else timedelta()
    first, last = from_micros(first), from_micros(last)
    assert first is not None  # noqa: S101 - there is a row
    assert last is not None  # noqa: S101 - there is a row
    return {
        # How many sessions the parts make is only known when they are put together.
        "rows": n_rows, "open_windows": None if is_session else n_windows,
        "first_end": first + gap, "last_end": last + gap, "closes_at": first + gap + node.lateness,
    }  # fmt: skip


def _holder(
    node: StreamNode, stream: StreamPlan, clocks: Clocks, marks: Mapping[str, datetime | None]
) -> dict[str, Any]:
    """Follow the lowest watermark down to the source and the partition that it comes from."""
    name = node.name
    while (found := stream.node(name)) is not None:
        name = min(found.inputs, key=lambda one: marks.get(one) or _UNKNOWN)
    clock = clocks.sources.get(name)
    if clock is None:
        return {"source": name}
    partition = _holding(clock)
    if partition is None:
        why = "all partitions are idle: the watermark stays until a record comes"
        return {"source": name, "partition": None, "watermark": clock.watermark, "why": why}
    own = clock.partitions[partition].watermark(clock.bound)
    why = "it has given no record yet" if own is None else "its watermark is the lowest"
    return {"source": name, "partition": partition, "watermark": own, "why": why}
