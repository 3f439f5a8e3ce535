"""What all operators of a stream share: each keeps rows in the state file and gives those that are final.

One SQL statement does the work of an epoch wherever that is possible; Python only decides which. A
window aggregate appends what an epoch comes down to and merges when its window closes: measured 2 to
5 times faster than an upsert of each key (docs/decisions.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from mainstem.engines.embedded.compile import DuckdbPrinter, expression_sql, step_sql
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import state_table
from mainstem.engines.embedded.stream.partials import Partial, partial_of
from mainstem.engines.embedded.stream.statefile import make_growing, make_like, operator_table
from mainstem.engines.embedded.stream.watermark import (
    micros,
)
from mainstem.engines.embedded.types import quoted
from mainstem.plan import tree as t
from mainstem.plan.stream import (
    END,
    ROW_WATERMARK,
    TIME,
    StreamNode,
)
from mainstem.record import mutable

# Columns of a table of late rows, behind those of the step's input (T7).
LATE_WATERMARK, MISSED = "__watermark", "__missed_windows"
LATE, OUT = '"__is_late"', '"__out"'
ONE_MS = timedelta(milliseconds=1)
# A log of parts is put together when it has more than this beyond twice what it began with.
LOG_ROWS = 1_000_000


@mutable
class Counted:
    """What a stateful step did with the rows of an epoch (L1), each row once."""

    arrived: int = 0
    late: int = 0
    partly_late: int = 0
    rows_out: int = 0


def late_table(step: str) -> str:
    """Give the table of a step's late rows."""
    return state_table(f"{step}__late")


class Operator(ABC):
    """One stateful node; `epoch` is called once an epoch, in the state file's transaction."""

    def __init__(self, node: StreamNode) -> None:
        assert node.rows is not None  # noqa: S101 - stateful nodes have them
        self.node = node
        self.rows_sql = step_sql(node.rows)
        self.query_sql = step_sql(node.query)
        self.late_sql = "" if node.late is None else step_sql(node.late)
        self.table = operator_table(node.name)
        # What it reads: the rows, each with the mark that it is judged by.
        self.fresh = quoted(f"__fresh_{node.name}")
        self.is_judged = bool(self.late_sql)
        self.partials = _partials(node)
        self.is_giving = False
        # What became of the table of late rows when the step's input had other columns.
        self.late_change = ""
        # Calls the Python functions that the closing query reads the results of.
        self.before: Callable[[], object] | None = None
        # Where shards have left what `taken_select` and `late_select` give; "" when nobody has.
        self.taken_from = self.late_from = ""

    @abstractmethod
    def kept(self) -> str:
        """Give the SELECT of what is appended to the state of the rows in `fresh`."""

    @abstractmethod
    def taken_select(self) -> str:
        """Give the SELECT of what the epoch's rows come down to; needs no state.

        What it gives of several sets of rows, put together, does as well as what it gives of all.
        """

    def take_rows(self, session: Session) -> None:
        """Make the table ``__taken`` of the epoch's rows."""
        if self.taken_from:
            taken = f"SELECT * FROM {self.taken_from}"
        else:
            self.show_fresh(session)
            taken = self.taken_select()
        session.rows(f"CREATE OR REPLACE TEMP TABLE __taken AS {taken}")

    def show_fresh(self, session: Session) -> None:
        """Make the view of the epoch's rows, each with the mark that it is judged by."""
        session.view(self.fresh, self.marked(self.rows_sql))

    def create(self, session: Session) -> None:
        """Make its tables; the relations that it reads are there, without rows."""
        self.show_fresh(session)
        make_like(session, self.table, self.kept(), f"the state of {self.node.step!r}")
        if self.late_sql:
            self.late_change = make_growing(
                session, late_table(self.node.step), self.late_select(),
                f"{self.node.step}__late", may_move=True,
            )  # fmt: skip

    def give_nothing(self, session: Session) -> None:
        """Make the relation that it gives, without rows."""
        self.closed_view(session, "FALSE")
        self.give(session, self.query_sql)

    def give(self, session: Session, sql: str) -> int:
        """Let the rows of a query be what this node gives in this epoch."""
        if self.before is not None:
            self.before()
        ((n_rows,),) = session.rows(
            f"CREATE OR REPLACE TEMP TABLE {quoted(self.node.name)} AS {sql}"
        )
        self.is_giving = bool(n_rows)
        return int(n_rows)

    def give_none(self, session: Session) -> None:
        """Let this node give nothing in this epoch; most epochs close no window."""
        if self.is_giving:
            session.rows(f"DELETE FROM temp.{quoted(self.node.name)}")
            self.is_giving = False

    @abstractmethod
    def closed_view(self, session: Session, test: str) -> None:
        """Make `CLOSED` what the closing query reads, of the windows for which `test` is true."""

    @abstractmethod
    def epoch(self, session: Session, mark: datetime | None) -> Counted:
        """Take the epoch's rows, and give those that the watermark `mark` makes final."""

    @abstractmethod
    def out_mark(self, mark: datetime | None) -> datetime | None:
        """Give the output watermark for an input watermark (T3)."""

    # Late rows

    @property
    def late_test(self) -> str:
        """Give the SQL that is TRUE of a kept row that comes too late."""
        return f"({quoted(END)} + {micros(self.node.lateness)} <= {quoted(ROW_WATERMARK)})"

    def late_select(self) -> str:
        """Give the late rows: the step's input, its watermark, and the windows that it missed."""
        assert self.node.late is not None  # noqa: S101 - judged nodes have it
        body = self.node.late.body
        assert isinstance(body, t.Select)  # noqa: S101
        names = ", ".join(
            quoted(i.name) for i in body.items if i.name not in (END, TIME, ROW_WATERMARK)
        )
        missed = self.missed_sql
        return (
            f"SELECT {names}, make_timestamptz({quoted(ROW_WATERMARK)}) AS {quoted(LATE_WATERMARK)}, "
            f"{missed} AS {quoted(MISSED)} FROM ({self.marked(self.late_sql)}) WHERE {self.late_test}"
        )

    missed_sql = "CAST([] AS TIMESTAMPTZ[])"

    def marked(self, sql: str) -> str:
        """Give rows with the mark that they are judged by: the window's end, or their time."""
        return sql

    # SQL that is TRUE of a late row that counts in others of its windows.
    partly_test = "FALSE"

    def write_late(self, session: Session, counted: Counted) -> None:
        """Write the late rows of this epoch, and count them."""
        late = f"SELECT * FROM {self.late_from}" if self.late_from else self.late_select()
        session.rows(f"CREATE OR REPLACE TEMP TABLE __late AS {late}")
        session.rows(f"INSERT INTO {late_table(self.node.step)} BY NAME SELECT * FROM __late")
        ((n_late, n_partly),) = session.rows(
            f"SELECT count(*), count(*) FILTER (WHERE {self.partly_test}) FROM __late"
        )
        counted.late, counted.partly_late = int(n_late) - int(n_partly), int(n_partly)


