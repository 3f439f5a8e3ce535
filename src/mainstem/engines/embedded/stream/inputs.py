"""The sources of a stream as DuckDB sees them: a table of the slice, and a view with each row's watermark.

A view is made once and stays: what differs from epoch to epoch, the watermarks before the slice, is in a
variable. Making a view anew costs as much as reading a small slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.ruletests import AT
from mainstem.engines.embedded.stream.spec import PART, Loaded, Part
from mainstem.engines.embedded.stream.watermark import SourceClock, from_micros, micros, to_micros
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.plan.nodes import Source
from mainstem.plan.stream import ROW_WATERMARK
from mainstem.plan.types import in_expressions

# More partitions than this in one epoch are judged by a sort, fewer by a pass each.
_FEW = 4
# Slices of no more rows are read through the view that is there, if it can: one for more partitions.
_SMALL = 2000


def input_name(source: str) -> str:
    """Give the name of the temporary table of a source's slice."""
    return f"__in_{source}"


def input_table(source: str) -> str:
    """Give that name, quoted."""
    return quoted(input_name(source))


class Inputs:
    """What the nodes of a stream read of its sources.

    Parameters
    ----------
    session : Session
        The engine's.
    is_judged : bool
        Whether any node asks which rows are late: else no row gets a watermark.
    """

    def __init__(self, session: Session, *, is_judged: bool) -> None:
        self.session, self.is_judged = session, is_judged
        # For how many partitions the view of a source is made; 0 for none.
        self.widths: dict[str, int] = {}

    def empty(self, source: Source) -> None:
        """Make the table of a source's slice, without rows."""
        columns = [
            f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}" for f in source.schema.fields
        ]
        columns.append(f"{quoted(PART)} INTEGER")
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {input_table(source.name)} ({', '.join(columns)})"
        )

    def show(
        self, source: Source, parts: Sequence[Part], floors: Sequence[int | None] = (),
        stopped: str = "",
    ) -> None:  # fmt: skip
        """Make a source's rows readable by its name, each with its watermark (T6).

        `floors` are the watermarks of the parts' partitions before them, in microseconds since 1970.
        The largest event time before a row is that of the rows up to it: a row that is itself the largest
        is never late, so that it may be among them. Without a sort where the partitions are few. Rows whose
        numbers the SELECT `stopped` gives count there, and are not read (T1).
        """
        width = self.widths[source.name] = self.width(source.name, parts)
        columns = [quoted(name) for name in source.schema.names]
        if source.event_time:
            mark = "CAST(NULL AS BIGINT)"
            if width and self.is_judged:
                known = quoted(f"__floors_{source.name}")
                self.session.rows(f"SET VARIABLE {known} = CAST($1 AS BIGINT[])", [list(floors)])
                mark = _row_watermark(source, width, micros(source.watermark or timedelta()))
            columns.append(f"{mark} AS {quoted(ROW_WATERMARK)}")
        number = f", rowid AS {AT}" if stopped else ""
        rows = f"SELECT {', '.join(columns)}{number} FROM {input_table(source.name)}"
        if stopped:
            # Above the running maximum: it is computed over every row of the slice.
            rows = f"SELECT * EXCLUDE ({AT}) FROM ({rows}) WHERE {AT} NOT IN ({stopped})"
        self.session.view(quoted(source.name), rows)

    def width(self, name: str, parts: Sequence[Part]) -> int:
        """Give for how many partitions the view is to be made."""
        known, needed = self.widths.get(name, 0), min(len(parts), _FEW + 1)
        is_small = sum(part.rows for part in parts) <= _SMALL
        return known if is_small and known >= needed else needed

    def latest(
        self, source: Source, parts: Sequence[Part], loaded: Loaded
    ) -> list[datetime | None]:
        """Give the largest event time of each part of a slice."""
        if loaded.latest is not None:
            return list(loaded.latest)
        found: list[datetime | None] = [None] * len(parts)
        if not source.event_time or not parts:
            return found
        rows = self.session.rows(
            f"SELECT {quoted(PART)}, epoch_us(max({quoted(source.event_time)})) FROM "
            f"{input_table(source.name)} GROUP BY ALL"
        )
        for index, latest in rows:
            found[index] = from_micros(latest)
        return found


def _row_watermark(source: Source, width: int, bound: int) -> str:
    """Give the SQL of a row's watermark in microseconds since 1970, for so many partitions."""
    # Whole numbers: DuckDB's arithmetic with instants and intervals costs ten times as much.
    time = f"epoch_us({quoted(source.event_time)})"
    # Its value is known when a statement is planned: it costs nothing in a row.
    floors = f"getvariable('{f'__floors_{source.name}'.replace(chr(39), chr(39) * 2)}')"
    running = "OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    if width == 1:
        return f"greatest(max({time}) {running} - {bound}, {floors}[1])"
    if width <= _FEW:
        cases = " ".join(
            f"WHEN {index} THEN greatest(max({time}) FILTER (WHERE {quoted(PART)} = {index}) "
            f"{running} - {bound}, {floors}[{index + 1}])"
            for index in range(width)
        )
        return f"CASE {quoted(PART)} {cases} END"
    by_part = f"OVER (PARTITION BY {quoted(PART)} ORDER BY rowid ROWS UNBOUNDED PRECEDING)"
    return f"greatest(max({time}) {by_part} - {bound}, {floors}[{quoted(PART)} + 1])"


def floors_of(parts: Sequence[Part], clock: SourceClock) -> tuple[int | None, ...]:
    """Give the watermarks of the parts' partitions before their rows, which the clock has not seen."""
    return tuple(_floor(part, clock) for part in parts)


def _floor(part: Part, clock: SourceClock) -> int | None:
    """Give the watermark of a partition before its new rows: its own, and where it joined or woke."""
    known = clock.partitions[part.partition]
    marks = [m for m in (known.watermark(clock.bound), known.floor) if m is not None]
    return to_micros(max(marks)) if marks else None
