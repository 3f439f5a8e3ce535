"""Binds queries: SELECT with all its clauses, VALUES, set operations and WITH.

One pass resolves names, expands stars, aliases, GROUP BY ALL, USING, PIVOT and window tables, types
every expression from the closed catalogue and reports all that is wrong, each with its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mainstem.errors import listing, nearest
from mainstem.plan import tree as t
from mainstem.plan.types import (
    BIGINT,
    NULL,
    UNKNOWN,
    Type,
)
from mainstem.sql import overloads
from mainstem.sql.bind_expr import projected
from mainstem.sql.bind_name import Context
from mainstem.sql.grouping import MAX_SETS, Groups, count_sets, spelled_out
from mainstem.sql.relations import RelationBinder
from mainstem.sql.scope import Columns, Named, Scope


class Binder(RelationBinder):
    """Queries; relations come from `RelationBinder`, expressions from `ExpressionBinder`."""

    def subquery(self, query: t.Query, context: Context) -> tuple[t.Query, Columns]:
        return self.query(query, context.scope, context.named)

    def query(self, node: t.Query, outer: Scope | None, named: Named) -> tuple[t.Query, Columns]:
        """Bind a query that sees `outer`; give the tree and its columns."""
        ctes: list[t.Cte] = []
        for cte in node.ctes:
            if any(cte.name.lower() == other.name.lower() for other in ctes):
                self.report("DuplicateName", f"WITH {cte.name!r} stands twice", cte, "rename one")
            bound, columns = self.cte(cte, outer, named, is_recursive=node.is_recursive)
            named = named.with_cte(cte.name, columns)
            ctes.append(bound)
        if isinstance(node.body, t.Select):
            body: t.Body
            body, columns, order = self.select(node.body, node.order, outer, named)
        else:
            body, columns = self.body(node.body, outer, named)
            order = self.output_order(node.order, columns)
        limit, offset = (
            self.count(node.limit, "LIMIT", named),
            self.count(node.offset, "OFFSET", named),
        )
        return t.Query(
            body, tuple(ctes), node.is_recursive, order, limit, offset, at=node.at
        ), columns

    def cte(
        self, node: t.Cte, outer: Scope | None, named: Named, *, is_recursive: bool
    ) -> tuple[t.Cte, Columns]:
        if (
            is_recursive
            and isinstance(node.query.body, t.SetOperation)
            and _reads(node.query.body.right, node.name)
        ):
            return self.recursive(node, node.query.body, outer, named)
        query, columns = self.query(node.query, outer, named)
        columns = self.renamed(columns, node.columns, node, node.name)
        return t.Cte(node.name, query, tuple(n for n, _ in columns), at=node.at), columns

    def recursive(
        self, node: t.Cte, body: t.SetOperation, outer: Scope | None, named: Named
    ) -> tuple[t.Cte, Columns]:
        """Bind the start first; its columns are what the step reads and must give."""
        if body.kind != "union" or body.by_name:
            self.report(
                "SqlSyntax", "a recursive WITH query is a UNION [ALL] of a start and a step", node
            )
        left, columns = self.query(body.left, outer, named)
        columns = self.renamed(columns, node.columns, node, node.name)
        right, found = self.query(body.right, outer, named.with_cte(node.name, columns))
        if len(found) != len(columns):
            self.report(
                "ColumnCount", f"the start has {len(columns)} columns, the step {len(found)}", node
            )
            return t.Cte(node.name, left, at=node.at), columns
        for (name, wanted), (_, own) in zip(columns, found, strict=True):
            if overloads.cost(own, wanted) is None:
                self.report(
                    "TypeMismatch",
                    f"column {name!r} is {wanted} in the start and {own} in the step",
                    node,
                    f"CAST it to {own} in the start",
                )
        if not body.is_all:
            self.check_equality([x for _, x in columns], node, "UNION")
        right = projected(right, found, [x for _, x in columns])
        whole = t.SetOperation(body.kind, left, right, body.is_all, at=body.at)
        query = dataclasses.replace(node.query, body=whole)
        return t.Cte(node.name, query, tuple(n for n, _ in columns), at=node.at), columns

    def renamed(self, columns: Columns, names: Sequence[str], node: t.Node, what: str) -> Columns:
        """Give the columns under the names of an alias list."""
        if not names:
            return columns
        if len(names) > len(columns):
            self.report("ColumnCount", f"{what} has {len(columns)} columns, not {len(names)}", node)
        given = [*names, *(n for n, _ in columns[len(names) :])]
        return tuple((n, x) for n, (_, x) in zip(given, columns, strict=False))

    def count(self, node: t.Expr | None, clause: str, named: Named) -> t.Expr | None:
        if node is None:
            return None
        bound = self.expr(node, Context(Scope(), named, clause))
        if not isinstance(bound, t.Literal | t.Param) or t.type_of(bound) not in (BIGINT, UNKNOWN):
            self.report(
                "TypeMismatch", f"{clause} takes a whole number", node, f"write {clause} 10"
            )
        elif isinstance(bound, t.Literal) and isinstance(bound.value, int) and bound.value < 0:
            self.report("TypeMismatch", f"{clause} is not negative", node, f"write {clause} 10")
        return bound

    # Bodies

    def body(self, node: t.Body, outer: Scope | None, named: Named) -> tuple[t.Body, Columns]:
        if isinstance(node, t.Select):
            body, columns, _ = self.select(node, (), outer, named)
            return body, columns
        if isinstance(node, t.Values):
            return self.values(node, outer, named)
        return self.set_operation(node, outer, named)

    def values(self, node: t.Values, outer: Scope | None, named: Named) -> tuple[t.Values, Columns]:
        context = Context(Scope(outer), named, "VALUES")
        width = len(node.rows[0])
        rows = [[self.expr(e, context) for e in row] for row in node.rows]
        if any(len(row) != width for row in rows):
            self.report(
                "ColumnCount",
                f"the rows of VALUES have different lengths (the first has {width})",
                node,
            )
            rows = [row for row in rows if len(row) == width]
        types = [
            self.unified([row[i] for row in rows], node, f"column {i + 1} of VALUES")
            for i in range(width)
        ]
        made = tuple(
            tuple(self.converted(e, x) for e, x in zip(row, types, strict=True)) for row in rows
        )
        columns = tuple((f"col{i}", x) for i, x in enumerate(types))
        return t.Values(made, tuple(n for n, _ in columns), at=node.at), columns

    def set_operation(
        self, node: t.SetOperation, outer: Scope | None, named: Named
    ) -> tuple[t.Body, Columns]:
        left, a = self.query(node.left, outer, named)
        right, b = self.query(node.right, outer, named)
        if node.by_name:
            left, right, a = self.by_name(node, (left, a), (right, b))
            b = a
        if len(a) != len(b):
            self.report(
                "ColumnCount",
                f"{node.kind.upper()} combines {len(a)} with {len(b)} columns",
                node,
                "name the same columns on both sides, or use UNION ALL BY NAME",
            )
            return t.SetOperation(node.kind, left, right, node.is_all, at=node.at), a
        types = []
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            sides = [_output(left, i, x), _output(right, i, y)]
            types.append(self.unified(sides, node, f"the two sides of column {x[0]!r}"))
        left, right = projected(left, a, types), projected(right, b, types)
        columns = tuple((n, x) for (n, _), x in zip(a, types, strict=True))
        if node.kind != "union" or not node.is_all:
            self.check_equality(types, node, node.kind.upper())
        return t.SetOperation(node.kind, left, right, node.is_all, at=node.at), columns

    def by_name(
        self, node: t.Node, left: tuple[t.Query, Columns], right: tuple[t.Query, Columns]
    ) -> tuple[t.Query, t.Query, Columns]:
        """Line the two sides up by column names; what one side lacks is NULL there."""
        a, b = left[1], right[1]
        names: dict[str, str] = {}
        for name, _ in (*a, *b):
            names.setdefault(name.lower(), name)
        types = {}
        for key, name in names.items():
            sides = [t.Column("", n, type=x) for n, x in (*a, *b) if n.lower() == key]
            types[key] = self.unified(sides, node, f"the two sides of column {name!r}")

        def lined(query: t.Query, columns: Columns) -> t.Query:
            own = {n.lower(): (n, x) for n, x in columns}
            items = []
            for key, name in names.items():
                expr: t.Expr = t.Literal(None, "null", type=NULL)
                if key in own:
                    expr = t.Column("_part", own[key][0], type=own[key][1])
                items.append(t.Item(self.converted(expr, types[key]), name))
            return t.Query(
                t.Select(
                    tuple(items),
                    t.Subquery(query, alias="_part", columns=tuple(n for n, _ in columns)),
                ),
                at=query.at,
            )

        return lined(*left), lined(*right), tuple((n, types[k]) for k, n in names.items())

    def output_order(self, keys: Sequence[t.Order], columns: Columns) -> tuple[t.Order, ...]:
        """Bind ORDER BY after UNION and VALUES: names or numbers of output columns only."""
        bound = []
        for key in keys:
            name = self.output_name(key.expr, columns)
            if name is None:
                self.report(
                    "ColumnNotFound",
                    "ORDER BY after UNION takes output columns or their numbers "
                    f"(columns: {listing(n for n, _ in columns)})",
                    key,
                )
                continue
            found = next(c for c in columns if c[0] == name)
            expr = t.Column("", found[0], at=key.at, type=found[1])
            bound.append(t.Order(expr, key.descending, bool(key.nulls_first), at=key.at))
        return tuple(bound)

    def output_name(self, expr: t.Expr, columns: Columns) -> str | None:
        """Give the output column that a sort key names by name or number, or None."""
        if isinstance(expr, t.Literal) and expr.kind == "integer" and isinstance(expr.value, int):
            if 1 <= expr.value <= len(columns):
                return columns[expr.value - 1][0]
            return None
        if isinstance(expr, t.Name) and len(expr.parts) == 1:
            return next((n for n, _ in columns if n.lower() == expr.parts[0].lower()), None)
        return None

    # SELECT

    def select(
        self, node: t.Select, order: Sequence[t.Order], outer: Scope | None, named: Named
    ) -> tuple[t.Select, Columns, tuple[t.Order, ...]]:
        scope = Scope(outer)
        source = self.relation(node.source, scope, named) if node.source is not None else None
        raw = self.expanded(node.items, scope)
        aliases = {
            i.name.lower(): i.expr for i in raw if i.name and not isinstance(i.expr, t.Column)
        }
        base = Context(scope, named, "WHERE", aliases=aliases)
        base.windows = {n.lower(): w for n, w in node.windows}
        if len(base.windows) < len(node.windows):
            self.report(
                "DuplicateName", "a window stands twice in WINDOW", node, "rename one of them"
            )
        where = self.condition(node.where, base) if node.where is not None else None
        full = base.inside(clause="SELECT", has_aggregates=True, has_windows=True)
        items = tuple(self.item(i, full) for i in raw)
        groups = self.groups(node, raw, items, base)
        having = None
        if node.having is not None:
            having = self.condition(node.having, full.inside(clause="HAVING", has_windows=False))
        qualify = (
            self.condition(node.qualify, full.inside(clause="QUALIFY"))
            if node.qualify is not None
            else None
        )
        keys = self.select_order(order, items, full)
        columns = tuple((i.name, t.type_of(i.expr)) for i in items)
        select = t.Select(
            items,
            source,
            where,
            groups.bound,
            having=having,
            qualify=qualify,
            is_distinct=node.is_distinct,
            at=node.at,
        )
        self.check_groups(select, keys, groups, scope)
        if node.is_distinct:
            self.check_equality([x for _, x in columns], node, "DISTINCT")
        if node.is_distinct and any(
            not _is_output(k.expr) and k.expr not in [i.expr for i in items] for k in keys
        ):
            self.report(
                "SqlSyntax",
                "ORDER BY of SELECT DISTINCT takes output columns only",
                node,
                "add the sort key to the select list",
            )
        return select, columns, keys

    def item(self, node: t.Item, context: Context) -> t.Item:
        expr = self.expr(
            node.expr, context.inside(resolving=frozenset({node.name.lower()} if node.name else ()))
        )
        if t.type_of(expr).kind == "interval":
            expr = self.failed(
                node.expr,
                "TypeMismatch",
                "an interval is no column",
                "add it to a date or a timestamp",
            )
        return t.Item(expr, node.name, at=node.at)

    def expanded(self, items: Sequence[t.Item], scope: Scope) -> list[t.Item]:
        """Replace stars by columns and give every output a name."""
        made: list[t.Item] = []
        for item in items:
            if isinstance(item.expr, t.Star):
                made += self.star(item.expr, scope)
            else:
                made.append(item)
        stars = [i.expr for i in items if isinstance(i.expr, t.Star) and i.expr.exclude]
        if not made and stars and any(relation.columns for relation in scope.relations):
            self.report(
                "SqlSyntax", "no column is left to select", stars[0], "leave fewer of them out"
            )
        # A named output keeps its name; only unnamed ones make way: `sum(x), sum(y)` are two.
        taken = {i.name.lower() for i in made if i.name}
        named: list[t.Item] = []
        for item in made:
            name = item.name or _fresh(_natural_name(item.expr), taken)
            taken.add(name.lower())
            named.append(dataclasses.replace(item, name=name))
        return named

    def star(self, node: t.Star, scope: Scope) -> list[t.Item]:
        relations = scope.relations
        if node.relation:
            found = scope.relation(node.relation)
            if found is None:
                close = nearest(node.relation, [r.shown for r in scope.relations])
                self.report(
                    "TableNotFound",
                    f"no table {node.relation!r} here",
                    node,
                    f"write {close}.*" if close else "",
                )
                return []
            relations = [found]
        if not relations:
            self.report("SqlSyntax", "SELECT * needs a FROM", node)
        replace = {n.lower(): e for n, e in (*node.replace, *node.put)}
        rename = {n.lower(): new for n, new in node.rename}
        exclude = {n.lower() for n in node.exclude}
        items, seen, used = [], set(), set()
        for relation in relations:
            for name, type_ in relation.columns:
                lowered = name.lower()
                seen.add(lowered)
                if lowered in exclude or (lowered in relation.merged and not node.relation):
                    continue
                expr: t.Expr = t.Column(relation.alias, name, at=node.at, type=type_)
                merged = scope.using.get(lowered)
                is_merged = merged is not None and relation.alias in merged[2]
                if merged is not None and is_merged and not node.relation:
                    if lowered in used:
                        continue
                    used.add(lowered)
                    expr = merged[1]
                shown = rename.get(lowered, name)
                items.append(t.Item(replace.get(lowered, expr), shown, at=node.at))
        items += [t.Item(e, n, at=node.at) for n, e in node.put if n.lower() not in seen]
        self.check_star(node, seen)
        return items

    def check_star(self, node: t.Star, seen: set[str]) -> None:
        """Report names of EXCLUDE, REPLACE and RENAME that no column has."""
        for name in (*node.exclude, *(n for n, _ in (*node.replace, *node.rename))):
            if name.lower() not in seen:
                close = nearest(name, seen)
                self.report(
                    "ColumnNotFound",
                    f"no column {name.lower()!r} to leave out, replace or rename",
                    node,
                    f"write {close}" if close else "remove it",
                )

    def groups(
        self, node: t.Select, raw: Sequence[t.Item], items: Sequence[t.Item], context: Context
    ) -> Groups:
        """Bind GROUP BY: expressions, aliases, numbers, ALL, and grouping sets spelled out."""
        if node.has_group_all:
            return Groups.all_of(items)
        if not node.group:
            return Groups.implied(node, items, self)
        inner = context.inside(clause="GROUP BY", aliases={})

        def bound(expr: t.Expr) -> t.Expr:
            if (
                isinstance(expr, t.Literal)
                and expr.kind == "integer"
                and isinstance(expr.value, int)
            ):
                if 1 <= expr.value <= len(raw):
                    return self.expr(raw[expr.value - 1].expr, inner)
                return self.failed(
                    expr, "ColumnNotFound", f"GROUP BY {expr.value}: there are {len(raw)} columns"
                )
            return self.expr(expr, inner.inside(aliases=context.aliases))

        if count_sets(node.group) > MAX_SETS:
            what = f"GROUP BY stands for more than {MAX_SETS} grouping sets"
            self.report("GroupingTooLarge", what, node.group[0], "name the sets: GROUPING SETS (…)")
            return Groups(is_grouped=True)
        sets = [[tuple(bound(e) for e in s) for s in spelled_out(g)] for g in node.group]
        return Groups.of(sets, [isinstance(g, t.Grouping) for g in node.group])

    def check_groups(
        self, select: t.Select, keys: Sequence[t.Order], groups: Groups, scope: Scope
    ) -> None:
        """Report columns that are neither grouped nor inside an aggregate."""
        # A key that has a finding may cover anything.
        if not groups.is_grouped or any(t.type_of(key) == UNKNOWN for key in groups.keys):
            return
        for key in groups.keys:
            self.check_equality([t.type_of(key)], key, "GROUP BY")
        own = {r.alias for r in scope.relations}
        parts: list[t.Node] = [i.expr for i in select.items]
        parts += [x for x in (select.having, select.qualify) if x is not None]
        parts += [k.expr for k in keys if not _is_output(k.expr)]
        for column in groups.uncovered(parts, own):
            self.report(
                "ColumnNotGrouped",
                f"column {column.name!r} is neither grouped nor inside an aggregate",
                column,
                f"add it to GROUP BY, or write min({column.name})",
            )

    def select_order(
        self, keys: Sequence[t.Order], items: Sequence[t.Item], context: Context
    ) -> tuple[t.Order, ...]:
        """Bind ORDER BY of a SELECT: an output column by name or number, else an expression."""
        columns = tuple((i.name, t.type_of(i.expr)) for i in items)
        bound = []
        for key in keys:
            name = self.output_name(key.expr, columns)
            if isinstance(key.expr, t.Literal) and key.expr.kind == "integer" and name is None:
                self.report(
                    "ColumnNotFound",
                    f"ORDER BY {key.expr.value!s}: there are {len(items)} columns",
                    key,
                )
                continue
            if name is not None:
                found = next(c for c in columns if c[0] == name)
                expr: t.Expr = t.Column("", found[0], at=key.at, type=found[1])
            else:
                expr = self.expr(key.expr, context.inside(clause="ORDER BY"))
            bound.append(t.Order(expr, key.descending, bool(key.nulls_first), at=key.at))
        return tuple(bound)


def _is_output(expr: t.Expr) -> bool:
    return isinstance(expr, t.Column) and not expr.relation


def _output(query: t.Query, index: int, column: tuple[str, Type]) -> t.Expr:
    """Give an output column as an expression, so that a literal NULL or text can still adapt."""
    body = query.body
    if isinstance(body, t.Select) and isinstance(body.items[index].expr, t.Literal):
        literal = body.items[index].expr
        if isinstance(literal, t.Literal) and literal.kind == "null":
            return literal
    return t.Column("", column[0], type=column[1])


def _natural_name(expr: t.Expr) -> str:
    if isinstance(expr, t.Name):
        return expr.parts[-1]
    if isinstance(expr, t.Column | t.Field):
        return expr.name
    if isinstance(expr, t.Call) and expr.name.isidentifier():
        return expr.name
    if isinstance(expr, t.Cast):
        return _natural_name(expr.expr)
    return "column"


def _fresh(name: str, taken: set[str]) -> str:
    candidate, n = name, 1
    while candidate.lower() in taken:
        n += 1
        candidate = f"{name}_{n}"
    return candidate


def _reads(node: t.Node, name: str) -> bool:
    return any(isinstance(n, t.Table) and n.name.lower() == name.lower() for n in t.walk(node))