def _partials(node: StreamNode) -> tuple[Partial, ...] | None:
    """Give the aggregates in parts; None when any of them needs its rows."""
    if not node.is_grouped:
        return None
    printer = DuckdbPrinter()
    made = [partial_of(name, _bare(call), printer) for name, call in node.calls]
    return None if any(p is None for p in made) else tuple(p for p in made if p is not None)


def _bare(call: t.Call) -> Any:
    """Give a call over columns without the name of their relation."""

    def change(node: t.Node) -> t.Node:
        if isinstance(node, t.Column):
            return t.Column("", node.name, type=node.type)
        return t.rebuilt(node, change)

    return t.rebuilt(call, change)


def closed_select(
    node: StreamNode, partials: tuple[Partial, ...] | None, source: str,
    windows: list[tuple[str, str]] | None = None,
) -> str:  # fmt: skip
    """Give the SELECT that the closing query reads: keys and aggregates, or the rows.

    `windows` are columns that follow from the end of the window, which is the last of them.
    """
    made_columns = dict(windows or [])
    if not node.is_grouped:
        extra = [f", {sql} AS {quoted(n)}" for n, sql in made_columns.items() if n != END]
        return f"SELECT *{''.join(extra)} FROM {source}"
    own = [quoted(k) for k in node.keys if k not in made_columns]
    of_window = [f"{made_columns[k]} AS {quoted(k)}" for k in node.keys if k in made_columns]
    if partials is None:
        made = [f"{expression_sql(_bare(call))} AS {quoted(name)}" for name, call in node.calls]
    else:
        made = [f"{p.merge} AS {quoted(p.name)}" for p in partials]
    keys = [*own, *([quoted(END)] if windows else [])]
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {', '.join([*own, *of_window, *made])} FROM {source}{group}"


def without_watermark(operator: Operator) -> str:
    """Give what leaves the watermark out of what is kept of a row."""
    return f"EXCLUDE ({quoted(ROW_WATERMARK)})" if operator.is_judged else ""
