"""What a run adds to each table: the same rows again, only new ones, or something in between.

A source that is read incrementally gives each run the rows that no earlier run has seen. What is
made of them one by one is final, so it may be appended to what earlier runs wrote. What is made of
several of them (a group, a window, a distinct row) is not: tomorrow's rows could belong to it too,
and the group would be written twice. The analysis is over the bound tree and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mainstem.connectors.keyed import mode_name
from mainstem.errors import Finding, Place
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.nodes import Binding, Plan, Source, Step, streaming
from mainstem.record import record

STATIC, DELTA, UNSAFE = "static", "delta", "unsafe"

# How each kind of join treats a side of new rows, when the other side is read whole. A kind that
# stands nowhere here would have to say what a row of today means for a row of yesterday.
_NEW_LEFT = frozenset({"inner", "cross", "left", "semi", "anti", "asof", "asof_left"})
_NEW_RIGHT = frozenset({"inner", "cross", "right"})

_JOINS = {
    "inner": "JOIN", "cross": "CROSS JOIN", "left": "LEFT JOIN", "right": "RIGHT JOIN",
    "full": "FULL JOIN", "semi": "SEMI JOIN", "anti": "ANTI JOIN", "asof": "ASOF JOIN",
    "asof_left": "ASOF LEFT JOIN",
}  # fmt: skip
_LATEST = "row_number() OVER"
FIX = "merge by key (mode=ms.merge(key=…)) or replace whole partitions (overwrite_partitions)"


@record
class Growth:
    """How a relation grows from run to run.

    Parameters
    ----------
    kind : str
        ``static``: a run gives all rows, the same ones while the inputs are the same. ``delta``: a
        run gives rows that no other run gives, and each is final. ``unsafe``: neither.
    operator, why : str
        Of ``unsafe``: the operator as people write it, and what it does to new rows.
    step : str
        The step, or the source, in which that operator stands.
    at : int
        Offset of it in the step's SQL; -1 when it has no place.
    """

    kind: str
    operator: str = ""
    why: str = ""
    step: str = ""
    at: int = -1


FULL = Growth(STATIC)
NEW = Growth(DELTA)


def is_incremental(source: Source) -> bool:
    """Say whether a run reads only what no committed run has read."""
    options = source.binding.as_dict()
    return options.get("incremental") is True or bool(options.get("cursor"))


def growths(plan: Plan) -> dict[str, Growth]:
    """Give how every source and step grows, by name; pure."""
    found = {source.name: _source(source) for source in plan.sources}
    for step in plan.steps:
        work = _Query(step, found)
        found[step.name] = work.reduced(work.query(step.query, {}))
    return found


def _source(source: Source) -> Growth:
    if not is_incremental(source):
        return FULL
    if source.binding.as_dict().get("changed") == "reread":
        why = "gives all rows of a changed file again, beside those that were written before"
        return Growth(UNSAFE, 'changed="reread"', why, source.name)
    return NEW


class _Query:
    """The growth of one step's query, over those of what it reads."""

    def __init__(self, step: Step, known: Mapping[str, Growth]) -> None:
        self.step = step
        self.known = known

    def query(self, node: t.Query, ctes: Mapping[str, Growth]) -> Growth:
        scope = dict(ctes)
        for cte in node.ctes:
            if node.is_recursive and _reads(cte.query, cte.name):
                scope[cte.name] = FULL  # what it is while it is looked at
                grown = self.query(cte.query, scope)
                if grown.kind == DELTA:
                    grown = self.unsafe("WITH RECURSIVE", "joins new rows with one another", cte.at)
                scope[cte.name] = grown
            else:
                scope[cte.name] = self.query(cte.query, scope)
        grown = self.body(node.body, scope)
        if grown.kind == DELTA and (node.limit is not None or node.offset is not None):
            limit = node.limit or node.offset
            return self.unsafe("LIMIT", "keeps other rows when there are more", _at(limit))
        return grown

    def reduced(self, grown: Growth) -> Growth:
        """Give the growth of the step: what a job reduces is a group of one run."""
        if grown.kind != DELTA or self.step.job is None or self.step.job.is_map_only:
            return grown
        why = "gives the groups of this run, though later runs may add to a group"
        return self.unsafe("reduce", why, -1)

    def body(self, node: t.Body, ctes: Mapping[str, Growth]) -> Growth:
        if isinstance(node, t.Select):
            return self.select(node, ctes)
        if isinstance(node, t.SetOperation):
            return self.set_operation(node, ctes)
        return self.with_subqueries(FULL, [e for row in node.rows for e in row], ctes)

    def select(self, node: t.Select, ctes: Mapping[str, Growth]) -> Growth:
        grown = FULL if node.source is None else self.relation(node.source, ctes)
        inner = [item.expr for item in node.items]
        inner += [e for e in (node.where, node.having, node.qualify) if e is not None]
        inner += [e for g in node.group for e in _grouped(g)]
        grown = self.with_subqueries(grown, inner, ctes)
        if grown.kind != DELTA:
            return grown
        return self.stateful(node) or grown

    def stateful(self, node: t.Select) -> Growth | None:
        """Give what makes one row out of several, when the SELECT has such a thing."""
        if node.group:
            why = "gives a row for each group of this run, though later runs may add to the group"
            return self.unsafe("GROUP BY", why, _at(node.group[0]))
        for item in [*(i.expr for i in node.items), node.having, node.qualify]:
            for call in _calls(item):
                kind = catalogue()[call.name].kind if call.name in catalogue() else "scalar"
                if call.window is not None:
                    why = "looks at other rows of this run only, and later runs may bring more"
                    return self.unsafe(self.named(call), why, call.at)
                if kind == "aggregate":
                    why = "gives one row for this run, though later runs add to it"
                    return self.unsafe(f"{call.name}()", why, call.at)
        if node.is_distinct:
            why = "knows the rows of this run only, and an earlier run may have written the same"
            return self.unsafe("DISTINCT", why, node.at)
        return None

    def named(self, call: t.Call) -> str:
        # A session window is spelled out as window functions; its own word stands at their place.
        is_session = self.step.text[call.at : call.at + 7].upper() == "SESSION"
        return "SESSION" if call.at >= 0 and is_session else f"{call.name}() OVER"

    def with_subqueries(
        self, grown: Growth, inner: list[t.Expr], ctes: Mapping[str, Growth]
    ) -> Growth:
        """Take the subqueries of expressions into account: new rows there change old answers."""
        if grown.kind == UNSAFE:
            return grown
        for expr in inner:
            for node in _subqueries(expr):
                below = self.query(node.query, ctes)
                if below.kind == UNSAFE:
                    return below
                if below.kind == DELTA:
                    word = {t.Exists: "EXISTS", t.InQuery: "IN (SELECT)"}.get(type(node))
                    why = "asks the rows of this run only, and later runs may bring others"
                    return self.unsafe(word or "a scalar subquery", why, node.at)
        return grown

    def set_operation(self, node: t.SetOperation, ctes: Mapping[str, Growth]) -> Growth:
        left, right = self.query(node.left, ctes), self.query(node.right, ctes)
        for side in (left, right):
            if side.kind == UNSAFE:
                return side
        if left.kind == right.kind == STATIC:
            return FULL
        word = node.kind.upper() + (" ALL" if node.is_all else "")
        if word == "UNION ALL":
            if left.kind == right.kind:
                return NEW
            why = "adds the rows of a full source to the new ones, and every run does so again"
            return self.unsafe(word, why, node.at)
        why = "compares rows of this run only, and an earlier run may have had the same"
        return self.unsafe(word, why, node.at)

    def relation(self, node: t.Relation, ctes: Mapping[str, Growth]) -> Growth:
        if isinstance(node, t.Table):
            return ctes.get(node.name, FULL) if node.is_cte else self.known.get(node.name, FULL)
        if isinstance(node, t.Subquery):
            return self.query(node.query, ctes)
        if isinstance(node, t.Join):
            return self.join(node, ctes)
        if isinstance(node, t.TableCall) and node.table is not None:
            return self.relation(node.table, ctes)
        # UNNEST and range make rows out of the row beside them, or out of nothing.
        return FULL

    def join(self, node: t.Join, ctes: Mapping[str, Growth]) -> Growth:
        left, right = self.relation(node.left, ctes), self.relation(node.right, ctes)
        if node.kind.startswith("asof") and right.operator == _LATEST:
            # The binder settles ties on that side by a window that nobody wrote.
            right = NEW
        for side in (left, right):
            if side.kind == UNSAFE:
                return side
        on = [] if node.on is None else [node.on]
        if left.kind == right.kind == STATIC:
            return self.with_subqueries(FULL, on, ctes)
        word = _JOINS.get(node.kind, node.kind.upper())
        if left.kind == right.kind:
            why = "joins new rows with new rows, so that those of different runs never meet"
            return self.unsafe(word, why, node.at)
        is_kept = node.kind in (_NEW_LEFT if left.kind == DELTA else _NEW_RIGHT)
        if is_kept:
            return self.with_subqueries(NEW, on, ctes)
        why = "gives the rows of the full side again in every run"
        return self.unsafe(word, why, node.at)

    def unsafe(self, operator: str, why: str, at: int) -> Growth:
        return Growth(UNSAFE, operator, why, self.step.name, at)


