"""What a stateful SELECT comes down to: what is kept of each row, and what is asked of the rest.

Everything about single rows (keys, arguments of aggregates, WHERE) is computed when a row arrives;
what groups, numbers or compares rows is asked of complete windows. So a row that fails, fails when
it comes, and what is kept has no column that is not needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mainstem.plan import tree as t
from mainstem.plan.nodes import Step
from mainstem.plan.stream import (
    CLOSED,
    END,
    PANES,
    ROW_WATERMARK,
    RUNNING,
    SESSION,
    TIME,
    TOP,
    UPDATING,
    WINDOW,
    WINDOW_COLUMNS,
    Shape,
    StreamNode,
)
from mainstem.plan.types import BIGINT, TIMESTAMP, Type
from mainstem.sql.stream.parts import (
    aggregates,
    given_item,
    has_alias,
    own,
    watermark_column,
    window_calls,
    window_input,
    with_relation,
)
from mainstem.sql.stream.refusal import Refusal

# Names of relations in the queries of a node.
CLOSED_ALIAS = "_c"
_UNBOUNDED_FIX = (
    'group over a window, or let keys go with ttl="1 day", or say state="unbounded" where the '
    "number of keys is bounded"
)
Ctes = tuple[t.Cte, ...]


class Cores:
    """Makes the stateful nodes of one step."""

    def __init__(self, step: Step, *, is_unbounded: bool) -> None:
        self.step = step
        self.is_unbounded = is_unbounded
        # The columns that part the sessions of a relation, by its alias.
        self.session_keys: dict[str, tuple[str, ...]] = {}

    # Windows

    def grouped(self, node: t.Select, alias: str, shape: Shape, ctes: Ctes) -> StreamNode:
        """Give the node of a GROUP BY over a window."""
        node, kept = self.kept(node, alias, shape)
        for expr in node.group:
            assert isinstance(expr, t.Expr)  # noqa: S101 - GROUPING SETS were refused
            kept.key(expr)
        calls = kept.aggregates(aggregates(node))
        post = kept.closing(node, having=True)
        return self.window(node, kept, shape, ctes, replace(
            _grouped_node(self.step, kept, calls), query=t.Query(post, ctes),
        ))  # fmt: skip

    def rows(self, node: t.Select, alias: str, shape: Shape, ctes: Ctes) -> StreamNode:
        """Give the node of a SELECT that needs the rows of a window themselves."""
        node, kept = self.kept(node, alias, shape)
        post = kept.asking(node)
        made = StreamNode("", self.step.name, WINDOW, Shape(), (), t.Query(post, ctes))
        return self.window(node, kept, shape, ctes, made)

    session_rows = rows

    def kept(self, node: t.Select, alias: str, shape: Shape) -> tuple[t.Select, _Kept]:
        """Give the SELECT over the window's input where nothing about single rows asks for the window."""
        window = shape.window
        relation = _relation(node.source, alias)
        if _is_session(shape):
            return node, _Kept(node, alias, is_late=True)
        is_assigned = (
            isinstance(relation, t.Subquery) and relation.window is not None and window is not None
            and window.offset is not None and not _asks_early(node, alias)
        )  # fmt: skip
        if not is_assigned:
            return node, _Kept(node, alias, is_late=False)
        assert isinstance(relation, t.Subquery)  # noqa: S101
        assert node.source is not None  # noqa: S101
        source = with_relation(node.source, alias, window_input(relation))
        node = replace(node, source=source)
        return node, _Kept(node, alias, is_late=True)

    def window(
        self, node: t.Select, kept: _Kept, shape: Shape, ctes: Ctes, made: StreamNode
    ) -> StreamNode:
        """Add what all nodes over windows have."""
        alias, window = kept.alias, shape.window
        assert window is not None  # noqa: S101 - the shape is windowed
        is_session = _is_session(shape)
        if not is_session and not shape.end:
            raise Refusal(
                "StreamConstruct",
                "the end of the window is not selected by what this reads",
                node.at,
                "select window_end there too",
            )
        kept.check_session(node)
        mark = TIME if kept.is_late else END
        column = _spelled(kept, window.time) if kept.is_late else shape.end
        marks = [t.Item(t.Column(alias, column, type=TIMESTAMP), mark)]
        if shape.is_judged:
            marks.append(t.Item(watermark_column(alias), ROW_WATERMARK))
        session_keys = self.session_keys.get(alias, ()) if is_session else ()
        partition = tuple(kept.argument(kept.column(name)) for name in session_keys)
        return replace(
            made, kind=SESSION if is_session else WINDOW, shape=_of_panes(node, alias, shape),
            rows=kept.rows(marks, ctes), late=self.late(node, alias, marks, ctes),
            session_keys=partition, window=window, is_assigned=kept.is_late and not is_session,
            lateness=self.step.allowed_lateness or timedelta(),
        )  # fmt: skip

    def late(self, node: t.Select, alias: str, marks: list[t.Item], ctes: Ctes) -> t.Query | None:
        """Give the query of the step's input rows, for those that turn out to be late (T7)."""
        if marks[-1].name != ROW_WATERMARK:
            return None
        source = _relation(node.source, alias)
        names = _columns(source)
        items = [
            t.Item(t.Column(alias, name, type=type_), name) for name, type_ in names
            if name not in (*WINDOW_COLUMNS, ROW_WATERMARK)
        ]  # fmt: skip
        return t.Query(t.Select((*items, *marks), node.source, node.where), ctes)

    # What has no window

    def running(self, node: t.Select, alias: str, shape: Shape, ctes: Ctes) -> StreamNode:
        """Give the node of a running aggregate, of DISTINCT or of a top-N."""
        if window_calls(node) and not node.group and not aggregates(node):
            return self.top(node, alias, shape, ctes)
        if window_calls(node):
            raise Refusal(
                "StreamConstruct",
                "OVER over a running aggregate would change all its rows",
                node.at,
                "group over a window, and number the groups of a window",
            )
        kept = _Kept(node, alias, is_late=False)
        keys = [item.expr for item in node.items] if node.is_distinct and not node.group else []
        for expr in (*node.group, *keys):
            assert isinstance(expr, t.Expr)  # noqa: S101 - GROUPING SETS were refused
            kept.key(expr)
        calls = kept.aggregates(aggregates(node))
        key = _key_names(node, kept)
        ttl = self.step.ttl
        self.check_bounded(node, is_bounded=ttl is not None)
        marks = self.marks(node, alias, shape) if ttl is not None else []
        post = kept.closing(replace(node, is_distinct=False), having=True)
        post = replace(post, items=(*post.items, given_item(post.where)), where=None)
        made = _grouped_node(self.step, kept, calls)
        return replace(
            made, kind=RUNNING, shape=Shape(UPDATING, key=key), query=t.Query(post, ctes),
            rows=kept.rows(marks, ctes), ttl=ttl,
            late=self.late(node, alias, marks, ctes) if marks else None,
        )  # fmt: skip

    def marks(self, node: t.Select, alias: str, shape: Shape) -> list[t.Item]:
        times = sorted(shape.times)
        if not times:
            raise Refusal(
                "WatermarkMissing",
                "ttl= goes by event time, and what it reads has none",
                node.at,
                'declare event_time="column" and watermark="10 seconds" at the source',
            )
        marks = [t.Item(t.Column(alias, times[0], type=TIMESTAMP), TIME)]
        return (
            [*marks, t.Item(watermark_column(alias), ROW_WATERMARK)] if shape.is_judged else marks
        )

    def check_bounded(self, node: t.Select, *, is_bounded: bool) -> None:
        """Refuse state that would grow for ever without anybody having said so (C3)."""
        if not is_bounded and not self.is_unbounded:
            what = "DISTINCT" if node.is_distinct else "a running aggregate"
            raise Refusal(
                "StateUnbounded",
                f"{what} over a stream keeps every key for ever",
                node.at,
                _UNBOUNDED_FIX,
            )

    def top(self, node: t.Select, alias: str, shape: Shape, ctes: Ctes) -> StreamNode:
        """Give the node of a top-N: the first rows of each partition so far."""
        window = _top_window(node)
        self.check_bounded(node, is_bounded=False)
        kept = _Kept(node, alias, is_late=False)
        post = kept.closing(node, having=False)
        partition = tuple(kept.argument(expr) for expr in window.partition)
        names = {kept.argument(item.expr): item.name for item in node.items
                 if isinstance(item.expr, t.Column)}  # fmt: skip
        ranks = [item.name for item in node.items if item.expr == _rank(node)]
        key = tuple(names[name] for name in partition if name in names)
        limit = _top_limit(node)
        if len(key) < len(partition) or (limit > 1 and not ranks):
            raise Refusal(
                "StreamConstruct",
                "the key of a top-N is its partition"
                + (" and the row number" if limit > 1 else "")
                + ", and not all of it is selected",
                node.at,
                "select them too",
            )
        every = [t.Item(t.Column(CLOSED_ALIAS, name, type=expr.type), name)
                 for name, expr in kept.arguments]  # fmt: skip
        keep = replace(post, items=tuple(every), is_distinct=False)
        post = replace(post, items=(*post.items, given_item(None)))
        return StreamNode(
            "", self.step.name, TOP, Shape(UPDATING, key=key + tuple(ranks if limit > 1 else ())),
            (), t.Query(post, ctes), rows=kept.rows([], ctes), keys=partition,
            keep=t.Query(keep, ctes),
        )  # fmt: skip


