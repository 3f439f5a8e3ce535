"""Sessions over a stream."""

from __future__ import annotations

from datetime import datetime, timedelta

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.operators.operator import (
    LATE,
    ONE_MS,
    Counted,
    Operator,
    closed_select,
)
from mainstem.engines.embedded.stream.watermark import (
    END_OF_TIME,
    from_micros,
    later,
    less,
    micros,
    to_micros,
)
from mainstem.engines.embedded.types import quoted
from mainstem.plan.stream import (
    CLOSED,
    ROW_WATERMARK,
    TIME,
    WINDOW_COLUMNS,
    StreamNode,
)

_JUDGED = "__judged"


class Sessions(Operator):
    """Sessions: rows of a key at most the gap apart; closed when the watermark has passed the end.

    What is kept is an interval: a row, or what rows that belong together come down to. Intervals that
    are at most the gap apart are one session, and more rows never part them again.
    """

    def __init__(self, node: StreamNode) -> None:
        super().__init__(node)
        self.gap = self.span_of(node)
        # No open session ends before this; None while there is none.
        self.earliest_end: datetime | None = None

    def span_of(self, node: StreamNode) -> timedelta:
        """Give the gap."""
        assert node.window is not None  # noqa: S101 - nodes of this kind have one
        return timedelta(microseconds=node.window.size)

    @property
    def parting(self) -> tuple[str, ...]:
        """Give the columns each of whose values has sessions of its own."""
        return self.node.session_keys

    def create(self, session: Session) -> None:
        """Make its tables, and see which sessions are open."""
        super().create(session)
        self.earliest_end = self.first_end(session, "min(__start)", self.table)

    def first_end(self, session: Session, sql: str, source: str) -> datetime | None:
        """Give the instant one gap behind what a query gives; None when that is NULL."""
        ((found,),) = session.rows(f"SELECT {sql} + {micros(self.gap)} FROM {source}")
        return from_micros(found)

    @property
    def late_test(self) -> str:
        """Give the test by a row's time: sessions that happen to be open make no difference (T5)."""
        return (
            f"(epoch_us({quoted(TIME)}) < {quoted(ROW_WATERMARK)} - {micros(self.node.lateness)})"
        )

    def kept(self) -> str:
        """Give an interval for each row, or for all rows of a session when they have parts."""
        return self.intervals(f"(SELECT *, FALSE AS {LATE} FROM {self.fresh})")

    def rows_of(self, source: str) -> str:
        """Give the rows in time of those with `LATE`, each as an interval."""
        hidden = [LATE, quoted(TIME), *([quoted(ROW_WATERMARK)] if self.is_judged else [])]
        time = f"epoch_us({quoted(TIME)})"
        return (
            f"(SELECT * EXCLUDE ({', '.join(hidden)}), {time} AS __start, {time} AS __last FROM {source} "
            f"WHERE NOT {LATE})"
        )

    def intervals(self, source: str) -> str:
        """Give what is kept of rows with `LATE`."""
        rows = self.rows_of(source)
        if self.partials is None:
            return f"SELECT * FROM {rows}"
        made = [f"{sql} AS {column}" for p in self.partials for column, sql in p.makes]
        return self.united(rows, made)

    def united(self, source: str, made: list[str]) -> str:
        """Give one interval for each session and key of several."""
        keys = list(
            dict.fromkeys([*self.parting, *(k for k in self.node.keys if k not in WINDOW_COLUMNS)])
        )
        names = ", ".join(map(quoted, keys))
        columns = ", ".join(
            [*map(quoted, keys), *made, "min(__start) AS __start", "max(__last) AS __last"]
        )
        group = ", ".join(filter(None, [names, "__session"]))
        return f"SELECT {columns} FROM ({self.sessions(source)}) GROUP BY {group}"

    def sessions(self, source: str) -> str:
        """Give intervals with the number and the bounds of their sessions; ``__close`` is the end."""
        keys = [quoted(k) for k in self.parting]
        part = f"PARTITION BY {', '.join(keys)} " if keys else ""
        whole, gap = ", ".join([*keys, "__session"]), micros(self.gap)
        before = f"({part}ORDER BY __start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        return (
            f"SELECT *, min(__start) OVER w AS __open, max(__last) OVER w + {gap} AS __close FROM (SELECT * EXCLUDE "
            f"(__new), coalesce(sum(__new) OVER ({part}ORDER BY __start RANGE UNBOUNDED PRECEDING), 0) AS __session "
            f"FROM (SELECT *, CAST(__start > max(__last) OVER {before} + {gap} AS INTEGER) AS __new FROM "
            f"{source})) WINDOW w AS (PARTITION BY {whole})"
        )

    def closed_view(self, session: Session, test: str) -> None:
        """Let what is kept of complete sessions be put together."""
        session.rows(
            f"CREATE OR REPLACE TEMP TABLE {_JUDGED} AS SELECT *, {test} AS __is_complete FROM "
            f"({self.sessions(self.table)})"
        )
        self.close(session, f"(SELECT * FROM {_JUDGED} WHERE __is_complete)")

    def keep_open(self, session: Session) -> None:
        """Keep what is open, and forget the sessions that `closed_view` has found complete.

        All rows are replaced: DuckDB 2.0 corrupts memory when rows of an attached file with texts are
        deleted by the rows of a join (seen in one of two runs, "Corrupted uncompressed string segment").
        """
        ((n_complete, earliest),) = session.rows(
            f"SELECT count(*) FILTER (WHERE __is_complete), min(__close) FILTER (WHERE NOT __is_complete) "
            f"FROM {_JUDGED}"
        )
        # The earliest end of what is open, exactly (T3).
        self.earliest_end = from_micros(earliest)
        if n_complete:
            hidden = "__session, __open, __close, __is_complete"
            session.rows(f"DELETE FROM {self.table}")
            session.rows(
                f"INSERT INTO {self.table} SELECT * EXCLUDE ({hidden}) FROM {_JUDGED} WHERE NOT __is_complete"
            )

    def close(self, session: Session, source: str) -> None:
        """Make `CLOSED` of intervals with the bounds of their sessions."""
        start, end, last = WINDOW_COLUMNS
        bounds = (
            f"(SELECT *, make_timestamptz(__open) AS {start}, make_timestamptz(__close) AS {end}, "
            f"make_timestamptz(__close - 1000) AS {last} FROM {source})"
        )
        session.rows(
            f"CREATE OR REPLACE TEMP VIEW {quoted(CLOSED)} AS "
            + closed_select(self.node, self.partials, bounds)
        )

    def epoch(self, session: Session, mark: datetime | None) -> Counted:
        """Append what the rows come down to; give the sessions whose end the watermark has passed."""
        counted = Counted()
        self.take(session, counted)
        session.rows(f"INSERT INTO {self.table} {self.intervals('__taken')}")
        limit = less(mark, self.node.lateness)
        # Not yet its last millisecond: what is known of the earliest end may be too early by then.
        if limit is None or self.earliest_end is None or self.earliest_end - ONE_MS >= limit:
            self.give_none(session)
            return counted
        self.closed_view(
            session, "TRUE" if limit == END_OF_TIME else f"__close < {to_micros(limit)}"
        )
        counted.rows_out = self.give(session, self.query_sql)
        self.keep_open(session)
        return counted

    def taken_select(self) -> str:
        """Give the rows, with whether they are late."""
        is_late = f"coalesce({self.late_test}, FALSE)" if self.is_judged else "FALSE"
        return f"SELECT *, {is_late} AS {LATE} FROM {self.fresh}"

    def take(self, session: Session, counted: Counted) -> None:
        """Take the epoch's rows, the late ones aside."""
        self.take_rows(session)
        ((total, n_late, earliest),) = session.rows(
            f"SELECT count(*), count(*) FILTER (WHERE {LATE}), epoch_us(min({quoted(TIME)}) FILTER "
            f"(WHERE NOT {LATE})) FROM __taken"
        )
        earliest = from_micros(earliest)
        if earliest is not None:
            end = later(earliest, self.gap)
            self.earliest_end = end if self.earliest_end is None else min(self.earliest_end, end)
        counted.arrived = int(total)
        if n_late:
            self.write_late(session, counted)

    def out_mark(self, mark: datetime | None) -> datetime | None:
        """Hold back to the earliest end of an open session less 1 ms (T3)."""
        held = less(mark, self.node.lateness)
        if held is None or self.earliest_end is None:
            return held
        return min(held, self.earliest_end - ONE_MS)