def _reads(query: t.Query, name: str) -> bool:
    return any(isinstance(n, t.Table) and n.is_cte and n.name == name for n in t.walk(query))


def _grouped(node: t.Expr | t.Grouping) -> list[t.Expr]:
    return [e for each in node.sets for e in each] if isinstance(node, t.Grouping) else [node]


def _calls(node: t.Node | None) -> Iterator[t.Call]:
    """Give the calls of an expression, those of its subqueries left out."""
    if node is None or isinstance(node, t.Query):
        return
    if isinstance(node, t.Call):
        yield node
    for child in t.children(node):
        yield from _calls(child)


def _subqueries(node: t.Node) -> Iterator[t.Scalar | t.Exists | t.InQuery]:
    """Give the outermost subqueries of an expression."""
    if isinstance(node, t.Scalar | t.Exists | t.InQuery):
        yield node
        return
    for child in t.children(node):
        yield from _subqueries(child)


def _at(node: t.Node | None) -> int:
    if node is None:
        return -1
    if isinstance(node, t.Grouping) and node.at < 0:
        return min((n.at for n in t.walk(node) if n.at >= 0), default=-1)
    return node.at


# What it means for tables


def mode_of(sink: Binding | None) -> str:
    """Give the word of a table's mode: ``overwrite`` unless something else is said."""
    mode = None if sink is None else sink.as_dict().get("mode")
    return mode_name(mode or "overwrite")