class _Kept:
    """The columns that are kept of each row, and how the rest of a SELECT reads them."""

    def __init__(self, node: t.Select, alias: str, *, is_late: bool) -> None:
        # Late: the window's columns are known when it closes, and are no part of what is kept.
        self.node, self.alias, self.is_late = node, alias, is_late
        self.keys: list[tuple[str, t.Expr]] = []
        self.arguments: list[tuple[str, t.Expr]] = []
        self.calls: dict[t.Call, str] = {}

    def column(self, name: str) -> t.Column:
        """Give a column of the input by name."""
        types = dict(_columns(_relation(self.node.source, self.alias)))
        return t.Column(self.alias, name, type=types[name])

    def is_late_known(self, expr: t.Node) -> bool:
        """Say whether an expression is a column of the window, where that is known at its end."""
        return self.is_late and has_alias(expr, self.alias) and expr.name in WINDOW_COLUMNS

    def key(self, expr: t.Expr) -> str:
        """Keep a key; give its column."""
        if self.is_late_known(expr):
            assert isinstance(expr, t.Column)  # noqa: S101
            self.keys.append((expr.name, expr))
            return expr.name
        self.keys.append((f"k{len(self.keys)}", expr))
        return self.keys[-1][0]

    def argument(self, expr: t.Expr) -> str:
        """Keep what an aggregate or a closing query reads of a row; give its column."""
        if self.is_late_known(expr):
            assert isinstance(expr, t.Column)  # noqa: S101
            return expr.name
        for name, known in self.arguments:
            if known == expr:
                return name
        self.arguments.append((f"x{len(self.arguments)}", expr))
        return self.arguments[-1][0]

    def aggregates(self, calls: list[t.Call]) -> tuple[tuple[str, t.Call], ...]:
        """Keep the arguments of aggregates; give the calls over what is kept."""
        made = []
        for index, call in enumerate(calls):
            self.calls[call] = f"a{index}"
            made.append((f"a{index}", self.over_kept(call)))
        return tuple(made)

    def over_kept(self, call: t.Call) -> t.Call:
        def kept(expr: t.Expr) -> t.Expr:
            if isinstance(expr, t.Literal | t.Param | t.Lambda):
                return expr
            return t.Column(CLOSED_ALIAS, self.argument(expr), type=expr.type)

        order = tuple(replace(one, expr=kept(one.expr)) for one in call.order)
        where = None if call.where is None else kept(call.where)
        return replace(call, args=tuple(map(kept, call.args)), order=order, where=where)

    def swap(self, expr: Any) -> Any:
        """Give an expression over what is kept: keys, aggregates, then single columns."""
        if isinstance(expr, t.Expr):
            for name, known in self.keys:
                if known == expr:
                    return t.Column(CLOSED_ALIAS, name, type=expr.type)
        if isinstance(expr, t.Call) and expr in self.calls:
            return t.Column(CLOSED_ALIAS, self.calls[expr], type=expr.type)
        if isinstance(expr, t.Column) and expr.depth == 0:
            return t.Column(CLOSED_ALIAS, self.argument(expr), type=expr.type)
        if isinstance(expr, t.Query):
            return _deepened(expr, self)
        return t.rebuilt(expr, self.swap)

    def closing(self, node: t.Select, *, having: bool) -> t.Select:
        """Give the SELECT over complete windows."""
        where = node.having if having else None
        asked = replace(node, where=where, having=None, group=(), source=None)
        items = tuple(replace(item, expr=self.swap(item.expr)) for item in asked.items)
        return replace(
            asked, items=items, where=None if where is None else self.swap(where),
            qualify=None if node.qualify is None else self.swap(node.qualify),
            source=t.Table(CLOSED, alias=CLOSED_ALIAS),
        )  # fmt: skip

    def asking(self, node: t.Select) -> t.Select:
        """Give the SELECT over the rows of complete windows: as it is written, but for WHERE."""
        whole = replace(node, where=None, source=None)
        asked = t.rebuilt(whole, self.swap)
        return replace(asked, source=t.Table(CLOSED, alias=CLOSED_ALIAS))

    def rows(self, marks: list[t.Item], ctes: Ctes) -> t.Query:
        """Give the query of what is kept of each row."""
        kept = [
            t.Item(expr, name) for name, expr in (*self.keys, *self.arguments)
            if not self.is_late_known(expr)
        ]  # fmt: skip
        if not kept and not marks:
            # count(*) of everything reads no column, and a SELECT has one.
            kept = [t.Item(t.Literal(1, "integer", type=BIGINT), "x0")]
        return t.Query(t.Select((*kept, *marks), self.node.source, self.node.where), ctes)

    def check_session(self, node: t.Select) -> None:
        """Refuse what asks for the bounds of a session before its end is known."""
        if not self.is_late:
            return
        early = [
            node.where,
            *(e for _, e in (*self.keys, *self.arguments) if not self.is_late_known(e)),
        ]
        for expr in early:
            for one in own(expr):
                if self.is_late_known(one):
                    raise Refusal(
                        "StreamConstruct",
                        "the bounds of a session are known at its end only",
                        one.at,
                        "group by them, and filter with HAVING or in the next step",
                    )


