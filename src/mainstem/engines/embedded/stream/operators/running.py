"""Running aggregates: the latest row of each key, for ever or with a TTL."""

from __future__ import annotations

from datetime import datetime, timedelta

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.operators.log import Log, touched
from mainstem.engines.embedded.stream.operators.operator import (
    Counted,
    Operator,
    closed_select,
    without_watermark,
)
from mainstem.engines.embedded.stream.operators.sessions import Sessions
from mainstem.engines.embedded.stream.partials import Partial
from mainstem.engines.embedded.stream.watermark import (
    micros,
    to_micros,
)
from mainstem.engines.embedded.types import quoted
from mainstem.plan.stream import (
    CLOSED,
    ROW_WATERMARK,
    TIME,
    StreamNode,
)


class Running(Operator):
    """A running aggregate or DISTINCT: the latest row of each key that the epoch has touched."""

    def __init__(self, node: StreamNode) -> None:
        super().__init__(node)
        self.log = Log()
        self.is_given = False

    def create(self, session: Session) -> None:
        """Make its tables, and see how much is kept."""
        super().create(session)
        self.log.start(session, self.table)

    def kept(self) -> str:
        """Give parts where all aggregates have them, else the rows."""
        if self.partials is None:
            return f"SELECT * {without_watermark(self)} FROM {self.fresh}"
        return self.grouped(self.fresh, _makes(self.partials))

    def taken_select(self) -> str:
        """Give what is kept, with of how many rows it is."""
        if self.partials is None:
            return f"SELECT *, 1 AS __n FROM ({self.kept()})"
        return self.grouped(self.fresh, [*_makes(self.partials), "count(*) AS __n"])

    def grouped(self, source: str, made: list[str]) -> str:
        """Give one part for each key."""
        keys = [quoted(k) for k in self.node.keys]
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        return f"SELECT {', '.join([*keys, *made]) or '1 AS __one'} FROM {source}{group}"

    def closed_view(self, session: Session, test: str) -> None:
        """Put together what is kept."""
        self.close(session, f"(SELECT * FROM {self.table} WHERE {test})")

    def close(self, session: Session, source: str) -> None:
        """Make `CLOSED` of parts."""
        session.rows(
            f"CREATE OR REPLACE TEMP VIEW {quoted(CLOSED)} AS "
            + closed_select(self.node, self.partials, source)
        )

    def epoch(self, session: Session, mark: datetime | None) -> Counted:
        """Give the new rows of the keys that the epoch has touched."""
        counted = Counted()
        self.take_rows(session)
        ((arrived,),) = session.rows("SELECT coalesce(sum(__n), 0) FROM __taken")
        counted.arrived = int(arrived)
        # The one group of an aggregate without keys is there before its first row.
        is_begun = bool(self.node.keys or self.log.rows or self.is_given)
        if not counted.arrived and is_begun:
            self.give_none(session)
            return counted
        self.is_given = True
        session.rows("ALTER TABLE __taken DROP COLUMN __n")
        before = f"SELECT s.* FROM {self.table} AS s WHERE {touched(self.node.keys, '__taken')}"
        self.close(session, f"({before} UNION ALL SELECT * FROM __taken)")
        counted.rows_out = self.give(session, self.query_sql)
        self.log.add(session, self.table, "SELECT * FROM __taken")
        if self.partials is not None and self.log.is_long:
            unions = self.grouped(self.table, _unions(self.partials))
            self.log.rewrite(session, self.table, unions)
        return counted

    def out_mark(self, mark: datetime | None) -> datetime | None:
        """Hold nothing back: each epoch gives all that it knows."""
        return mark


