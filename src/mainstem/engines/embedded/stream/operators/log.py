"""A table of parts that is only ever added to."""

from __future__ import annotations

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.operators.operator import (
    LOG_ROWS,
)
from mainstem.engines.embedded.types import quoted


class Log:
    """Keeps a table of parts short: parts of one key are put together when they are many.

    Nothing is updated in place: an upsert of 50 thousand keys into 20 million takes seconds, reading
    them by a join a tenth of one (measured, docs/decisions.md).
    """

    def __init__(self) -> None:
        self.base = 0
        self.rows = 0

    def start(self, session: Session, table: str) -> None:
        """See how long it is."""
        ((self.rows,),) = session.rows(f"SELECT count(*) FROM {table}")
        self.base = self.rows

    def add(self, session: Session, table: str, select: str) -> None:
        """Add parts."""
        ((n_rows,),) = session.rows(f"INSERT INTO {table} {select}")
        self.rows += int(n_rows)

    @property
    def is_long(self) -> bool:
        """Say whether it is time to put parts together."""
        return self.rows > 2 * self.base + LOG_ROWS

    def rewrite(self, session: Session, table: str, select: str) -> None:
        """Put one part for each key in place of several."""
        session.rows(f"CREATE OR REPLACE TEMP TABLE __rewritten AS {select}")
        session.rows(f"DELETE FROM {table}")
        ((self.rows,),) = session.rows(f"INSERT INTO {table} SELECT * FROM __rewritten")
        session.rows("DROP TABLE __rewritten")
        self.base = self.rows


def touched(keys: tuple[str, ...], source: str) -> str:
    """Give the test of a kept row ``s`` whose key stands in `source`."""
    if not keys:
        return "TRUE"
    same = " AND ".join(f"s.{quoted(k)} IS NOT DISTINCT FROM n.{quoted(k)}" for k in keys)
    return f"EXISTS (SELECT 1 FROM {source} AS n WHERE {same})"
