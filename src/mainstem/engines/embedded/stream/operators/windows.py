"""TUMBLE, HOP and CUMULATE over a stream."""

from __future__ import annotations

from datetime import datetime

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.operators.operator import (
    LATE,
    MISSED,
    Counted,
    Operator,
    closed_select,
    without_watermark,
)
from mainstem.engines.embedded.stream.watermark import (
    END_OF_TIME,
    from_micros,
    less,
    to_micros,
)
from mainstem.engines.embedded.types import quoted
from mainstem.plan import tree as t
from mainstem.plan.stream import (
    CLOSED,
    END,
    ROW_WATERMARK,
    TIME,
    WINDOW_COLUMNS,
    StreamNode,
)


class Windows(Operator):
    """TUMBLE, HOP, CUMULATE: what is kept waits for the end of its window."""

    def __init__(self, node: StreamNode) -> None:
        super().__init__(node)
        self.earliest: datetime | None = None
        window = node.window
        assert window is not None  # noqa: S101 - nodes of this kind have one
        self.is_single = window.kind == "tumble"
        # A filter of single windows leaves rows in some of theirs: each of those counts for itself.
        self.is_by_row = window.offset is not None and (node.is_assigned or _is_whole(node))

    def create(self, session: Session) -> None:
        """Make its tables, and see what waits there already."""
        super().create(session)
        self.earliest = self.first_end(session)

    def first_end(self, session: Session) -> datetime | None:
        """Give the end of the earliest window that is open."""
        ((found,),) = session.rows(f"SELECT min({quoted(END)}) FROM {self.table}")
        return from_micros(found)

    @property
    def own_keys(self) -> list[str]:
        """Give the keys that are kept: those of the window follow from its end."""
        return [quoted(k) for k in self.node.keys if k not in WINDOW_COLUMNS]

    def kept(self) -> str:
        """Give parts where all aggregates have them, else the rows."""
        if self.partials is None:
            return f"SELECT * {without_watermark(self)} FROM {self.fresh}"
        keys = self.own_keys
        made = [f"{sql} AS {column}" for p in self.partials for column, sql in p.makes]
        columns = ", ".join([*keys, *made, f"{quoted(END)}"])
        group = ", ".join([*keys, quoted(END)])
        return f"SELECT {columns} FROM {self.fresh} GROUP BY {group}"

    def closed_view(self, session: Session, test: str) -> None:
        """Merge the parts, or compute the aggregates over the rows."""
        source = f"{self.table} WHERE {test}"
        session.rows(
            f"CREATE OR REPLACE TEMP VIEW {quoted(CLOSED)} AS "
            + closed_select(self.node, self.partials, source, self.windows())
        )

    def windows(self) -> list[tuple[str, str]]:
        """Give the columns of the window, made of its end; the end itself comes last."""
        window = self.node.window
        if not self.node.is_assigned or window is None:
            return [(END, quoted(END))]
        end = quoted(END)
        start = f"{end} - {window.size}"
        if window.kind == "cumulate":
            last = f"({end} - 1 - {window.offset})"
            start = f"{end} - 1 - ({last} % {window.size} + {window.size}) % {window.size}"
        spelled = (start, end, f"{end} - 1000")
        names = zip(WINDOW_COLUMNS, spelled, strict=True)
        return [*((name, f"make_timestamptz({sql})") for name, sql in names), (END, end)]

    def epoch(self, session: Session, mark: datetime | None) -> Counted:
        """Append what the rows come down to; close the windows that the watermark has passed."""
        counted = Counted()
        self.take(session, counted)
        limit = less(mark, self.node.lateness)
        if limit is None or self.earliest is None or self.earliest > limit:
            self.give_none(session)
            return counted
        test = "TRUE" if limit == END_OF_TIME else f"{quoted(END)} <= {to_micros(limit)}"
        self.closed_view(session, test)
        counted.rows_out = self.give(session, self.query_sql)
        session.rows(f"DELETE FROM {self.table} WHERE {test}")
        self.earliest = self.first_end(session)
        return counted

    def taken_select(self) -> str:
        """Give the parts, or the rows, with whether they are late and of how many rows they are."""
        is_late = f"coalesce({self.late_test}, FALSE)" if self.is_judged else "FALSE"
        if self.partials is None:
            return f"SELECT *, {is_late} AS {LATE}, 1 AS __n FROM {self.fresh}"
        keys = self.own_keys
        parts = [f"{sql} AS {column}" for p in self.partials for column, sql in p.makes]
        columns = ", ".join([*keys, *parts, quoted(END), f"{is_late} AS {LATE}", "count(*) AS __n"])
        group = ", ".join([*keys, quoted(END), LATE] if self.is_judged else [*keys, quoted(END)])
        return f"SELECT {columns} FROM {self.fresh} GROUP BY {group}"

    def take(self, session: Session, counted: Counted) -> None:
        """Append the epoch's rows, the late ones aside."""
        self.take_rows(session)
        ((total, n_late, earliest),) = session.rows(
            f"SELECT coalesce(sum(__n){self.once}, 0), coalesce(sum(__n) FILTER (WHERE {LATE}), 0), "
            f"min({quoted(END)}) FILTER (WHERE NOT {LATE}) FROM __taken"
        )
        earliest = from_micros(earliest)
        hidden = [LATE, "__n"]
        if self.partials is None and self.is_judged:
            hidden.append(quoted(ROW_WATERMARK))
        good = f"SELECT * EXCLUDE ({', '.join(hidden)}) FROM __taken WHERE NOT {LATE}"
        session.rows(f"INSERT INTO {self.table} {good}")
        if earliest is not None and (self.earliest is None or earliest < self.earliest):
            self.earliest = earliest
        counted.arrived = int(total)
        if n_late:
            self.write_late(session, counted)
            if not self.is_by_row:
                counted.late, counted.partly_late = int(n_late), 0

    @property
    def once(self) -> str:
        """Give the filter that counts a row in one of its windows: one of them ends with a whole block."""
        window = self.node.window
        assert window is not None  # noqa: S101 - nodes of this kind have one
        if self.is_single or not self.is_by_row:
            return ""
        return f" FILTER (WHERE ({quoted(END)} - {window.offset}) % {window.size} = 0)"

    @property
    def partly_test(self) -> str:  # type: ignore[override]
        """Give the SQL that is TRUE of a late row that counts in others of its windows (T5)."""
        window = self.node.window
        assert window is not None  # noqa: S101 - nodes of this kind have one
        if self.is_single or not self.is_by_row:
            return "FALSE"
        if window.kind == "hop":
            return f"len({quoted(MISSED)}) < {window.size // window.step}"
        last = f"epoch_us(list_max({quoted(MISSED)}))"
        return f"({last} - {window.offset}) % {window.size} <> 0"

    @property
    def missed_sql(self) -> str:  # type: ignore[override]
        """Give the windows that a row missed: this one; those of a row are put together below."""
        return f"[make_timestamptz({quoted(END)})]"

    def marked(self, sql: str) -> str:
        """Put each row into its windows: ``__end`` in microseconds since 1970."""
        window = self.node.window
        assert window is not None  # noqa: S101 - nodes of this kind have one
        end, time = quoted(END), f"epoch_us({quoted(TIME)})"
        if not self.node.is_assigned:
            return f"SELECT * REPLACE (epoch_us({end}) AS {end}) FROM ({sql})"
        block = window.size if window.kind == "cumulate" else window.step
        # The start of the row's block, rounded down before 1970 too.
        start = f"({time} - (({time} - {window.offset}) % {block} + {block}) % {block})"
        if window.kind == "tumble":
            return (
                f"SELECT * EXCLUDE ({quoted(TIME)}), {start} + {window.size} AS {end} FROM ({sql})"
            )
        n_windows = window.size // window.step
        if window.kind == "hop":
            ends = f"unnest(range(1, {n_windows + 1}))"
            return (
                f"SELECT * EXCLUDE ({quoted(TIME)}, __n), {start} + __n * {window.step} AS {end} FROM "
                f"(SELECT *, {ends} AS __n FROM ({sql}))"
            )
        first = f"(({time} - {start}) // {window.step} + 1)"
        return (
            f"SELECT * EXCLUDE ({quoted(TIME)}, __n), {start} + __n * {window.step} AS {end} FROM "
            f"(SELECT *, unnest(range({first}, {n_windows + 1})) AS __n FROM ({sql}))"
        )

    def late_select(self) -> str:
        """Give each late row once, with all windows that it missed."""
        single = super().late_select()
        if self.is_single:
            return single
        # A row stands once for each of its windows, next to itself; rows that are equal in all columns
        # and missed the same windows are told apart by counting.
        return (
            f"SELECT * EXCLUDE ({quoted(MISSED)}, __copies, __copy), {quoted(MISSED)} FROM ("
            f"SELECT * EXCLUDE ({quoted(MISSED)}), list_sort(list_distinct(flatten(list({quoted(MISSED)})))) "
            f"AS {quoted(MISSED)}, count(*) // len(list_distinct(flatten(list({quoted(MISSED)})))) AS __copies "
            f"FROM ({single}) GROUP BY ALL) CROSS JOIN LATERAL range(__copies) AS r(__copy)"
        )

    def out_mark(self, mark: datetime | None) -> datetime | None:
        """Hold back by the allowed lateness."""
        return less(mark, self.node.lateness)


def _is_whole(node: StreamNode) -> bool:
    """Say whether rows arrive here and not their windows one by one: from a view, or past a filter."""
    assert node.rows is not None  # noqa: S101 - nodes of this kind have them
    body = node.rows.body
    if not isinstance(body, t.Select) or not isinstance(body.source, t.Subquery):
        return False
    asked = () if body.where is None else t.walk(body.where)
    is_filtered = any(isinstance(n, t.Column) and n.name in WINDOW_COLUMNS for n in asked)
    return body.source.window is not None and not is_filtered
