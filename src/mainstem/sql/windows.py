"""Window tables (TUMBLE, HOP, SESSION, CUMULATE) spelled out as queries.

Over bounded inputs every window closes (T9), so a window table is its input with three columns
more: ``window_start``, ``window_end`` (exclusive) and ``window_time`` = end − 1 ms (T4). Windows
start at the epoch, 1970-01-01T00:00Z, plus an optional offset. HOP and CUMULATE give a row once for
each window.
"""

from __future__ import annotations

from collections.abc import Callable

from mainstem.plan import tree as t

_Report = Callable[[str, str], None]

# Each row is copied into so many windows; more is a mistyped unit.
MAX_WINDOWS = 4000

_SHAPES = {
    "tumble": "TUMBLE(table, ts, size [, offset])",
    "hop": "HOP(table, ts, slide, size [, offset])",
    "cumulate": "CUMULATE(table, ts, step, size [, offset])",
    "session": "SESSION(table, ts, gap [, key, …])",
}


def window_table(node: t.TableCall, report: _Report) -> t.Subquery | None:
    """Give the query that a window table stands for, or None after a report."""
    shape = _SHAPES[node.name]
    n_spans = 1 if node.name in ("tumble", "session") else 2
    ts, spans = (node.args[0] if node.args else None), node.args[1 : 1 + n_spans]
    if not isinstance(ts, t.Name) or node.table is None or len(spans) < n_spans:
        report(
            f"{node.name.upper()} takes a table, its time column and intervals", f"write {shape}"
        )
        return None
    if ts.parts[-1].lower() in ("window_start", "window_end"):
        report(
            "a window over window_end counts rows of a closed window late (T4)", "use window_time"
        )
        return None
    micros = [_micros(s) for s in spans]
    if any(m is None or m <= 0 for m in micros):
        report(
            "the size of a window is a literal of days or less, above zero",
            f"write {shape} with INTERVAL '1 minute'",
        )
        return None
    if n_spans == 2 and (micros[1] or 0) % (micros[0] or 1):
        report(
            f"the size of {node.name.upper()} is not a whole multiple of its "
            + ("slide" if node.name == "hop" else "step"),
            "engines disagree there (T4): choose a multiple",
        )
        return None
    if n_spans == 2 and (micros[1] or 0) // (micros[0] or 1) > MAX_WINDOWS:
        report(f"a row would be in more than {MAX_WINDOWS} windows", "choose a longer step")
        return None
    return _Spelling(node, ts, spans, [m or 0 for m in micros]).query()


def _micros(expr: t.Expr) -> int | None:
    if not isinstance(expr, t.Interval) or expr.months:
        return None
    return expr.days * 86_400_000_000 + expr.micros


