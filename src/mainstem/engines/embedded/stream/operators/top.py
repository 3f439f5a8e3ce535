"""The first rows of each key: so far, or with a TTL of its latest session."""

from __future__ import annotations

from datetime import datetime

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.operators.log import Log, touched
from mainstem.engines.embedded.stream.operators.operator import (
    OUT,
    Counted,
    Operator,
)
from mainstem.engines.embedded.stream.operators.running import Latest
from mainstem.engines.embedded.stream.spec import DELETE, OPERATION
from mainstem.engines.embedded.stream.watermark import micros, to_micros
from mainstem.engines.embedded.types import quoted
from mainstem.plan import tree as t
from mainstem.plan.stream import (
    CLOSED,
    FIRST_START,
    LAST_START,
    StreamNode,
)
from mainstem.sql.stream.first import top_limit


class Top(Operator):
    """The first rows of each partition so far: rows that fell out can never come back."""

    def __init__(self, node: StreamNode) -> None:
        super().__init__(node)
        assert node.keep is not None  # noqa: S101 - nodes of this kind have it
        self.keep_sql = step_sql(node.keep)
        self.log = Log()

    def create(self, session: Session) -> None:
        """Make its table, and see how much is kept."""
        super().create(session)
        self.log.start(session, self.table)

    def kept(self) -> str:
        """Keep the rows."""
        return f"SELECT * FROM {self.fresh}"

    def taken_select(self) -> str:
        """Give the rows."""
        return f"SELECT * FROM {self.fresh}"

    def closed_view(self, session: Session, test: str) -> None:
        """Let all kept rows be numbered."""
        session.rows(
            f"CREATE OR REPLACE TEMP VIEW {quoted(CLOSED)} AS SELECT * FROM {self.table} WHERE {test}"
        )

    def epoch(self, session: Session, mark: datetime | None) -> Counted:
        """Number the rows of the partitions that have new ones."""
        counted = Counted()
        self.take_rows(session)
        ((counted.arrived,),) = session.rows("SELECT count(*) FROM __taken")
        before = f"SELECT s.* FROM {self.table} AS s WHERE {touched(self.node.keys, '__taken')}"
        session.rows(
            f"CREATE OR REPLACE TEMP TABLE {OUT} AS {before} UNION ALL SELECT * FROM __taken"
        )
        session.rows(f"CREATE OR REPLACE TEMP VIEW {quoted(CLOSED)} AS SELECT * FROM {OUT}")
        counted.rows_out = self.give(session, self.query_sql)
        self.log.add(session, self.table, "SELECT * FROM __taken")
        if self.log.is_long:
            # Rows that fell out can never come back.
            self.closed_view(session, "TRUE")
            self.log.rewrite(session, self.table, self.keep_sql)
        return counted

    def out_mark(self, mark: datetime | None) -> datetime | None:
        """Hold nothing back: each epoch gives all that it knows."""
        return mark


class LatestTop(Latest):
    """The first rows of each partition's latest session, when a `ttl` parts them (C3).

    What is kept of a session in the end are its first rows, each with the bounds of all of it: so
    rows that fell out hold it together as before.
    """

    def __init__(self, node: StreamNode) -> None:
        super().__init__(node)
        assert node.keep is not None  # noqa: S101 - nodes of this kind have it
        self.keep_sql = step_sql(node.keep)
        body = node.query.body
        assert isinstance(body, t.Select)  # noqa: S101 - as `Cores.top` makes it
        self.limit = top_limit(body)

    def epoch(self, session: Session, mark: datetime | None) -> Counted:
        """Number the rows of the latest session of each partition with new rows."""
        counted = Counted()
        self.take(session, counted)
        session.rows(f"CREATE OR REPLACE TEMP TABLE __parts AS {self.intervals('__taken')}")
        before = f"SELECT s.*, TRUE AS __is_old FROM {self.table} AS s WHERE {touched(self.node.keys, '__parts')}"
        every = f"{before} UNION ALL SELECT *, FALSE FROM __parts"
        session.rows(f"CREATE OR REPLACE TEMP TABLE {OUT} AS {every}")
        if self.is_parted(session):
            latest = (
                f"SELECT * EXCLUDE (__session, __open, __close) FROM {self.latest(session, OUT)}"
            )
            session.rows(f"CREATE OR REPLACE TEMP TABLE {OUT} AS {latest}")
        session.rows(f"CREATE OR REPLACE TEMP VIEW {quoted(CLOSED)} AS SELECT * FROM {OUT}")
        counted.rows_out = self.give(session, self.query_sql + self.vanished())
        self.log.add(session, self.table, "SELECT * FROM __parts")
        if self.log.is_long:
            self.let_go(session, mark)
        return counted

    def is_parted(self, session: Session) -> bool:
        """Say whether a partition of `OUT` may have several sessions; a plain GROUP BY tells."""
        keys = ", ".join(map(quoted, self.node.keys))
        group = f" GROUP BY {keys}" if keys else ""
        gaps = f"SELECT max({FIRST_START}) - min({LAST_START}) > {micros(self.gap)} AS __far FROM {OUT}{group}"
        ((found,),) = session.rows(f"SELECT coalesce(bool_or(__far), FALSE) FROM ({gaps})")
        return bool(found)

    def vanished(self) -> str:
        """Give the deletes of places that a new session does not fill, and an earlier one may have had.

        Whether it had them is not known any more when that session was let go; a delete of a row that
        is not there changes nothing.
        """
        if self.limit <= 1:
            return ""
        # A key may be named twice, and the number be given under two names.
        own = dict(zip(self.node.shape.key, map(quoted, self.node.keys), strict=False))
        keys = list(dict.fromkeys(own.values()))
        ranks = self.node.shape.key[len(self.node.keys) :]
        columns = [f"{sql} AS {quoted(name)}" for name, sql in own.items()]
        columns += [f"__place AS {quoted(name)}" for name in dict.fromkeys(ranks)]
        listed = "".join(f"{key}, " for key in keys)
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        return (
            f" UNION ALL BY NAME SELECT {', '.join(columns)}, '{DELETE}' AS {quoted(OPERATION)} FROM (SELECT "
            f"{listed}unnest(range(count(*) + 1, {self.limit + 1})) AS __place FROM {OUT}{group} "
            "HAVING NOT bool_or(__is_old))"
        )

    def let_go(self, session: Session, mark: datetime | None) -> None:
        """Keep the first rows of each session that a row in time can still join."""
        test = "TRUE" if mark is None else f"__close >= {to_micros(mark)}"
        bounds = f"__open AS {FIRST_START}, __close - {micros(self.gap)} AS {LAST_START}"
        hidden = f"EXCLUDE ({FIRST_START}, {LAST_START}, __open, __close)"
        session.rows(
            f"CREATE OR REPLACE TEMP TABLE {OUT} AS SELECT * {hidden}, {bounds} FROM "
            f"({self.sessions(self.table)}) WHERE {test}"
        )
        session.rows(f"CREATE OR REPLACE TEMP VIEW {quoted(CLOSED)} AS SELECT * FROM {OUT}")
        self.log.rewrite(session, self.table, self.keep_sql)