Locate = Callable[[Step, int], tuple[Place, str]]


def refusals(plan: Plan, locate: Locate | None = None) -> list[Finding]:
    """Give what appending, or writing only new rows, would get wrong; errors and warnings.

    Parameters
    ----------
    plan : Plan
        A bound plan.
    locate : callable, optional
        Gives the place in the user's file, and the line with a caret, of an offset in a step's SQL;
        without it a finding stands at the declaration of the step.
    """
    grown = growths(plan)
    # A stream has no runs that could see rows twice: its positions and tokens do that.
    endless = streaming(plan.sources, plan.steps)
    found = (
        _judged(plan, step, grown[step.name], locate or _declared)
        for step in plan.tables if step.name not in endless
    )  # fmt: skip
    return [finding for finding in found if finding is not None]


def _declared(step: Step, _at: int) -> tuple[Place, str]:
    return step.where, ""


def needs_key(plan: Plan) -> list[str]:
    """Give the tables that append all rows of full sources: safe with a run key, else doubled."""
    grown, endless = growths(plan), streaming(plan.sources, plan.steps)
    return [
        s.name for s in plan.tables
        if mode_of(s.sink) == "append" and grown[s.name].kind == STATIC and s.name not in endless
    ]  # fmt: skip


def _judged(plan: Plan, step: Step, grown: Growth, locate: Locate) -> Finding | None:
    mode, name = mode_of(step.sink), step.name
    if mode == "append":
        return _judged_append(plan, step, grown, locate)
    if grown.kind == STATIC:
        return None
    if mode == "overwrite":
        return Finding(
            "NewRowsReplaceAll",
            f"table {name!r} is replaced by the rows of this run alone: what it reads is incremental",
            step.where, 'write mode="append", ms.merge(key=…) or overwrite_partitions, or read the '
            "source whole", "warning", step=name,
        )  # fmt: skip
    if grown.kind == DELTA or plan.step(grown.step) is None:
        return None
    place, snippet, seen = _placed(plan, step, grown, locate)
    return Finding(
        "NewRowsOnly",
        f"table {name!r} gets what {grown.operator}{seen} makes of the rows of one run: it "
        f"{grown.why}",
        place, "read the source whole where one run may bring only a part of a group or partition",
        "warning", step=grown.step, snippet=snippet,
    )  # fmt: skip


def _judged_append(plan: Plan, step: Step, grown: Growth, locate: Locate) -> Finding | None:
    if grown.kind == DELTA:
        return None
    if grown.kind == STATIC:
        return Finding(
            "AppendNeedsKey",
            f"table {step.name!r} appends all rows of full sources: each run needs a key of its own",
            step.where, "run with --run-key, or read a source with incremental=True or cursor=",
            "warning", step=step.name,
        )  # fmt: skip
    place, snippet, seen = _placed(plan, step, grown, locate)
    return Finding(
        "AppendNotFinal", f"table {step.name!r} appends, and {grown.operator}{seen} {grown.why}",
        place, FIX, step=grown.step, snippet=snippet,
    )  # fmt: skip


def _placed(plan: Plan, step: Step, grown: Growth, locate: Locate) -> tuple[Place, str, str]:
    """Give the operator's place, the line with a caret, and whose it is when not the table's own."""
    seen = "" if grown.step == step.name else f" of {grown.step!r}"
    other = plan.step(grown.step)
    if other is None:
        source = plan.source(grown.step)
        return (source.where if source else step.where), "", seen
    return *locate(other, grown.at), seen
