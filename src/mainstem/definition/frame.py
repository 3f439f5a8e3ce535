"""`Frame`: rows that verbs have been applied to, and nothing has been computed of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import field
from typing import Any

from mainstem.definition import building as b
from mainstem.definition.expression import Expr, Value
from mainstem.definition.verbs import Verbs
from mainstem.errors import NOWHERE, Place
from mainstem.plan import tree as t
from mainstem.record import record


@record
class Frame(Verbs):
    """A query that verbs build; given to ``p.view`` and ``p.table`` in place of SQL.

    Parameters
    ----------
    tree : Query
        As the parser would give it.
    name : str
        What its columns may be called by in front of a point.
    is_grouped : bool
        Whether a filter may still be HAVING.
    is_windowed : bool
        Whether its rows stand in windows, which `group_by` then keeps apart.
    home : Pipeline or None
        Whose steps the names mean; needed to show the columns.
    """

    tree: t.Query
    name: str = ""
    is_grouped: bool = False
    is_windowed: bool = False
    home: Any = field(default=None, compare=False, repr=False)
    where: Place = field(default=NOWHERE, compare=False)

    def frame(self) -> Frame:
        """Give itself."""
        return self

    def opened(self, parts: Sequence[t.Node] = ()) -> t.Query:
        """Give a query of the same rows to which clauses with these parts may be added."""
        query = b.opened(self.tree, self.name)
        # QUALIFY comes last in SQL: what is computed over several rows would see those before it.
        if b.select_of(query).qualify is not None and any(map(b.has_reach, parts)):
            return b.reading(b.derived(query, self.name))
        return query

    def with_query(
        self, tree: t.Query, *, is_grouped: bool = False, is_windowed: bool | None = None
    ) -> Frame:
        """Give the frame that a verb leads to."""
        kept = self.is_windowed if is_windowed is None else is_windowed
        return dataclasses.replace(self, tree=tree, is_grouped=is_grouped, is_windowed=kept)


@record
class Grouped:
    """Rows in groups; `agg` says what becomes of each."""

    source: Frame
    keys: tuple[t.Item, ...]

    def agg(self, *values: Expr, **named: Value) -> Frame:
        """Give a row for each group: the keys, then the aggregates.

        Parameters
        ----------
        *values : Expr
            Aggregates, named by ``.alias("n")`` or by their function.
        **named : Expr
            Aggregates by name: ``n=ms.count()``.
        """
        items = (*self.keys, *b.items_of(values, named))
        group = tuple(item.expr for item in self.keys)
        query = self.source.opened()
        if b.select_of(query).qualify is not None:
            query = b.reading(b.derived(query, self.source.name))
        query = b.changed(query, items=items, group=group)
        made = self.source.with_query(query, is_grouped=True, is_windowed=False)
        return dataclasses.replace(made, name="")