def _deepened(query: t.Query, kept: _Kept) -> t.Query:
    """Let a correlated subquery read what is kept in place of the outer columns."""

    def change(depth: int) -> Callable[[t.Node], t.Node]:
        def inner(node: t.Node) -> t.Node:
            if isinstance(node, t.Column) and node.depth == depth:
                flat = replace(node, depth=0)
                swapped = kept.swap(flat)
                return replace(swapped, depth=depth) if isinstance(swapped, t.Column) else swapped
            if isinstance(node, t.Query):
                return t.rebuilt(node, change(depth + 1))
            return t.rebuilt(node, inner)

        return inner

    return t.rebuilt(query, change(1))


def _grouped_node(step: Step, kept: _Kept, calls: tuple[tuple[str, t.Call], ...]) -> StreamNode:
    return StreamNode(
        "", step.name, WINDOW, Shape(), (), t.Query(t.Select(())),
        keys=tuple(name for name, _ in kept.keys), calls=calls, is_grouped=True,
    )  # fmt: skip


def _asks_early(node: t.Select, alias: str) -> bool:
    """Say whether WHERE, a join, a key or an argument of an aggregate asks for the row's window."""

    def is_window(expr: t.Node) -> bool:
        return has_alias(expr, alias) and expr.name in WINDOW_COLUMNS

    joins = [n.on for n in _joins(node.source)]
    keys = [g for g in node.group if isinstance(g, t.Expr) and not is_window(g)]
    early: list[t.Node | None] = [node.where, *joins, *keys]
    for call in aggregates(node):
        early += [*call.args, call.where, *(one.expr for one in call.order)]
    return any(is_window(one) for expr in early for one in own(expr))