class Latest(Sessions):
    """A running aggregate with a TTL: the latest session of each key (C3)."""

    def __init__(self, node: StreamNode) -> None:
        super().__init__(node)
        self.log = Log()
        # Whether a key of the last table of `collapse` may have several sessions.
        self.has_many = False

    def span_of(self, node: StreamNode) -> timedelta:
        """Give the gap."""
        assert node.ttl is not None  # noqa: S101 - nodes of this kind have one
        return node.ttl

    @property
    def parting(self) -> tuple[str, ...]:
        """Give the keys of the aggregate."""
        return self.node.keys

    def create(self, session: Session) -> None:
        """Make its tables, and see how much is kept."""
        super().create(session)
        self.log.start(session, self.table)

    @property
    def late_test(self) -> str:
        """Give the test of any other stateful operator (T5)."""
        return f"(epoch_us({quoted(TIME)}) < {quoted(ROW_WATERMARK)})"

    def epoch(self, session: Session, mark: datetime | None) -> Counted:
        """Give the latest session of each key with new rows; let go of those that cannot grow."""
        counted = Counted()
        self.take(session, counted)
        if self.partials is None:
            session.rows(f"CREATE OR REPLACE TEMP TABLE __parts AS {self.intervals('__taken')}")
        else:
            self.collapse(session, "__parts", self.rows_of("__taken"), _makes(self.partials))
        before = f"SELECT s.* FROM {self.table} AS s WHERE {touched(self.node.keys, '__parts')}"
        self.close(session, self.latest(session, f"({before} UNION ALL SELECT * FROM __parts)"))
        counted.rows_out = self.give(session, self.query_sql)
        self.log.add(session, self.table, "SELECT * FROM __parts")
        if self.log.is_long:
            self.let_go(session, mark)
        return counted

    def latest(self, session: Session, source: str) -> str:
        """Give the latest session of each key of some intervals, with its bounds."""
        part = f"PARTITION BY {', '.join(map(quoted, self.parting))}" if self.parting else ""
        newest = f"QUALIFY __close = max(__close) OVER ({part})"
        if self.partials is None:
            return f"(SELECT * FROM ({self.sessions(source)}) {newest})"
        self.collapse(session, "__whole", source, _unions(self.partials))
        bounds = f"SELECT *, __start AS __open, __last + {micros(self.gap)} AS __close FROM __whole"
        return f"(SELECT * FROM ({bounds}) {newest})" if self.has_many else f"({bounds})"

    def collapse(self, session: Session, table: str, source: str, made: list[str]) -> None:
        """Make a table of one interval for each session of some intervals.

        When no interval of a key starts later than a gap behind the end of any other, they are one
        session: a plain GROUP BY tells, and the windows that part sessions are left for the other keys
        (1M rows of 20M keys: 0.9 s with them for all, 0.2 s so).
        """
        keys = [quoted(k) for k in self.parting]
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        columns = [*keys, *made, "min(__start) AS __start", "max(__last) AS __last"]
        is_one = f"max(__start) - min(__last) <= {micros(self.gap)} AS __is_one"
        session.rows(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {', '.join([*columns, is_one])} FROM {source}{group}"
        )
        ((self.has_many,),) = session.rows(
            f"SELECT coalesce(bool_or(NOT __is_one), FALSE) FROM {table}"
        )
        if self.has_many:
            many = touched(self.parting, f"(SELECT * FROM {table} WHERE NOT __is_one)")
            others = f"(SELECT s.* FROM {source} AS s WHERE {many})"
            session.rows(f"CREATE OR REPLACE TEMP TABLE __others AS {self.united(others, made)}")
            session.rows(f"DELETE FROM {table} WHERE NOT __is_one")
            session.rows(f"INSERT INTO {table} SELECT *, TRUE FROM __others")
        session.rows(f"ALTER TABLE {table} DROP COLUMN __is_one")

    def let_go(self, session: Session, mark: datetime | None) -> None:
        """Put parts together, and forget sessions that no row in time can join any more."""
        limit = 0 if mark is None else to_micros(mark)
        if self.partials is None:
            made = (
                f"SELECT * EXCLUDE (__session, __open, __close) FROM ({self.sessions(self.table)})"
            )
            test = "TRUE" if mark is None else f"__close >= {limit}"
        else:
            self.collapse(session, "__whole", self.table, _unions(self.partials))
            made = "SELECT * FROM __whole"
            test = "TRUE" if mark is None else f"__last + {micros(self.gap)} >= {limit}"
        self.log.rewrite(session, self.table, f"{made} WHERE {test}")

    def out_mark(self, mark: datetime | None) -> datetime | None:
        """Hold nothing back: each epoch gives all that it knows."""
        return mark


def _makes(partials: tuple[Partial, ...]) -> list[str]:
    return [f"{sql} AS {column}" for p in partials for column, sql in p.makes]


def _unions(partials: tuple[Partial, ...]) -> list[str]:
    return [f"{sql} AS {column}" for p in partials for column, sql in p.unions]