class _Spelling:
    """Builds the query of one window table; every node points at the user's text."""

    def __init__(
        self, node: t.TableCall, ts: t.Name, spans: tuple[t.Expr, ...], micros: list[int]
    ) -> None:
        self.node, self.ts, self.spans, self.micros, self.at = node, ts, spans, micros, node.at

    def query(self) -> t.Subquery:
        made: t.Query = getattr(self, self.node.name)()
        kind = self.node.name
        return t.Subquery(
            made,
            window=t.WindowTable(
                kind, self.ts.parts[-1], self.micros[-1], self.micros[0], self.offset
            ),
            alias=self.node.alias or _table_name(self.node),
            columns=self.node.columns,
            at=self.at,
        )

    # Small builders

    def name(self, *parts: str) -> t.Name:
        return t.Name(parts, at=self.at)

    def call(self, name: str, *args: t.Expr, window: t.Window | None = None) -> t.Call:
        return t.Call(name, args, window=window, at=self.at)

    def item(self, expr: t.Expr, name: str = "") -> t.Item:
        return t.Item(expr, name, at=self.at)

    def star(self, *exclude: str) -> t.Item:
        return t.Item(t.Star(exclude=exclude, at=self.at), at=self.at)

    def select(
        self, items: list[t.Item], source: t.Relation, where: t.Expr | None = None
    ) -> t.Query:
        return t.Query(t.Select(tuple(items), source, where, at=self.at), at=self.at)

    def derived(self, query: t.Query, alias: str) -> t.Subquery:
        return t.Subquery(query, alias=alias, at=self.at)

    def number(self, value: int) -> t.Literal:
        return t.Literal(value, "integer", at=self.at)

    def span(self, micros: int) -> t.Interval:
        return t.Interval(micros=micros, at=self.at)

    def bucket(self, size: t.Expr, offset: tuple[t.Expr, ...]) -> t.Expr:
        if not offset:
            return self.call("time_bucket", size, self.ts)
        return self.call(
            "+", self.call("time_bucket", size, self.call("-", self.ts, offset[0])), offset[0]
        )

    def ends(self, query: t.Query, exclude: tuple[str, ...] = ()) -> t.Query:
        """Add window_time to a query that has window_start and window_end."""
        time = self.call("-", self.name("window_end"), self.span(1000))
        return self.select(
            [self.star(*exclude), self.item(time, "window_time")], self.derived(query, "_w")
        )

    @property
    def offset(self) -> int | None:
        n_spans = len(self.spans)
        rest = self.node.args[1 + n_spans : 2 + n_spans] if self.node.name != "session" else ()
        return _micros(rest[0]) if rest else 0

    @property
    def input(self) -> t.Relation:
        assert self.node.table is not None  # noqa: S101 - for the type checker
        return self.node.table

    # The four kinds

    def tumble(self) -> t.Query:
        start = self.bucket(self.spans[0], self.node.args[2:3])
        first = self.select([self.star(), self.item(start, "window_start")], self.input)
        end = self.call("+", self.name("window_start"), self.spans[0])
        return self.ends(
            self.select([self.star(), self.item(end, "window_end")], self.derived(first, "_s"))
        )

    def hop(self) -> t.Query:
        """A row's last window starts at its bucket of one slide; size / slide windows hold it."""
        slide, size = self.micros
        first = self.select(
            [self.star(), self.item(self.bucket(self.spans[0], self.node.args[3:4]), "_last")],
            self.input,
        )
        starts = [
            self.call("-", self.name("_last"), self.span(slide * k)) for k in range(size // slide)
        ]
        values = t.TableCall(
            "unnest",
            (self.call("list_value", *starts),),
            alias="_n",
            columns=("window_start",),
            at=self.at,
        )
        joined = t.Join("cross", self.derived(first, "_s"), values, at=self.at)
        end = self.call("+", self.name("window_start"), self.spans[1])
        return self.ends(self.select([self.star("_last"), self.item(end, "window_end")], joined))

    def cumulate(self) -> t.Query:
        """Windows that share a start; a row is in each whose end is later than it."""
        step, size = self.micros
        start = self.bucket(self.spans[1], self.node.args[3:4])
        first = self.select([self.star(), self.item(start, "window_start")], self.input)
        ends = [
            self.call("+", self.name("window_start"), self.span(step * k))
            for k in range(1, size // step + 1)
        ]
        values = t.TableCall(
            "unnest",
            (self.call("list_value", *ends),),
            alias="_n",
            columns=("window_end",),
            at=self.at,
        )
        joined = t.Join("cross", self.derived(first, "_s"), values, at=self.at)
        inside = self.call("<", self.ts, self.name("window_end"))
        # A row without a time is in no window; it stays, with NULL windows, as in TUMBLE.
        kept = self.call("or", inside, self.call("is null", self.ts))
        return self.ends(self.select([self.star()], joined, kept))

    def session(self) -> t.Query:
        """Rows at most `gap` apart, the gap included, are one session (T4).

        The time before a row is the largest earlier one, so rows of one instant need no order.
        """
        keys = self.node.args[2:]
        gap = self.spans[0]
        before = t.Frame(
            "range",
            t.Bound("unbounded", at=self.at),
            t.Bound("offset", self.span(1), at=self.at),
            at=self.at,
        )
        ordered = (t.Order(self.ts, at=self.at),)
        previous = self.call("max", self.ts, window=t.Window(keys, ordered, before, at=self.at))
        first = self.select([self.star(), self.item(previous, "_previous")], self.input)
        is_new = self.call(">", self.ts, self.call("+", self.name("_previous"), gap))
        case = t.Case(
            (
                (
                    self.call("or", is_new, self.call("is null", self.name("_previous"))),
                    self.number(1),
                ),
            ),
            self.number(0),
            at=self.at,
        )
        second = self.select(
            [self.star("_previous"), self.item(case, "_new")], self.derived(first, "_s")
        )
        up_to = t.Frame(
            "range", t.Bound("unbounded", at=self.at), t.Bound("current", at=self.at), at=self.at
        )
        number = self.call(
            "sum", self.name("_new"), window=t.Window(keys, ordered, up_to, at=self.at)
        )
        third = self.select(
            [self.star("_new"), self.item(number, "_session")], self.derived(second, "_t")
        )
        whole = t.Window((*keys, self.name("_session")), at=self.at)
        start = self.call("min", self.ts, window=whole)
        end = self.call("+", self.call("max", self.ts, window=whole), gap)
        fourth = self.select(
            [self.star("_session"), self.item(start, "window_start"), self.item(end, "window_end")],
            self.derived(third, "_u"),
        )
        return self.ends(fourth)


def _table_name(node: t.TableCall) -> str:
    return node.table.alias or node.table.name if isinstance(node.table, t.Table) else ""