def _joins(node: t.Relation | None) -> list[t.Join]:
    return [node, *_joins(node.left), *_joins(node.right)] if isinstance(node, t.Join) else []


def _spelled(kept: _Kept, name: str) -> str:
    """Give the name of a column as its relation spells it: names have no case."""
    names = [known for known, _ in _columns(_relation(kept.node.source, kept.alias))]
    return next(known for known in names if known.lower() == name.lower())


def _is_session(shape: Shape) -> bool:
    return shape.window is not None and shape.window.kind == SESSION


def _of_panes(node: t.Select, alias: str, shape: Shape) -> Shape:
    """Give what is known of the rows of complete windows."""
    times, ids, end = set(), set(), ""
    for item in node.items:
        if has_alias(item.expr, alias):
            name = item.expr.name
            times |= {item.name} if name == shape.time else set()
            ids |= {item.name} if name in shape.ids else set()
            end = item.name if name == shape.end else end
    time = min(times, default="")
    return Shape(PANES, frozenset(times), frozenset(ids), end, time)


def _key_names(node: t.Select, kept: _Kept) -> tuple[str, ...]:
    """Give the output columns that are the keys of a running aggregate."""
    names = []
    for _, expr in kept.keys:
        name = next((item.name for item in node.items if item.expr == expr), "")
        if not name:
            raise Refusal(
                "UpdatingInput",
                "a key of the running aggregate is not selected, and its rows "
                "could not be told apart",
                expr.at,
                "select every key",
            )
        names.append(name)
    return tuple(names)


