"""Takes the calls of Python functions out of the nodes of a stream.

A node that calls functions of single rows gets them from a node of kind ``map`` before it: so a row is
scored once, when it arrives, whatever keeps it afterwards. What is called with the result of a window
or an aggregate is called between the closing query of its operator and the rows that it gives. What reads
bounded inputs alone is called when those are read. `sql.lift` says which arguments a call gets and when it is made;
here each of its maps finds its place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from typing import cast

from mainstem.errors import Finding
from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan, PythonFunction, Step
from mainstem.plan.stream import MAP, ROWS, STATIC, UPDATING, Shape, StreamNode, StreamPlan
from mainstem.plan.types import BOOL, STRING
from mainstem.record import mutable, record
from mainstem.sql.lift import Map, lifted
from mainstem.sql.order import conjuncts
from mainstem.sql.python_calls import python_calls
from mainstem.sql.stream.latest import with_latest
from mainstem.sql.stream.parts import DELETE, OPERATION, UPSERT, tables
from mainstem.sql.stream.refusal import Refusal
from mainstem.sql.stream.shapes import reads_static_side, without_static_sides
from mainstem.sql.text import Printer

# Whether no result could be had for a row of an updating relation: then its key is deleted.
IS_DEAD = "__is_dead"


@record
class Calling:
    """Functions that are called for each row of a query, under names that people read.

    Parameters
    ----------
    made : Map
        What is called, and with what.
    step : str
        The step that it is a part of.
    columns : tuple of str
        Names of what it gives: the columns that are kept, then the results.
    texts : tuple of str
        Each call as SQL.
    keeps_dead : bool
        Whether a row that no function could be called for stays, with `IS_DEAD`.
    """

    made: Map
    step: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    keeps_dead: bool = False


@record
class Called:
    """A stream plan whose queries call no Python function.

    Parameters
    ----------
    plan : StreamPlan
        With nodes of kind ``map``; a map over bounded inputs alone is one of its `statics`.
    callings : dict
        What is called, by the name of the relation that has the results.
    closing : dict
        By stateful node: the relations that its closing query needs, in order.
    queries : dict
        What steps over bounded inputs are now.
    findings : tuple of Finding
        The calls that a stream cannot have.
    """

    plan: StreamPlan
    callings: Mapping[str, Calling] = field(default_factory=dict)
    closing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queries: Mapping[str, t.Query] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def without_calls(stream: StreamPlan, plan: Plan) -> Called:
    """Give a stream plan without calls of the plan's Python functions; pure.

    Parameters
    ----------
    stream : StreamPlan
        As it was lowered.
    plan : Plan
        Whose steps it has.
    """
    if not plan.functions:
        return Called(stream)
    taker = _Taker(plan, stream)
    taker.run()
    made = replace(
        stream, nodes=tuple(taker.nodes), statics=tuple(taker.statics),
        shapes=stream.shapes | taker.shapes,
    )  # fmt: skip
    return Called(made, taker.callings, taker.closing, taker.queries, tuple(taker.findings))


@mutable
class _Taker:
    """Goes through the bounded steps and the nodes, in order."""

    plan: Plan
    stream: StreamPlan
    nodes: list[StreamNode] = field(default_factory=list)
    statics: list[str] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    callings: dict[str, Calling] = field(default_factory=dict)
    closing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    queries: dict[str, t.Query] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    # Names of the columns of each map, by those that it was made with.
    names: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self) -> None:
        shapes = self.stream.shapes
        streamed = {name for name, shape in shapes.items() if shape.kind != STATIC}
        whole = with_latest(self.plan, streamed).plan
        for name in self.stream.statics:
            step = whole.step(name)
            if step is not None and self.has_calls(step.query):
                self.attempt(step, lambda s=step: self.bounded(s))  # type: ignore[misc]
            self.statics.append(name)
        for node in self.stream.nodes:
            step = self.plan.step(node.step)
            assert step is not None  # noqa: S101 - every node is of one
            self.attempt(step, lambda n=node: self.node(n))  # type: ignore[misc]

    def attempt(self, step: Step, work: Callable[[], None]) -> None:
        try:
            work()
        except Refusal as refused:
            self.findings.append(refused.finding(step))

    def has_calls(self, query: t.Query | None) -> bool:
        names = {one.name for one in self.plan.functions}
        return query is not None and next(python_calls(query, names), None) is not None

    def is_streamed(self, name: str) -> bool:
        shape = self.shapes.get(name) or self.stream.shapes.get(name)
        # Nodes that a step was cut into have no shape of their own in the plan, and stream.
        return shape is None or shape.kind != STATIC

    def bounded(self, step: Step) -> None:
        self.queries[step.name] = self.taken(step.query, step.name, step.name, is_closing=False)[0]

    def node(self, node: StreamNode) -> None:
        """Add a node, behind the maps that it needs."""
        if node.is_stateful:
            self.stateful(node)
        elif self.has_calls(node.first or node.query):
            self.delta(node)
        else:
            self.nodes.append(node)

    def delta(self, node: StreamNode) -> None:
        query = node.first or node.query
        is_updating = node.shape.kind == UPDATING
        query, _ = self.taken(
            query, node.name, node.step, is_closing=False, is_updating=is_updating
        )
        first = query if reads_static_side(query.body, self.is_streamed) else None
        inputs = tuple(name for name in tables(query) if self.is_streamed(name))
        if first is not None:
            query = replace(query, body=without_static_sides(query.body, self.is_streamed))
        self.nodes.append(replace(node, query=query, first=first, inputs=inputs))

    def stateful(self, node: StreamNode) -> None:
        """Take calls out of what is kept of a row, of late rows, and of what is asked of the rest."""
        if self.has_calls(node.rows) or self.has_calls(node.late):
            node = self.kept(node)
        if self.has_calls(node.query):
            query, maps = self.taken(
                node.query, f"{node.name}$end", node.step, is_closing=True,
                is_updating=node.shape.kind == UPDATING,
            )  # fmt: skip
            node = replace(node, query=query)
            self.closing[node.name] = maps
        if self.has_calls(node.keep):
            raise _refused(
                "a top-N is numbered by a Python function of what it gives",
                node.keep, self.plan.functions,
            )  # fmt: skip
        self.nodes.append(node)

    def kept(self, node: StreamNode) -> StreamNode:
        """Let one query give what is kept of a row and what is told of it when it is late."""
        assert node.rows is not None  # noqa: S101 - stateful nodes have them
        rows, late = node.rows.body, None if node.late is None else node.late.body
        assert isinstance(rows, t.Select)  # noqa: S101
        n_rows = len(rows.items)
        if late is not None:
            assert isinstance(late, t.Select)  # noqa: S101
            told = tuple(replace(item, name=f"__l{i}") for i, item in enumerate(late.items))
            rows = replace(rows, items=(*rows.items, *told))
        query, _ = self.taken(replace(node.rows, body=rows), node.name, node.step, is_closing=False)
        body = query.body
        assert isinstance(body, t.Select)  # noqa: S101
        made = replace(query, body=replace(body, items=body.items[:n_rows]))
        if late is not None:
            assert isinstance(late, t.Select)  # noqa: S101
            told = tuple(
                replace(item, name=own.name)
                for item, own in zip(body.items[n_rows:], late.items, strict=True)
            )
            node = replace(node, late=replace(query, body=replace(body, items=told)))
        inputs = tuple(name for name in tables(made) if self.is_streamed(name))
        return replace(node, rows=made, inputs=inputs)

    def taken(
        self, query: t.Query, name: str, step: str, *, is_closing: bool, is_updating: bool = False
    ) -> tuple[t.Query, tuple[str, ...]]:  # fmt: skip
        """Give a query without calls, and the names of the relations that its maps give."""
        functions = {one.name for one in self.plan.functions}
        if is_updating:
            query = _guarded(query, functions)
        found = lifted(query, self.plan.functions, name)
        if found.problem is not None:
            what, at, fix = found.problem
            raise Refusal("FunctionPlace", what, at, fix)
        labels = _labels(found.query) if is_closing else None
        own = [
            made.name for made in found.maps
            if self.map(made, step, labels, is_closing=is_closing, is_updating=is_updating)
        ]  # fmt: skip
        rest = cast("t.Query", self.renamed(found.query))
        if is_updating and len(own) > 1:
            raise _refused(
                "over an updating table no call takes what is computed from another's result",
                query, self.plan.functions,
            )  # fmt: skip
        return _deleting(rest, own[0]) if is_updating and own else rest, tuple(own)

    def map(
        self, made: Map, step: str, labels: Mapping[t.Node, str] | None, *, is_closing: bool,
        is_updating: bool,
    ) -> bool:  # fmt: skip
        """Add a map where it belongs; say whether it is called for rows of the stream."""
        query = cast("t.Query", self.renamed(made.query))
        made = replace(made, query=query)
        columns = _columns(made, labels)
        old = [
            *(f"c{i}" for i in range(len(made.kept))), *(f"r{i}" for i in range(len(made.calls)))
        ]  # fmt: skip
        self.names[made.name] = dict(zip(old, columns, strict=True))
        inputs = tuple(name for name in tables(query) if self.is_streamed(name))
        self.callings[made.name] = Calling(
            made, step, columns, _texts(made), is_updating and bool(inputs)
        )
        self.shapes[made.name] = Shape(ROWS) if inputs else Shape()
        if not inputs:
            self.statics.append(made.name)
        elif not is_closing:
            self.nodes.append(StreamNode(made.name, step, MAP, Shape(ROWS), inputs, query))
        return bool(inputs)

    def renamed(self, node: t.Node) -> t.Node:
        """Give a node under the names that the columns of maps have here."""
        if isinstance(node, t.Column) and node.relation in self.names:
            return replace(node, name=self.names[node.relation][node.name])
        if isinstance(node, t.Table) and not node.is_cte and node.name in self.names:
            names = self.names[node.name]
            return replace(node, shape=tuple((names[n], x) for n, x in node.shape))
        return t.rebuilt(node, self.renamed)


def _labels(query: t.Query) -> dict[t.Node, str]:
    """Give the names under which a query gives columns of other relations."""
    body = query.body
    items = body.items if isinstance(body, t.Select) else ()
    return {item.expr: item.name for item in items if isinstance(item.expr, t.Column)}


def _columns(made: Map, labels: Mapping[t.Node, str] | None) -> tuple[str, ...]:
    """Give the names of what a map gives: those of the columns that it keeps, and of its functions.

    What an operator keeps has no name for people, but by `labels`; what begins with two underscores is
    not told.
    """
    body = made.query.body
    assert isinstance(body, t.Select)  # noqa: S101 - as `sql.lift` makes it
    wanted = []
    for item in body.items[: len(made.kept)]:
        name = item.expr.name if isinstance(item.expr, t.Column) else item.name
        if labels is not None and name != OPERATION:
            label = labels.get(t.Column(made.name, item.name, type=item.expr.type), "")
            name = label or f"__{name}"
        wanted.append(name)
    wanted += [call.function for call in made.calls]
    names: list[str] = []
    for name in wanted:
        number, own = 1, name
        # Names have no case.
        while own.lower() in {known.lower() for known in names}:
            number += 1
            own = f"{name}_{number}"
        names.append(own)
    return tuple(names)


def _texts(made: Map) -> tuple[str, ...]:
    """Give the calls of a map as SQL."""
    body = made.query.body
    assert isinstance(body, t.Select)  # noqa: S101 - as `sql.lift` makes it
    printer, texts = Printer(), list[str]()
    arguments = body.items[len(made.kept) :]
    for call in made.calls:
        args = [printer.expr(arguments[n].expr) if n >= 0 else texts[-1 - n] for n in call.args]
        texts.append(f"{call.function}({', '.join(args)})")
    return tuple(texts)


def _operation(query: t.Query) -> tuple[t.Select, int]:
    """Give the SELECT of an updating relation, and which of its outputs is the operation."""
    body = query.body
    assert isinstance(body, t.Select)  # noqa: S101 - updating relations have no unions
    return body, next(i for i, item in enumerate(body.items) if item.name == OPERATION)


def _guarded(query: t.Query, functions: Collection[str]) -> t.Query:
    """Call functions for the rows that stay: what is deleted is known by its key."""
    body, at = _operation(query)
    operation = body.items[at].expr
    conditions: list[t.Expr] = []
    if isinstance(operation, t.Case):
        # A condition that calls functions itself would call them once more.
        conditions = [
            one for one in conjuncts(operation.whens[0][0])
            if next(python_calls(one, functions), None) is None
        ]  # fmt: skip
    elif isinstance(operation, t.Column):
        upsert = t.Literal(UPSERT, "string", type=STRING)
        conditions = [t.InList(operation, (upsert,), type=BOOL)]

    def guarded(expr: t.Expr) -> t.Expr:
        for one in reversed(conditions):
            expr = t.Case(((one, expr),), None, type=expr.type)
        return expr

    items = tuple(
        replace(item, expr=guarded(item.expr))
        if i != at and next(python_calls(item.expr, functions), None) is not None else item
        for i, item in enumerate(body.items)
    )  # fmt: skip
    return replace(query, body=replace(body, items=items))


def _deleting(query: t.Query, name: str) -> t.Query:
    """Let a row without a result be a deletion of its key: its earlier content is not its answer."""
    body, at = _operation(query)
    own = body.items[at]
    delete = t.Literal(DELETE, "string", type=STRING)
    is_dead = t.Column(name, IS_DEAD, type=BOOL)
    item = replace(own, expr=t.Case(((is_dead, delete),), own.expr, type=STRING))
    items = (*body.items[:at], item, *body.items[at + 1 :])
    return replace(query, body=replace(body, items=items))


def _refused(what: str, query: t.Query | None, functions: tuple[PythonFunction, ...]) -> Refusal:
    assert query is not None  # noqa: S101 - it has a call
    call = next(python_calls(query, {one.name for one in functions}))
    return Refusal(
        "FunctionPlace", f"{what} ({call.name})", call.at,
        f"call {call.name} in a view, and read its result here",
    )  # fmt: skip
