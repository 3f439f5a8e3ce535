"""Binds what stands in FROM: tables, subqueries, joins, UNNEST, PIVOT and window tables."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from mainstem.errors import Findings, listing, nearest
from mainstem.plan import tree as t
from mainstem.plan.types import BIGINT, UNKNOWN, Type
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.bind_expr import ExpressionBinder
from mainstem.sql.bind_name import Context
from mainstem.sql.order import conjuncts
from mainstem.sql.parse import WINDOW_TABLES
from mainstem.sql.scope import Columns, Named, Scope, Visible
from mainstem.sql.tokens import Text
from mainstem.sql.windows import window_table


class RelationBinder(ExpressionBinder):
    """Relations, each of which adds itself to the scope that it stands in."""

    def __init__(self, text: Text, params: Mapping[str, Type], findings: Findings) -> None:
        super().__init__(text, params, findings)
        self.inputs: dict[str, None] = {}
        self.n_aliases = 0
        # By identity; the node is kept, so that no other gets its id.
        self.pivots: dict[int, tuple[t.Pivot, t.Subquery]] = {}

    @abstractmethod
    def query(self, node: t.Query, outer: Scope | None, named: Named) -> tuple[t.Query, Columns]:
        """Bind a query."""

    @abstractmethod
    def renamed(self, columns: Columns, names: Sequence[str], node: t.Node, what: str) -> Columns:
        """Give columns under the names of an alias list."""

    def relation(self, node: t.Relation, scope: Scope, named: Named) -> t.Relation:
        """Bind a relation and add what it shows to `scope`."""
        if isinstance(node, t.Table):
            return self.table(node, scope, named)
        if isinstance(node, t.Subquery):
            outer = scope if node.is_lateral else scope.outer
            query, columns = self.query(node.query, outer, named)
            self.check_output(columns, node)
            columns = self.renamed(columns, node.columns, node, node.alias)
            shown = self.show(node, node.alias, columns, scope)
            names = tuple(n for n, _ in columns)
            return t.Subquery(
                query, node.is_lateral, node.window, alias=shown.alias, columns=names, at=node.at
            )
        if isinstance(node, t.Join):
            return self.join(node, scope, named)
        if isinstance(node, t.Pivot):
            return self.relation(self.pivot(node, named), scope, named)
        assert isinstance(node, t.TableCall)  # noqa: S101 - for the type checker
        return self.table_call(node, scope, named)

    def show(self, node: t.Node, shown: str, columns: Columns, scope: Scope) -> Visible:
        """Add a relation to the scope under an alias that no scope around it uses."""
        if shown and scope.relation(shown) is not None:
            self.report(
                "DuplicateName",
                f"{shown!r} stands twice in FROM",
                node,
                "give one of them an alias: … AS x",
            )
        taken = scope.aliases()
        alias = shown
        while not alias or alias.lower() in taken:
            self.n_aliases += 1
            alias = f"{shown or '_q'}_{self.n_aliases}"
        visible = Visible(shown or alias, alias, columns)
        scope.relations.append(visible)
        return visible

    def check_output(self, columns: Columns, node: t.Node) -> None:
        """Report output columns that nobody could tell apart."""
        seen: set[str] = set()
        for name, _ in columns:
            if name.lower() in seen:
                self.report(
                    "DuplicateName",
                    f"two columns are called {name!r}",
                    node,
                    f"rename one: … AS {name}_2",
                )
            seen.add(name.lower())

    def table(self, node: t.Table, scope: Scope, named: Named) -> t.Relation:
        lowered = node.name.lower()
        found = named.ctes.get(lowered)
        is_cte = found is not None
        if found is None:
            found = named.tables.get(lowered)
        if found is None:
            close = nearest(node.name, named.names())
            self.report(
                "TableNotFound",
                f"no source, view or table {node.name!r} (there are: {listing(named.names())})",
                node,
                f"write {close}" if close else "declare it with p.source or p.view",
            )
            self.show(node, node.alias or node.name, (), scope)
            # Every column of a table that is not there would be one more finding.
            scope.relations[-1] = _Anything(
                scope.relations[-1].shown, scope.relations[-1].alias, ()
            )
            return node
        name, columns = found
        if not is_cte:
            self.inputs.setdefault(name)
        columns = self.renamed(columns, node.columns, node, node.alias)
        shown = self.show(node, node.alias or node.name, columns, scope)
        names = tuple(n for n, _ in columns) if node.columns else ()
        return t.Table(name, is_cte, columns, alias=shown.alias, columns=names, at=node.at)

    # Joins

    def join(self, node: t.Join, scope: Scope, named: Named) -> t.Join:
        mark = len(scope.relations)
        left = self.relation(node.left, scope, named)
        middle = len(scope.relations)
        right = self.relation(node.right, scope, named)
        condition = self.using(node, scope, mark, middle, named) if node.using else None
        if node.on is not None:
            sides = Scope(scope.outer, scope.relations[mark:])
            condition = self.condition(node.on, Context(sides, named, "ON"))
        if node.kind in ("semi", "anti"):
            del scope.relations[middle:]
        if node.kind.startswith("asof"):
            self.check_asof(node, condition, {r.alias for r in scope.relations[middle:]})
        return t.Join(node.kind, left, right, condition, at=node.at)

    def using(
        self, node: t.Join, scope: Scope, mark: int, middle: int, named: Named
    ) -> t.Expr | None:
        """Turn USING into ON, and merge its columns for unqualified names and `*`."""
        lefts = Scope(scope.outer, scope.relations[mark:middle], dict(scope.using))
        rights = Scope(scope.outer, scope.relations[middle:])
        condition: t.Expr | None = None
        context = Context(lefts, named, "USING")
        for name in node.using:
            a, b = self.side(name, lefts, node), self.side(name, rights, node)
            if a is None or b is None:
                continue
            equal = self.bind_call(
                t.Call(">=" if self.is_last_asof(node, name) else "=", (a, b), at=node.at), context
            )
            if condition is not None:
                equal = self.bind_call(t.Call("and", (condition, equal), at=node.at), context)
            condition = equal
            merged: t.Expr = {"right": b, "full": t.Call("coalesce", (a, b), at=node.at)}.get(
                node.kind, a
            )
            if node.kind == "full":
                merged = self.expr(merged, context)
            covered = frozenset(r.alias for r in scope.relations[mark:] if r.find(name))
            scope.using[name.lower()] = (name, merged, covered)
        hidden = frozenset(n.lower() for n in node.using)
        for i in range(middle, len(scope.relations)):
            relation = scope.relations[i]
            scope.relations[i] = dataclasses.replace(relation, merged=relation.merged | hidden)
        return condition

    def is_last_asof(self, node: t.Join, name: str) -> bool:
        return node.kind.startswith("asof") and name == node.using[-1]

    def side(self, name: str, scope: Scope, node: t.Join) -> t.Expr | None:
        found = scope.candidates(name)
        if len(found) == 1:
            return found[0]
        known = [c for r in scope.relations for c, _ in r.columns]
        if any(isinstance(r, _Anything) for r in scope.relations):
            return None
        what = "in no" if not found else "in several"
        close = nearest(name, known)
        self.report(
            "ColumnNotFound",
            f"USING ({name}): the column is {what} table of one side (columns: {listing(known)})",
            node,
            f"write {close}" if close else "use ON",
        )
        return None

    def check_asof(self, node: t.Join, condition: t.Expr | None, rights: set[str]) -> None:
        """ASOF takes equalities and one inequality: left time >= right time."""
        parts = list(conjuncts(condition)) if condition is not None else []
        inequalities = [
            p for p in parts if isinstance(p, t.Call) and p.name in ("<", "<=", ">", ">=")
        ]
        equalities = [p for p in parts if isinstance(p, t.Call) and p.name == "="]
        if any(t.type_of(p) == UNKNOWN for p in parts):
            return
        if len(inequalities) != 1 or len(inequalities) + len(equalities) != len(parts):
            self.report(
                "AsofCondition",
                "ASOF JOIN takes equalities and exactly one of <, <=, >, >=",
                node,
                "write ON a.key = b.key AND a.ts >= b.ts",
            )
            return
        calls = [p for p in parts if isinstance(p, t.Call)]
        sides = [
            {n.relation for n in t.walk(a) if isinstance(n, t.Column)}
            for c in calls
            for a in c.args
        ]
        pairs = zip(sides[::2], sides[1::2], strict=True)
        if not all(_are_sides(a, b, rights) for a, b in pairs):
            what = "each condition of ASOF compares a value of the left with one of the right table"
            self.report("AsofCondition", what, node, "write ON a.key = b.key AND a.ts >= b.ts")
        if isinstance(node.right, t.Join):
            fix = "put the joined tables into a subquery: (SELECT … FROM …) AS b"
            self.report("AsofCondition", "the right side of ASOF JOIN is one table", node, fix)

    # Tables that are computed

    def table_call(self, node: t.TableCall, scope: Scope, named: Named) -> t.Relation:
        if node.name in WINDOW_TABLES:
            made = window_table(node, lambda what, fix: self.report("WindowTable", what, node, fix))
            return (
                self.relation(made, scope, named) if made is not None else self.broken(node, scope)
            )
        args: tuple[t.Expr, ...] = node.args
        if node.name in ("range", "generate_series"):
            args = (t.Call(node.name, node.args, at=node.at),)
        elif node.name != "unnest":
            self.report(
                "FunctionNotFound",
                f"no table function {node.name!r}",
                node,
                "there are UNNEST, range, generate_series, TUMBLE, HOP, SESSION and CUMULATE",
            )
            return self.broken(node, scope)
        bound = tuple(self.expr(a, Context(scope, named, "UNNEST")) for a in args)
        types = []
        for arg, raw in zip(bound, args, strict=True):
            type_ = t.type_of(arg)
            if type_.kind not in ("list", "unknown"):
                self.report(
                    "TypeMismatch",
                    f"UNNEST takes a list, not {type_}",
                    raw,
                    "for a map use map_entries(x)" if type_.kind == "map" else "",
                )
            types.append(type_.items[0] if type_.kind == "list" else UNKNOWN)
        names = (
            [node.alias or node.name] if len(types) == 1 else [f"col{i}" for i in range(len(types))]
        )
        columns: Columns = tuple(zip(names, types, strict=True))
        if node.has_ordinality:
            columns = (*columns, ("ordinality", BIGINT))
        columns = self.renamed(columns, node.columns, node, node.alias or node.name)
        shown = self.show(node, node.alias or node.name, columns, scope)
        return t.TableCall(
            "unnest",
            bound,
            node.has_ordinality,
            alias=shown.alias,
            columns=tuple(n for n, _ in columns),
            types=tuple(types),
            at=node.at,
        )

    def broken(self, node: t.TableCall, scope: Scope) -> t.Relation:
        shown = self.show(node, node.alias or node.name, (), scope)
        scope.relations[-1] = _Anything(shown.shown, shown.alias, ())
        return node

    def pivot(self, node: t.Pivot, named: Named) -> t.Subquery:
        """Spell PIVOT out, once for each: a pivot of a pivot would be bound twice at each level."""
        if id(node) not in self.pivots:
            self.pivots[id(node)] = (node, self.spelled_pivot(node, named))
        return self.pivots[id(node)][1]

    def spelled_pivot(self, node: t.Pivot, named: Named) -> t.Subquery:
        """Spell PIVOT out as aggregates with FILTER; the other columns are the groups."""
        probe = Scope()
        quiet = Findings()
        binder = type(self)(self.text, self.params, quiet)
        binder.pivots = self.pivots
        binder.relation(node.source, probe, named)
        used = {
            n.parts[-1].lower()
            for e in (node.on, *(v.expr for v in node.values))
            for n in t.walk(e)
            if isinstance(n, t.Name)
        }
        groups = node.group or tuple(
            t.Name((c,), at=node.at)
            for r in probe.relations
            for c, _ in r.columns
            if c.lower() not in used
        )
        items = [t.Item(g, at=node.at) for g in groups]
        for case in node.cases:
            label = case.name or (str(case.expr.value) if isinstance(case.expr, t.Literal) else "")
            items += [
                t.Item(
                    self.pivoted(value.expr, node.on, case),
                    _pivot_name(label, value, node),
                    at=case.at,
                )
                for value in node.values
            ]
        select = t.Select(tuple(items), node.source, group=groups, at=node.at)
        if not groups:
            select = dataclasses.replace(select, group=())
        return t.Subquery(
            t.Query(select, at=node.at), alias=node.alias, columns=node.columns, at=node.at
        )

    def pivoted(self, expr: t.Expr, on: t.Expr, case: t.Item) -> t.Expr:
        equal = t.Call("=", (on, case.expr), at=case.at)

        def change(node: t.Node) -> t.Node:
            if isinstance(node, t.Call) and is_aggregate(node):
                where = (
                    equal if node.where is None else t.Call("and", (node.where, equal), at=node.at)
                )
                return dataclasses.replace(node, where=where)
            return t.rebuilt(node, change)

        changed = change(expr)
        assert isinstance(changed, t.Expr)  # noqa: S101 - for the type checker
        return changed


class _Anything(Visible):
    """A relation that was not found: every column of it is unknown and gives no finding."""

    __slots__ = ()

    def find(self, name: str) -> tuple[str, Type] | None:
        return name, UNKNOWN


def _pivot_name(label: str, value: t.Item, node: t.Pivot) -> str:
    if value.name:
        return f"{label}_{value.name}"
    if len(node.values) == 1:
        return label
    return f"{label}_{value.expr.name}" if isinstance(value.expr, t.Call) else label


def _are_sides(a: set[str], b: set[str], rights: set[str]) -> bool:
    """Say whether one of two values reads the right side alone, and the other the left alone."""
    ours, others = (a, b) if a & rights else (b, a)
    return bool(ours) and ours <= rights and bool(others) and not others & rights
