"""The verbs of frames: each gives another frame, and the tree that SQL would give.

A verb adds its clause to the query where SQL would mean the same, and else puts the query in
parentheses and goes on from there; `docs/verbs.md` has the SQL of each.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from mainstem.definition import building as b
from mainstem.definition.expression import (
    Expr,
    Key,
    Named,
    Value,
    column_of,
    interval_of,
    key_of,
    listed,
    node_of,
)
from mainstem.definition.spot import here, written
from mainstem.definition.window import Window
from mainstem.errors import DefinitionError, listing, nearest
from mainstem.plan import tree as t
from mainstem.plan.duration import duration_text

if TYPE_CHECKING:
    from mainstem.definition.frame import Frame, Grouped

P = ParamSpec("P")
R = TypeVar("R")

JOINS = ("inner", "left", "right", "full", "semi", "anti", "cross", "asof", "asof_left")
WINDOW_KEYS = ("window_start", "window_end")


class Verbs(ABC):
    """What `Frame` and `Ref` can do."""

    __slots__ = ()

    @abstractmethod
    def frame(self) -> Frame:
        """Give the rows as a frame."""

    @property
    def query(self) -> t.Query:
        """Give the tree, as the parser would give that of the SQL."""
        return self.frame().tree

    def to_sql(self) -> str:
        """Give the SQL that means the same."""
        return written(self.query)

    # Columns

    def select(self, *columns: Named, **named: Value) -> Frame:
        """Give some columns, in this order: ``SELECT a, b AS c``.

        Parameters
        ----------
        *columns : str or Expr
            Names, ``"*"`` among them, and expressions.
        **named : str or Expr
            Columns under a name of their own; a string is the name of a column.

        Raises
        ------
        DefinitionError
            When it names none.
        """
        frame = self.frame()
        items = b.items_of(columns, named)
        if not items:
            raise DefinitionError(
                "select names no column", where=here().place, code="VerbArguments",
                fix='write .select("a", "b")',
            )  # fmt: skip
        if frame.is_grouped:
            merged = b.chosen(b.select_of(frame.tree).items, items)
            if merged is not None:
                return frame.with_query(b.changed(frame.tree, items=merged), is_grouped=True)
        return frame.with_query(b.changed(frame.opened(items), items=items))

    def with_columns(self, *columns: Expr, **named: Value) -> Frame:
        """Add columns, or put them in the place of those of the same name: ``SELECT *, x AS a``.

        Parameters
        ----------
        *columns : Expr
            Expressions with a name, by ``.alias("a")``.
        **named : str or Expr
            Expressions by name; a string is the name of a column.

        Raises
        ------
        DefinitionError
            When a column has no name.
        """
        frame = self.frame()
        items = b.items_of(columns, named)
        for item in items:
            if not b.name_of(item):
                raise DefinitionError(
                    "a new column needs a name", where=here().place, code="VerbArguments",
                    fix="write .with_columns(name=…), or .alias(\"name\") behind the expression",
                )  # fmt: skip
        put = tuple((b.name_of(item), item.expr) for item in items)
        return frame.with_query(_starred(frame.opened(items), put=put))

    def rename(self, names: Mapping[str, str] | None = None, /, **new: str) -> Frame:
        """Rename columns where they stand: ``SELECT * RENAME (old AS new)``.

        Parameters
        ----------
        names : mapping, optional
            New names by old ones: ``{"old": "new"}``.
        **new : str
            New names by old ones: ``old="new"``.
        """
        frame = self.frame()
        pairs = tuple({**(names or {}), **new}.items())
        return frame.with_query(_starred(frame.opened(), rename=pairs))

    def drop(self, *names: str) -> Frame:
        """Leave columns out: ``SELECT * EXCLUDE (a, b)``."""
        frame = self.frame()
        return frame.with_query(_starred(frame.opened(), exclude=names))

    # Rows

    def filter(self, *conditions: Expr) -> Frame:
        """Keep the rows for which all conditions are true: ``WHERE``, ``HAVING`` or ``QUALIFY``.

        Behind `agg` it is HAVING, with a window function QUALIFY.
        """
        frame = self.frame()
        parts = b.parts_of(conditions)
        if not parts:
            return frame
        if any(b.has_window(part) for part in parts):
            query = frame.opened(parts)
            return frame.with_query(b.changed(query, qualify=b.both(None, parts)))
        if frame.is_grouped:
            body = b.select_of(frame.tree)
            own = [b.spelled(part, body.items) for part in parts]
            found = [part for part in own if part is not None]
            if len(found) == len(own):
                return frame.with_query(
                    b.changed(frame.tree, having=b.both(body.having, found)), is_grouped=True
                )
        query = frame.opened()
        if b.select_of(query).qualify is not None:
            query = b.reading(b.derived(query, frame.name))
        return frame.with_query(b.changed(query, where=b.both(b.select_of(query).where, parts)))

    def distinct(self) -> Frame:
        """Keep one of equal rows: ``SELECT DISTINCT``."""
        frame = self.frame()
        body = frame.tree.body
        if not isinstance(body, t.Select) or frame.tree.order or frame.tree.limit is not None:
            return frame.with_query(b.changed(frame.opened(), is_distinct=True))
        return frame.with_query(b.changed(frame.tree, is_distinct=True))

    def dedupe(self, *by: Named, order: Named | Key | Sequence[Named | Key]) -> Frame:
        """Keep the first row of each key: ``QUALIFY row_number() OVER (…) = 1``.

        Parameters
        ----------
        *by : str or Expr
            The key.
        order : str, Expr, key or list
            By what a row is the first; ``ms.col("ts").desc()`` keeps the latest. Ties are broken by
            the values of the rows, so that the answer is always the same (T11).
        """
        number = Expr(t.Call("row_number", at=here())).over(by, order=order)
        return self.filter(number == 1)

    def sort(self, *keys: Named | Key) -> Frame:
        """Order the rows: ``ORDER BY``; the last verb, or the one before `limit`."""
        frame = self.frame()
        order = tuple(key_of(key).node for key in keys)
        query = frame.tree
        is_named = all(isinstance(k.expr, t.Name) and len(k.expr.parts) == 1 for k in order)
        if query.order or query.limit is not None or not (is_named or b.is_open(query)):
            query = b.reading(b.derived(query, frame.name))
        return frame.with_query(dataclasses.replace(query, order=order))

    def limit(self, n: int, *, offset: int = 0) -> Frame:
        """Keep the first rows of a sort: ``LIMIT n OFFSET offset``."""
        frame = self.frame()
        query = frame.tree
        if query.limit is not None or query.offset is not None:
            query = b.reading(b.derived(query, frame.name))
        skip = node_of(offset) if offset else None
        return frame.with_query(dataclasses.replace(query, limit=node_of(n), offset=skip))

    def explode(self, column: str, *, into: str = "", position: str = "") -> Frame:
        """Give a row for each element of a list column; rows without any element vanish.

        Parameters
        ----------
        column : str
            The list. Without `into` its element takes its place.
        into : str, optional
            Name of a further column for the element: ``FROM t, UNNEST(column) AS into(into)``.
        position : str, optional
            Name of a further column for the element's place in the list, from 1.
        """
        frame = self.frame()
        element = into or "__element"
        columns = (element, position) if position else (element,)
        values = t.TableCall(
            "unnest", (column_of(column).node,), bool(position), alias=element, columns=columns,
            at=here(),
        )  # fmt: skip
        source = t.Join("cross", b.relation_of(frame.tree, frame.name), values, at=here())
        query = b.reading(source)
        if into:
            return frame.with_query(query)
        taken = ((column, t.Name((element,), at=here())),)
        return frame.with_query(_starred(query, exclude=(element,), replace=taken))

    # Groups and windows

    def group_by(self, *keys: Named, **named: Value) -> Grouped:
        """Group by columns or expressions; `agg` follows: ``GROUP BY``.

        Behind `window` the window is a part of the key, so its start and end are columns too.
        """
        from mainstem.definition.frame import Grouped

        frame = self.frame()
        items = b.items_of(keys, named)
        if frame.is_windowed:
            given = {b.name_of(item).lower() for item in items}
            missing = [name for name in WINDOW_KEYS if name not in given]
            items = (*items, *b.items_of(missing, {}))
        return Grouped(frame, items)

    def agg(self, *values: Expr, **named: Value) -> Frame:
        """Aggregate all rows to one: ``SELECT count(*) AS n``."""
        return self.group_by().agg(*values, **named)

    def window(self, window: Window, *, by: Named | Sequence[Named] = ()) -> Frame:
        """Put each row into its windows of event time: ``FROM TUMBLE(t, ts, INTERVAL '1 minute')``.

        Parameters
        ----------
        window : Window
            ``ms.tumble``, ``ms.hop``, ``ms.cumulate`` or ``ms.session``.
        by : str or list, optional
            Sessions: whose they are.
        """
        frame = self.frame()
        spans = [interval_of(duration_text(span)) for span in window.spans()]
        keys = [column_of(key).node for key in listed(by)]
        relation = b.relation_of(frame.tree, "")
        if not isinstance(relation, t.Table):
            relation = b.derived(frame.tree, "")
        call = t.TableCall(
            type(window).__name__.lower(), (column_of(window.ts).node, *spans, *keys),
            table=relation, alias=frame.name, at=here(),
        )  # fmt: skip
        return frame.with_query(b.reading(call), is_windowed=True)

    # Several frames

    def alias(self, name: str) -> Frame:
        """Name the frame, so that ``ms.col("name.column")`` is its column: ``FROM t AS name``."""
        frame = self.frame()
        query = frame.tree
        if b.is_plain(query) and not isinstance(b.select_of(query).source, t.Join):
            source = b.select_of(query).source
            if source is not None:
                query = b.changed(query, source=dataclasses.replace(source, alias=name))
                return dataclasses.replace(frame, tree=query, name=name)
        return dataclasses.replace(frame, tree=b.reading(b.derived(query, name)), name=name)

    def join(
        self, other: Verbs, on: str | Sequence[str] | Expr | None = None, *, how: str = "inner"
    ) -> Frame:
        """Join another frame.

        Parameters
        ----------
        other : Frame or Ref
            The right side.
        on : str, list of str or Expr
            Columns of the same name (``USING``; of an asof join the last is the time, left >=
            right), or a condition (``ON``). A cross join has none.
        how : str
            inner, left, right, full, semi, anti, cross, asof or asof_left.

        Raises
        ------
        DefinitionError
            For an unknown kind, or a condition that is missing or too many.
        """
        at = here()
        left, right = self.frame(), _other("join", other)
        if how not in JOINS:
            close = nearest(str(how), JOINS)
            raise DefinitionError(
                f"how is {how!r} (joins: {listing(JOINS)})", where=at.place, code="VerbArguments",
                fix=f'write how="{close or "inner"}"',
            )  # fmt: skip
        if (on is None) != (how == "cross"):
            has = "takes no condition" if how == "cross" else "has no condition"
            raise DefinitionError(
                f"a {how} join {has}", where=at.place, code="VerbArguments",
                fix='remove on=, or write how="inner"' if how == "cross" else
                'add on="id", on=["a", "b"] or on=ms.col("a.id") == ms.col("b.id")',
            )  # fmt: skip
        condition = on.node if isinstance(on, Expr) else None
        using = () if on is None or isinstance(on, Expr) else tuple(listed(on))
        first, second = (b.relation_of(f.tree, f.name) for f in (left, right))
        query = b.reading(t.Join(how, first, second, condition, using, at=at))
        name = left.name if how in ("semi", "anti") else ""
        is_windowed = left.is_windowed or (right.is_windowed and how not in ("semi", "anti"))
        return dataclasses.replace(left.with_query(query, is_windowed=is_windowed), name=name)

    def union(self, *others: Verbs, by_name: bool = False, distinct: bool = False) -> Frame:
        """Put the rows of frames under one another: ``UNION ALL``.

        Parameters
        ----------
        *others : Frame or Ref
            With the same columns in the same order.
        by_name : bool
            Line columns up by their names; one that a side lacks is NULL there.
        distinct : bool
            Keep one of equal rows: ``UNION``.
        """
        frame = self.frame()
        query = frame.tree
        for other in others:
            right = _other("union", other)
            body = t.SetOperation(
                "union", b.part_of_set(query), b.part_of_set(right.tree), not distinct, by_name,
                at=here(),
            )  # fmt: skip
            query = t.Query(body, at=here())
        return dataclasses.replace(frame.with_query(query), name="")

    # Whatever else

    def pipe(
        self, function: Callable[Concatenate[Frame, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call a function of your own with the frame: ``frame.pipe(f, 1)`` is ``f(frame, 1)``."""
        return function(self.frame(), *args, **kwargs)

    def scalar(self) -> Expr:
        """Use the frame's only value in an expression: ``(SELECT max(x) FROM t)``."""
        return Expr(t.Scalar(self.query, at=here()))

    def _repr_html_(self) -> str:
        from mainstem.definition.shape import html

        return html(self.frame())


def _starred(query: t.Query, **words: Any) -> t.Query:
    """Give an open query whose star has words behind it."""
    star = t.Star(at=here(), **words)
    return b.changed(query, items=(t.Item(star, at=star.at),))


def _other(verb: str, other: object) -> Frame:
    """Give the frame that a verb takes besides its own."""
    if not isinstance(other, Verbs):
        is_text = isinstance(other, str)
        raise DefinitionError(
            f"{verb} takes a frame, not {other!r}", where=here().place, code="VerbArguments",
            fix=f"write p.ref({other!r})" if is_text else 'write p.ref("name") or a frame of verbs',
        )  # fmt: skip
    return other.frame()