def _relation(node: t.Relation | None, alias: str) -> t.Relation:
    """Give the relation of an alias in FROM."""
    if isinstance(node, t.Join):
        found = [r for side in (node.left, node.right) for r in _relations(side)]
    else:
        found = _relations(node)
    return next(r for r in found if r.alias == alias)


def _relations(node: t.Relation | None) -> list[t.Relation]:
    if isinstance(node, t.Join):
        return [*_relations(node.left), *_relations(node.right)]
    return [node] if node is not None else []


def _columns(node: t.Relation) -> list[tuple[str, Type]]:
    """Give the columns of a relation with their types; hidden ones are among them."""
    if isinstance(node, t.Table):
        names = node.columns or tuple(name for name, _ in node.shape)
        return [(n, type_) for n, (_, type_) in zip(names, node.shape, strict=False)]
    assert isinstance(node, t.Subquery)  # noqa: S101 - only these have streams
    body: t.Body = node.query.body
    while isinstance(body, t.SetOperation):
        body = body.left.body
    if isinstance(body, t.Values):
        return [(n, t.type_of(e)) for n, e in zip(body.names, body.rows[0], strict=True)]
    types = [t.type_of(item.expr) for item in body.items]
    return list(zip(node.columns, types, strict=False))


def _rank(node: t.Select) -> t.Call:
    """Give the row_number of a top-N."""
    return window_calls(node)[0]


def _top_window(node: t.Select) -> t.Window:
    calls = set(window_calls(node))
    call = next(iter(calls), None)
    is_top = (
        len(calls) == 1
        and call is not None
        and call.name == "row_number"
        and node.qualify is not None
        and call.window is not None
        and _top_limit(node) > 0
    )
    if not is_top or call is None or call.window is None:
        raise Refusal(
            "StreamConstruct",
            "OVER over a stream is known in two forms: within a window, and as "
            "the first n of each key",
            node.at,
            "write PARTITION BY window_end, or QUALIFY "
            "row_number() OVER (PARTITION BY key ORDER BY …) <= n",
        )
    return call.window


def _top_limit(node: t.Select) -> int:
    """Give n of ``QUALIFY row_number() OVER (…) <= n``; 0 for anything else."""
    test = node.qualify
    if not isinstance(test, t.Call) or test.name not in ("=", "<=", "<") or len(test.args) != 2:
        return 0
    left, right = test.args
    if not isinstance(left, t.Call) or left.window is None or not isinstance(right, t.Literal):
        return 0
    value = right.value if isinstance(right.value, int) else 0
    if test.name == "=":
        return 1 if value == 1 else 0
    return value - 1 if test.name == "<" else value
