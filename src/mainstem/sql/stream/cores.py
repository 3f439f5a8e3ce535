"""What a stateful SELECT comes down to: what is kept of each row, and what is asked of the rest.

Everything about single rows (keys, arguments of aggregates, WHERE) is computed when a row arrives;
what groups, numbers or compares rows is asked of complete windows. So a row that fails, fails when
it comes, and what is kept has no column that is not needed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mainstem.plan import tree as t
from mainstem.plan.nodes import Step
from mainstem.plan.stream import (
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
from mainstem.plan.types import TIMESTAMP
from mainstem.sql.stream.first import of_sessions, rank_of, top_limit, top_window
from mainstem.sql.stream.kept import (
    CLOSED_ALIAS,
    Ctes,
    Kept,
    asks_early,
    columns_of,
    is_session,
    relation_of,
    spelled,
)
from mainstem.sql.stream.parts import (
    aggregates,
    given_item,
    has_alias,
    watermark_column,
    window_calls,
    window_input,
    with_relation,
)
from mainstem.sql.stream.refusal import Refusal

_UNBOUNDED_FIX = (
    'group over a window, or let keys go with ttl="1 day", or say state="unbounded" where the '
    "number of keys is bounded"
)


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

    def kept(self, node: t.Select, alias: str, shape: Shape) -> tuple[t.Select, Kept]:
        """Give the SELECT over the window's input where nothing about single rows asks for the window."""
        window = shape.window
        relation = relation_of(node.source, alias)
        if is_session(shape):
            return node, Kept(node, alias, is_late=True)
        is_assigned = (
            isinstance(relation, t.Subquery) and relation.window is not None and window is not None
            and window.offset is not None and not asks_early(node, alias)
        )  # fmt: skip
        if not is_assigned:
            return node, Kept(node, alias, is_late=False)
        assert isinstance(relation, t.Subquery)  # noqa: S101
        assert node.source is not None  # noqa: S101
        source = with_relation(node.source, alias, window_input(relation))
        node = replace(node, source=source)
        return node, Kept(node, alias, is_late=True)

    def window(
        self, node: t.Select, kept: Kept, shape: Shape, ctes: Ctes, made: StreamNode
    ) -> StreamNode:
        """Add what all nodes over windows have."""
        alias, window = kept.alias, shape.window
        assert window is not None  # noqa: S101 - the shape is windowed
        is_by_session = is_session(shape)
        if not is_by_session and not shape.end:
            raise Refusal(
                "StreamConstruct",
                "the end of the window is not selected by what this reads",
                node.at,
                "select window_end there too",
            )
        kept.check_session(node)
        mark = TIME if kept.is_late else END
        column = spelled(kept, window.time) if kept.is_late else shape.end
        marks = [t.Item(t.Column(alias, column, type=TIMESTAMP), mark)]
        if shape.is_judged:
            marks.append(t.Item(watermark_column(alias), ROW_WATERMARK))
        session_keys = self.session_keys.get(alias, ()) if is_by_session else ()
        partition = tuple(kept.argument(kept.column(name)) for name in session_keys)
        return replace(
            made, kind=SESSION if is_by_session else WINDOW,
            shape=_of_panes(node, alias, shape, session_keys),
            rows=kept.rows(marks, ctes), late=self.late(node, alias, marks, ctes),
            session_keys=partition, window=window, is_assigned=kept.is_late and not is_by_session,
            lateness=self.step.allowed_lateness or timedelta(),
        )  # fmt: skip

    def late(self, node: t.Select, alias: str, marks: list[t.Item], ctes: Ctes) -> t.Query | None:
        """Give the query of the step's input rows, for those that turn out to be late (T7)."""
        if marks[-1].name != ROW_WATERMARK:
            return None
        source = relation_of(node.source, alias)
        names = columns_of(source)
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
        kept = Kept(node, alias, is_late=False)
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
            what = "a top-N" if node.qualify is not None else what
            raise Refusal(
                "StateUnbounded",
                f"{what} over a stream keeps every key for ever",
                node.at,
                _UNBOUNDED_FIX,
            )

    def top(self, node: t.Select, alias: str, shape: Shape, ctes: Ctes) -> StreamNode:
        """Give the node of a top-N: the first rows of each partition so far."""
        window = top_window(node)
        ttl = self.step.ttl
        self.check_bounded(node, is_bounded=ttl is not None)
        marks = self.marks(node, alias, shape) if ttl is not None else []
        kept = Kept(node, alias, is_late=False)
        post = kept.closing(node, having=False)
        partition = tuple(kept.argument(expr) for expr in window.partition)
        names = {kept.argument(item.expr): item.name for item in node.items
                 if isinstance(item.expr, t.Column)}  # fmt: skip
        ranks = [item.name for item in node.items if item.expr == rank_of(node)]
        key = tuple(names[name] for name in partition if name in names)
        limit = top_limit(node)
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
            (), t.Query(post, ctes), rows=kept.rows(marks, ctes), keys=partition,
            keep=t.Query(keep if ttl is None else of_sessions(keep), ctes), ttl=ttl,
            late=self.late(node, alias, marks, ctes) if marks else None,
        )  # fmt: skip


def _grouped_node(step: Step, kept: Kept, calls: tuple[tuple[str, t.Call], ...]) -> StreamNode:
    return StreamNode(
        "", step.name, WINDOW, Shape(), (), t.Query(t.Select(())),
        keys=tuple(name for name, _ in kept.keys), calls=calls, is_grouped=True,
    )  # fmt: skip


def _of_panes(node: t.Select, alias: str, shape: Shape, session_keys: tuple[str, ...]) -> Shape:
    """Give what is known of the rows of complete windows."""
    times, ids, end = set(), set(), ""
    names: dict[str, str] = {}
    for item in node.items:
        if has_alias(item.expr, alias):
            name = item.expr.name
            names.setdefault(name, item.name)
            times |= {item.name} if name == shape.time else set()
            ids |= {item.name} if name in shape.ids else set()
            end = item.name if name == shape.end else end
    time = min(times, default="")
    wanted = (WINDOW_COLUMNS[0], *session_keys) if is_session(shape) else ()
    together = frozenset(names[n] for n in wanted) if names.keys() >= set(wanted) else frozenset()
    return Shape(PANES, frozenset(times), frozenset(ids), end, time, together=together)


def _key_names(node: t.Select, kept: Kept) -> tuple[str, ...]:
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
