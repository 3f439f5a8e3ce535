"""What names mean where: the relations of one SELECT, those around it, and WITH queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from mainstem.plan import tree as t
from mainstem.plan.types import Type
from mainstem.record import mutable, record

Columns = tuple[tuple[str, Type], ...]


@record
class Visible:
    """One relation in scope: `shown` is the user's alias, `alias` the printed one."""

    shown: str
    alias: str
    columns: Columns
    # Columns hidden from an unqualified name and from `*` because USING merged them.
    merged: frozenset[str] = frozenset()

    def find(self, name: str) -> tuple[str, Type] | None:
        """Give the declared spelling and type of a column, whatever its case."""
        lowered = name.lower()
        return next((c for c in self.columns if c[0].lower() == lowered), None)


@mutable
class Scope:
    """The relations of one FROM clause, inside an outer scope or none."""

    outer: Scope | None = None
    relations: list[Visible] = field(default_factory=list)
    # USING columns by lower-case name: the merged expression and the relations that it stands for.
    using: dict[str, tuple[str, t.Expr, frozenset[str]]] = field(default_factory=dict)

    def aliases(self) -> set[str]:
        """Give every printed alias of this scope and those around it."""
        own = {r.alias.lower() for r in self.relations}
        return own | (self.outer.aliases() if self.outer else set())

    def candidates(self, name: str) -> list[t.Expr]:
        """Give what an unqualified name may mean in this scope alone."""
        found: list[t.Expr] = []
        covered: frozenset[str] = frozenset()
        if name.lower() in self.using:
            _, merged, covered = self.using[name.lower()]
            found.append(merged)
        for relation in self.relations:
            column = relation.find(name)
            if column and name.lower() not in relation.merged and relation.alias not in covered:
                found.append(t.Column(relation.alias, column[0], type=column[1]))
        return found

    def relation(self, shown: str) -> Visible | None:
        """Give the relation that the user calls `shown`, in this scope alone."""
        lowered = shown.lower()
        return next((r for r in self.relations if r.shown.lower() == lowered), None)

    def chain(self) -> Iterator[tuple[int, Scope]]:
        """Give this scope and those around it, each with its depth."""
        scope: Scope | None = self
        depth = 0
        while scope is not None:
            yield depth, scope
            scope, depth = scope.outer, depth + 1

    def column_names(self) -> list[str]:
        """Give every column that could be meant, nearest scope first, for messages."""
        return [c for _, s in self.chain() for r in s.relations for c, _ in r.columns]


@record
class Named:
    """Tables that a query may read by name: steps, sources and WITH queries.

    `declared` are names that exist and whose columns are not known: only messages give them.
    """

    tables: dict[str, tuple[str, Columns]]
    ctes: dict[str, tuple[str, Columns]] = field(default_factory=dict)
    declared: tuple[str, ...] = ()

    def with_cte(self, name: str, columns: Columns) -> Named:
        """Give the same names and one WITH query more."""
        ctes = {**self.ctes, name.lower(): (name, columns)}
        return Named(self.tables, ctes, self.declared)

    def names(self) -> list[str]:
        """Give every name, for messages."""
        known = [n for n, _ in (*self.ctes.values(), *self.tables.values())]
        return list(dict.fromkeys([*known, *self.declared]))
