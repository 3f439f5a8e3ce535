"""The lowering of one step: what is cut out of its query, and what goes on over the new rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mainstem.errors import listing
from mainstem.plan import tree as t
from mainstem.plan.nodes import Step
from mainstem.plan.stream import (
    DELTA,
    PANES,
    ROW_WATERMARK,
    ROWS,
    SESSION,
    STATIC,
    UPDATING,
    WINDOW_COLUMNS,
    WINDOWED,
    Shape,
    StreamNode,
)
from mainstem.record import mutable
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.stream.cores import Cores
from mainstem.sql.stream.kept import columns_of
from mainstem.sql.stream.parts import (
    grouping_sets,
    has_alias,
    operation_item,
    own_calls,
    session_input,
    subqueries,
    tables,
    watermark_column,
    whole_sessions,
    window_calls,
)
from mainstem.sql.stream.ranked import with_qualify
from mainstem.sql.stream.refusal import Refusal
from mainstem.sql.stream.shapes import (
    is_all_of,
    judged_side,
    names_of,
    reads_static_side,
    renamed,
    with_names,
    without_static_sides,
)

# Kinds of joins that give a row of the stream for a row of the stream, by the side that it is on.
_LEFT = frozenset({"inner", "cross", "left", "semi", "anti", "asof", "asof_left"})
_RIGHT = frozenset({"inner", "cross", "right"})


@mutable
class _Scope:
    """What the names of one query mean: common table expressions, by name."""

    ctes: dict[str, Shape]
    # Those over bounded relations alone: any node may need them.
    static: tuple[t.Cte, ...] = ()
    # Names under which those over streams go on as nodes.
    nodes: dict[str, str] | None = None


class StepLowering:
    """The lowering of one step."""

    def __init__(self, step: Step, shapes: Mapping[str, Shape], *, is_unbounded: bool) -> None:
        self.step = step
        self.shapes = dict(shapes)
        self.nodes: list[StreamNode] = []
        self.cores = Cores(step, is_unbounded=is_unbounded)

    def run(self) -> Shape:
        if all(self.shapes[name].kind == STATIC for name in self.step.inputs):
            return Shape()
        query, shape = self.query(with_qualify(self.step.query), _Scope({}))
        last = self.nodes[-1] if self.nodes else None
        if last is not None and last.is_stateful and is_all_of(query, last.name):
            # The step is that node and nothing else.
            self.nodes[-1] = replace(last, name=self.step.name)
            return last.shape
        self.add(query, shape, self.step.name)
        return shape

    def add(self, query: t.Query, shape: Shape, name: str) -> None:
        """Add a node that keeps nothing."""
        first = query if reads_static_side(query.body, self.is_streamed) else None
        if first is not None:
            query = replace(query, body=without_static_sides(query.body, self.is_streamed))
        inputs = tuple(n for n in tables(first or query) if self.is_streamed(n))
        self.nodes.append(StreamNode(name, self.step.name, DELTA, shape, inputs, query, first))
        self.shapes[name] = shape

    def is_streamed(self, name: str) -> bool:
        return self.shapes.get(name, Shape()).kind != STATIC

    # Queries

    def query(self, node: t.Query, outer: _Scope) -> tuple[t.Query, Shape]:
        """Lower a query; what it needs from other epochs has become nodes."""
        scope = _Scope(dict(outer.ctes), outer.static, dict(outer.nodes or {}))
        for cte in node.ctes:
            self.cte(cte, scope, is_recursive=node.is_recursive)
        body, shape = self.body(node.body, scope)
        if shape.kind == STATIC:
            return node, shape
        self.check_end(node)
        return replace(
            node,
            body=body,
            ctes=scope.static,
            order=(),
            is_recursive=node.is_recursive and bool(scope.static),
        ), shape

    def check_end(self, node: t.Query) -> None:
        if node.limit is not None or node.offset is not None:
            at = (node.limit or node.offset or node).at
            raise Refusal(
                "StreamConstruct",
                "LIMIT over a stream would need its end",
                at,
                "keep the first n of each window: QUALIFY row_number() OVER (PARTITION BY "
                "window_end ORDER BY …) <= n",
            )
        if node.order:
            raise Refusal(
                "StreamConstruct",
                "ORDER BY over a stream would need its end",
                node.order[0].at,
                "order the rows where they are read, or number them within a window",
            )

    def cte(self, cte: t.Cte, scope: _Scope, *, is_recursive: bool) -> None:
        if is_recursive and any(n == cte.name for n in tables(cte.query, ctes=True)):
            if any(self.is_streamed(n) for n in tables(cte.query)):
                raise Refusal(
                    "StreamConstruct",
                    "WITH RECURSIVE over a stream would need its end",
                    cte.at,
                    "recurse over a bounded source",
                )
            scope.static += (cte,)
            scope.ctes[cte.name] = Shape()
            return
        query, shape = self.query(cte.query, scope)
        scope.ctes[cte.name] = shape
        if shape.kind == STATIC:
            scope.static += (cte,)
            return
        name = f"{self.step.name}${cte.name}"
        if cte.columns:
            query = renamed(query, cte.columns)
            shape = with_names(shape, dict(zip(names_of(cte.query), cte.columns, strict=True)))
        self.add(query, shape, name)
        assert scope.nodes is not None  # noqa: S101 - for the type checker
        scope.nodes[cte.name] = name
        scope.ctes[cte.name] = shape

    def body(self, node: t.Body, scope: _Scope) -> tuple[t.Body, Shape]:
        if isinstance(node, t.Select):
            return self.select(node, scope)
        if isinstance(node, t.SetOperation):
            return self.union(node, scope)
        return node, Shape()

    def union(self, node: t.SetOperation, scope: _Scope) -> tuple[t.Body, Shape]:
        left, right = self.query(node.left, scope), self.query(node.right, scope)
        shapes = (left[1], right[1])
        if all(shape.kind == STATIC for shape in shapes):
            return node, Shape()
        word = node.kind.upper() + (" ALL" if node.is_all else "")
        if word != "UNION ALL":
            raise Refusal(
                "StreamConstruct",
                f"{word} over a stream would need its end",
                node.at,
                "UNION ALL works; drop doubles with DISTINCT in a window",
            )
        if any(shape.kind == UPDATING for shape in shapes):
            raise self.no_updating("UNION ALL", node.at)
        is_judged = any(shape.is_judged for shape in shapes)
        names = names_of(node.left)
        sides = [judged_side(query, shape, is_judged=is_judged) for query, shape in (left, right)]
        times = self.common_times(node, shapes)
        made = replace(node, left=sides[0], right=sides[1])
        return made, Shape(ROWS, times & frozenset(names), is_judged=is_judged)

    def common_times(self, node: t.SetOperation, shapes: tuple[Shape, Shape]) -> frozenset[str]:
        """Give the columns that are event times on both sides; a bounded side has any (T9)."""
        names, others = names_of(node.left), names_of(node.right)
        found = []
        for index, name in enumerate(names):
            other = name if node.by_name else others[index]
            left = shapes[0].kind == STATIC or name in shapes[0].times
            right = shapes[1].kind == STATIC or other in shapes[1].times
            found += [name] if left and right else []
        return frozenset(found)

    # SELECT

    def select(self, node: t.Select, scope: _Scope) -> tuple[t.Body, Shape]:
        if node.source is None:
            return node, Shape()
        is_filtered = node.where is not None or isinstance(node.source, t.Join)
        source = whole_sessions(node.source) if is_filtered else node.source
        source, shapes = self.relation(source, scope)
        self.check_subqueries(node, scope)
        streams = {alias: shape for alias, shape in shapes.items() if shape.kind != STATIC}
        if not streams:
            return node, Shape()
        ((alias, shape),) = streams.items()
        node = replace(node, source=source)
        is_grouped = bool(node.group) or any(map(is_aggregate, own_calls(node)))
        overs = window_calls(node)
        if shape.kind == UPDATING:
            if is_grouped or overs or node.is_distinct:
                raise self.no_updating("an aggregate, DISTINCT or OVER", node.at)
            return self.updated(node, alias, shape)
        if not is_grouped and not overs and not node.is_distinct:
            if shape.kind == WINDOWED and shape.window and shape.window.kind == SESSION:
                return self.lifted(self.cores.session_rows(node, alias, shape, scope.static))
            return self.carried(node, alias, shape)
        if shape.kind == PANES and self.is_local(node, alias, shape):
            return replace(node), self.projected(node, alias, shape, kind=PANES)
        if shape.kind == WINDOWED and self.is_local(node, alias, shape):
            has_sets = any(isinstance(g, t.Grouping) for g in node.group)
            make = self.cores.grouped if is_grouped and not has_sets else self.cores.rows
            return self.lifted(make(node, alias, shape, scope.static))
        if shape.kind == WINDOWED and shape.window and shape.window.kind == SESSION:
            raise Refusal(
                "StreamConstruct",
                "a session is only known by its end",
                node.at,
                "group by window_start and window_end",
            )
        return self.lifted(self.cores.running(node, alias, shape, scope.static))

    def lifted(self, node: StreamNode) -> tuple[t.Body, Shape]:
        """Let a node of its own give the rows of a SELECT."""
        name = f"{self.step.name}${len(self.nodes)}"
        inputs = tuple(n for n in tables(node.rows or node.query) if self.is_streamed(n))
        self.nodes.append(replace(node, name=name, inputs=inputs))
        self.shapes[name] = node.shape
        body = node.query.body
        assert isinstance(body, t.Select)  # noqa: S101 - for the type checker
        items = tuple(
            t.Item(t.Column(name, item.name, type=item.expr.type), item.name) for item in body.items
        )
        shape_columns = tuple((item.name, t.type_of(item.expr)) for item in body.items)
        return t.Select(items, t.Table(name, shape=shape_columns, alias=name)), node.shape

    def carried(self, node: t.Select, alias: str, shape: Shape) -> tuple[t.Select, Shape]:
        """Give a SELECT over single rows, which hands the row's watermark on."""
        found = self.projected(node, alias, shape, kind=shape.kind)
        if not shape.is_judged:
            return node, found
        hidden = t.Item(watermark_column(alias), ROW_WATERMARK)
        return replace(node, items=(*node.items, hidden)), found

    def projected(self, node: t.Select, alias: str, shape: Shape, *, kind: str) -> Shape:
        """Give what a SELECT keeps of the marked columns of its input."""
        times, ids, end, time = set(), set(), "", ""
        for item in node.items:
            if has_alias(item.expr, alias):
                name = item.expr.name
                times |= {item.name} if name in shape.times else set()
                ids |= {item.name} if name in shape.ids else set()
                end = item.name if name == shape.end else end
                time = item.name if name == shape.time else time
        window = shape.window if kind == WINDOWED else None
        if kind == WINDOWED and not ids:
            kind, window = ROWS, None
        if kind == ROWS:
            end = time = ""
        return Shape(kind, frozenset(times), frozenset(ids), end, time, (), shape.is_judged, window)

    def updated(self, node: t.Select, alias: str, shape: Shape) -> tuple[t.Select, Shape]:
        """Give a projection and filter of an updating relation: who stops passing is deleted (C2)."""
        names = {item.expr.name: item.name for item in node.items if has_alias(item.expr, alias)}
        lost = [name for name in shape.key if name not in names]
        if lost:
            raise Refusal(
                "UpdatingInput",
                f"the key of the updating table is lost: {listing(lost)} is not selected",
                node.at,
                f"select {listing(lost)} too",
            )
        if isinstance(node.source, t.Join):
            raise self.no_updating("a join", node.at)
        items = (*node.items, operation_item(alias, node.where))
        key = tuple(names[name] for name in shape.key)
        return replace(node, items=items, where=None), Shape(UPDATING, key=key)

    def is_local(self, node: t.Select, alias: str, shape: Shape) -> bool:
        """Say whether a SELECT looks at the rows of one window at a time."""

        def is_id(expr: t.Node) -> bool:
            return has_alias(expr, alias) and expr.name in shape.ids

        if node.group:
            is_found = all(any(map(is_id, keys)) or self.is_session(keys, alias, shape)
                           for keys in grouping_sets(node))  # fmt: skip
            if is_found:
                self.check_groups(node, alias, shape)
            return is_found
        if any(map(is_aggregate, own_calls(node))):
            return False
        if node.is_distinct and not any(is_id(item.expr) for item in node.items):
            return False
        return all(
            call.window is not None and any(map(is_id, call.window.partition))
            for call in window_calls(node)
        )

    def check_groups(self, node: t.Select, alias: str, shape: Shape) -> None:
        """Refuse DISTINCT and OVER that look at the groups of more than one window."""

        def is_one(exprs: tuple[t.Expr, ...]) -> bool:
            named = any(has_alias(e, alias) and e.name in shape.ids for e in exprs)
            return named or self.is_session(exprs, alias, shape)

        for call in window_calls(node):
            if call.window is not None and not is_one(call.window.partition):
                raise Refusal(
                    "StreamConstruct",
                    "OVER over the groups of all windows would need the stream's end",
                    call.at,
                    "write PARTITION BY window_end",
                )
        if node.is_distinct and not is_one(tuple(item.expr for item in node.items)):
            raise Refusal(
                "StreamConstruct",
                "DISTINCT over the groups of all windows would need the stream's end",
                node.at,
                "select window_end too",
            )

    def is_session(self, keys: tuple[t.Expr, ...], alias: str, shape: Shape) -> bool:
        """Say whether keys tell one session: its start, and what parts the sessions."""
        names = {key.name for key in keys if has_alias(key, alias)}
        if shape.together and shape.together <= names:
            return True
        if shape.window is None or shape.window.kind != SESSION:
            return False
        wanted = {WINDOW_COLUMNS[0], *self.cores.session_keys[alias]}
        return wanted <= names

    def check_subqueries(self, node: t.Select, scope: _Scope) -> None:
        for query, at, word in subqueries(node):
            streamed = [n for n in tables(query) if self.is_streamed(n)]
            streamed += [
                n for n in tables(query, ctes=True) if scope.ctes.get(n, Shape()).kind != STATIC
            ]
            if streamed:
                raise Refusal(
                    "StreamConstruct",
                    f"{word} over a stream asks rows that have not come yet",
                    at,
                    "compute it in a table of its own over a window, or ask a lookup",
                )

    def no_updating(self, what: str, at: int) -> Refusal:
        return Refusal(
            "UpdatingInput",
            f"{what} over an updating table would count its earlier content too",
            at,
            "window the aggregate, or say it in one step",
        )

    # FROM

    def relation(self, node: t.Relation, scope: _Scope) -> tuple[t.Relation, dict[str, Shape]]:
        if isinstance(node, t.Table):
            return self.table(node, scope)
        if isinstance(node, t.Subquery):
            return self.subquery(node, scope)
        if isinstance(node, t.Join):
            return self.join(node, scope)
        return node, {}

    def table(self, node: t.Table, scope: _Scope) -> tuple[t.Relation, dict[str, Shape]]:
        name = node.name
        if node.is_cte:
            name = (scope.nodes or {}).get(node.name, "")
            if not name:
                return node, {node.alias: Shape()}
            node = replace(node, name=name, is_cte=False)
        shape = self.shapes[name]
        if node.columns:
            own = [column for column, _ in node.shape] if node.shape else list(node.columns)
            shape = with_names(shape, dict(zip(own, node.columns, strict=False)))
            if shape.is_judged:
                node = replace(node, columns=(*node.columns, ROW_WATERMARK))
        return node, {node.alias: shape}

    def subquery(self, node: t.Subquery, scope: _Scope) -> tuple[t.Relation, dict[str, Shape]]:
        if node.window is not None and node.window.kind == SESSION:
            return self.session(node, scope)
        query, shape = self.query(node.query, scope)
        if shape.kind == STATIC:
            return node, {node.alias: shape}
        query = self.apart(query, shape)
        shape = with_names(shape, dict(zip(names_of(node.query), node.columns, strict=True)))
        columns = (*node.columns, ROW_WATERMARK) if shape.is_judged else node.columns
        if node.window is not None:
            shape = self.windowed(node.window, shape, node)
        return replace(node, query=query, columns=columns), {node.alias: shape}

    def apart(self, query: t.Query, shape: Shape) -> t.Query:
        """Give a subquery; a union with a bounded side, which the first epoch alone reads, as a node's rows."""
        if not reads_static_side(query.body, self.is_streamed):
            return query
        name = f"{self.step.name}${len(self.nodes)}"
        self.add(query, shape, name)
        hidden = (ROW_WATERMARK,) if shape.is_judged else ()
        union = t.Subquery(query, alias=name, columns=(*names_of(query), *hidden))
        columns = tuple(columns_of(union))
        items = tuple(t.Item(t.Column(name, column, type=kind), column) for column, kind in columns)
        return t.Query(t.Select(items, t.Table(name, shape=columns, alias=name)), at=query.at)

    def session(self, node: t.Subquery, scope: _Scope) -> tuple[t.Relation, dict[str, Shape]]:
        """Give the rows of a session window's input; the node makes sessions of them."""
        inner, keys = session_input(node)
        query, shape = self.query(inner, scope)
        if shape.kind == STATIC:
            return node, {node.alias: shape}
        assert node.window is not None  # noqa: S101 - for the type checker
        columns = tuple(c for c in node.columns if c not in WINDOW_COLUMNS)
        self.cores.session_keys[node.alias] = keys
        made = replace(
            node, query=query, columns=(*columns, ROW_WATERMARK) if shape.is_judged else columns
        )
        return made, {node.alias: self.windowed(node.window, shape, node)}

    def windowed(self, window: t.WindowTable, shape: Shape, node: t.Subquery) -> Shape:
        if shape.kind == UPDATING:
            raise self.no_updating("a window", node.at)
        if not shape.times:
            raise Refusal(
                "WatermarkMissing",
                f"{window.kind.upper()} needs event time, and what it reads has none",
                node.at,
                'declare event_time="column" and watermark="10 seconds" at the source',
            )
        if window.time.lower() not in {name.lower() for name in shape.times}:
            raise Refusal(
                "NotEventTime",
                f"{window.kind.upper()} goes by {window.time!r}, which is not the "
                f"event time ({listing(sorted(shape.times))})",
                node.at,
                "a window over a stream goes by its event time; after a window that is window_time",
            )
        # Windows of CUMULATE share a start, sessions of two keys may; the end is told in any case.
        is_fixed = window.kind in ("tumble", "hop")
        ids = frozenset(WINDOW_COLUMNS) if is_fixed else frozenset(WINDOW_COLUMNS[1:])
        return Shape(
            WINDOWED, shape.times, ids, "window_end", "window_time", (), shape.is_judged, window
        )

    def join(self, node: t.Join, scope: _Scope) -> tuple[t.Relation, dict[str, Shape]]:
        left, lefts = self.relation(node.left, scope)
        right, rights = self.relation(node.right, scope)
        streamed = [
            any(shape.kind != STATIC for shape in side.values()) for side in (lefts, rights)
        ]
        if any(shape.kind == UPDATING for shape in (*lefts.values(), *rights.values())):
            raise self.no_updating("a join", node.at)
        if all(streamed):
            if node.kind in ("full", "cross"):
                raise Refusal(
                    "StreamConstruct",
                    f"{node.kind.upper()} JOIN of streams would need their end",
                    node.at,
                    "join with a lookup",
                )
            raise Refusal(
                "StateUnbounded",
                "a join of two streams keeps every row of both for ever: it has no bound in time",
                node.at,
                "join with a lookup; joins with a bound arrive later",
            )
        if any(streamed) and node.kind not in (_LEFT if streamed[0] else _RIGHT):
            raise Refusal(
                "StreamConstruct",
                f"{node.kind.upper()} JOIN keeps rows of the side that does not "
                "stream, and would need the stream's end",
                node.at,
                "use an inner join, or a LEFT JOIN with the stream on the left",
            )
        return replace(node, left=left, right=right), lefts | rights
