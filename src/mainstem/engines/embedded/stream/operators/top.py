"""The first rows of each key so far."""

from __future__ import annotations

from datetime import datetime

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.operators.log import Log, touched
from mainstem.engines.embedded.stream.operators.operator import (
    FRESH,
    OUT,
    Counted,
    Operator,
)
from mainstem.engines.embedded.types import quoted
from mainstem.plan.stream import (
    CLOSED,
    StreamNode,
)


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
        return f"SELECT * FROM {FRESH}"

    def closed_view(self, session: Session, test: str) -> None:
        """Let all kept rows be numbered."""
        session.rows(
            f"CREATE OR REPLACE TEMP VIEW {quoted(CLOSED)} AS SELECT * FROM {self.table} WHERE {test}"
        )

    def epoch(self, session: Session, mark: datetime | None) -> Counted:
        """Number the rows of the partitions that have new ones."""
        counted = Counted()
        ((counted.arrived,),) = session.rows(
            f"CREATE OR REPLACE TEMP TABLE __taken AS {self.rows_sql}"
        )
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
