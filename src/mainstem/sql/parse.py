"""Reads SQL text into a tree: the grammar of docs/dialect.md, by recursive descent.

What is not in the grammar is an error at its place, with a fix where one is known; nothing is
passed through unread, so no construct can reach an engine without a meaning of ours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from mainstem.plan import tree as t
from mainstem.sql.cursor import MAX_LEVELS, MAX_NESTING
from mainstem.sql.depth import too_deep
from mainstem.sql.expressions import Expressions
from mainstem.sql.tokens import Text

WINDOW_TABLES = ("tumble", "hop", "session", "cumulate")

_JOIN_WORDS = {
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "SEMI",
    "ANTI",
    "ASOF",
    "JOIN",
    "NATURAL",
    "POSITIONAL",
}
# What follows a query in parentheses when it is a part of a larger query.
_AFTER_QUERY = {"UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET", "FETCH", ")"}


class Parser(Expressions):
    """Queries and relations; expressions come from `Expressions`."""

    def query(self) -> t.Query:
        """Read WITH … body ORDER BY … LIMIT …."""
        at = self.token.at
        self.enter()
        ctes: list[t.Cte] = []
        is_recursive = False
        if self.accept("WITH"):
            is_recursive = self.accept("RECURSIVE")
            ctes.append(self.cte())
            while self.accept(","):
                ctes.append(self.cte())
        body = self.set_operation()
        order = self.order_by()
        limit, offset = self.limit()
        self.depth -= 1
        return t.Query(body, tuple(ctes), is_recursive, order, limit, offset, at=at)

    def cte(self) -> t.Cte:
        at = self.token.at
        name = self.identifier("a name for the WITH query")
        columns = self.column_list() if self.peek("(") else ()
        self.expect("AS")
        if self.accept("NOT"):
            self.expect("MATERIALIZED")
        else:
            self.accept("MATERIALIZED")
        self.expect("(")
        query = self.query()
        self.expect(")")
        return t.Cte(name, query, columns, at=at)

    def column_list(self) -> tuple[str, ...]:
        self.expect("(")
        names = [self.identifier("a column name")]
        while self.accept(","):
            names.append(self.identifier("a column name"))
        self.expect(")")
        return tuple(names)

    def set_operation(self) -> t.Body:
        """Read UNION and EXCEPT from left to right; INTERSECT binds tighter."""
        left = self.intersection()
        while self.token.upper in ("UNION", "EXCEPT"):
            left = self._combined(left, self.intersection)
        return left

    def intersection(self) -> t.Body:
        left = self.body()
        while self.token.upper == "INTERSECT":
            left = self._combined(left, self.body)
        return left

    def _combined(self, left: t.Body, operand: Callable[[], t.Body]) -> t.Body:
        at = self.token.at
        kind = self.advance().upper.lower()
        is_all = self.accept("ALL")
        if not is_all:
            self.accept("DISTINCT")
        by_name = False
        if self.accept("BY"):
            self.expect("NAME")
            by_name = True
        right = operand()
        return t.SetOperation(kind, _as_query(left), _as_query(right), is_all, by_name, at=at)

    def body(self) -> t.Body:
        if self.accept("("):
            query = self.query()
            self.expect(")")
            if query.order or query.limit or query.ctes or query.offset:
                # Keeps ORDER BY and LIMIT of the part in parentheses with that part.
                star = t.Item(t.Star(at=query.at), at=query.at)
                return t.Select((star,), t.Subquery(query, alias="_part", at=query.at), at=query.at)
            return query.body
        if self.peek("VALUES"):
            return self.values()
        if self.peek("SELECT"):
            return self.select()
        if self.peek("FROM"):
            raise self.wrong("a query starts with SELECT", fix="write SELECT * before FROM")
        raise self.wrong(f"SELECT, VALUES or WITH should stand before {self.shown()}")

    def values(self) -> t.Values:
        at = self.advance().at
        rows = [self.value_row()]
        while self.accept(","):
            rows.append(self.value_row())
        return t.Values(tuple(rows), at=at)

    def value_row(self) -> tuple[t.Expr, ...]:
        self.expect("(")
        items = self.expressions()
        self.expect(")")
        return items

    def select(self) -> t.Select:
        at = self.advance().at
        is_distinct = self.accept("DISTINCT")
        if not is_distinct:
            self.accept("ALL")
        if is_distinct and self.peek("ON"):
            raise self.wrong(
                "DISTINCT ON keeps a row that depends on order",
                fix="use QUALIFY row_number() OVER (PARTITION BY key ORDER BY …) = 1",
            )
        items = [self.item()]
        while self.accept(","):
            if self.token.upper in ("FROM", ")", ";") or self.token.kind == "end":
                break  # a trailing comma is allowed, as in DuckDB
            items.append(self.item())
        source = self.from_() if self.accept("FROM") else None
        where = self.expression() if self.accept("WHERE") else None
        group, has_group_all = self.group_by()
        having = self.expression() if self.accept("HAVING") else None
        windows = self.named_windows()
        qualify = self.expression() if self.accept("QUALIFY") else None
        return t.Select(
            tuple(items),
            source,
            where,
            group,
            has_group_all,
            having,
            qualify,
            is_distinct,
            windows,
            at=at,
        )

    def item(self) -> t.Item:
        at = self.token.at
        expr = self.expression()
        if self.accept("AS"):
            return t.Item(expr, self.label(), at=at)
        if self.token.kind == "quoted" or (self.token.kind == "word" and not self.is_reserved()):
            return t.Item(expr, self.identifier("a column alias"), at=at)
        return t.Item(expr, at=at)

    def group_by(self) -> tuple[tuple[t.Expr | t.Grouping, ...], bool]:
        if not self.accept("GROUP"):
            return (), False
        self.expect("BY")
        if self.accept("ALL"):
            return (), True
        items = [self.group_item()]
        while self.accept(","):
            items.append(self.group_item())
        return tuple(items), False

    def group_item(self) -> t.Expr | t.Grouping:
        at = self.token.at
        for kind in ("ROLLUP", "CUBE"):
            if self.peek(kind) and self.next.upper == "(":
                self.advance()
                return t.Grouping(kind.lower(), self.grouping_parts(), at=at)
        if self.peek("GROUPING") and self.next.upper == "SETS":
            self.advance()
            self.advance()
            return t.Grouping("sets", self.grouping_parts(), at=at)
        return self.expression()

    def grouping_parts(self) -> tuple[tuple[t.Expr, ...], ...]:
        self.expect("(")
        parts = [self.grouping_part()]
        while self.accept(","):
            parts.append(self.grouping_part())
        self.expect(")")
        return tuple(parts)

    def grouping_part(self) -> tuple[t.Expr, ...]:
        if self.peek("("):
            self.advance()
            if self.accept(")"):
                return ()
            items = self.expressions()
            self.expect(")")
            return items
        return (self.expression(),)

    def named_windows(self) -> tuple[tuple[str, t.Window], ...]:
        if not self.accept("WINDOW"):
            return ()
        found = []
        while True:
            name = self.identifier("a window name")
            self.expect("AS")
            found.append((name, self.window_body()))
            if not self.accept(","):
                return tuple(found)

    def limit(self) -> tuple[t.Expr | None, t.Expr | None]:
        limit = offset = None
        seen: set[str] = set()
        while self.token.upper in ("LIMIT", "OFFSET", "FETCH"):
            word = self.token.upper.replace("FETCH", "LIMIT")
            if word in seen:
                raise self.wrong(f"{word} stands twice", fix="remove one of them")
            seen.add(word)
            if self.accept("LIMIT"):
                limit = None if self.accept("ALL") else self.expression()
            elif self.accept("OFFSET"):
                offset = self.expression()
                if not self.accept("ROWS"):
                    self.accept("ROW")
            else:
                limit = self.fetch()
        if self.peek("%") or self.peek("PERCENT"):
            raise self.wrong("LIMIT takes a number of rows, not a share")
        return limit, offset

    def fetch(self) -> t.Expr:
        self.advance()
        if not self.accept("FIRST"):
            self.expect("NEXT")
        limit = self.primary()
        if not self.accept("ROWS"):
            self.expect("ROW")
        self.expect("ONLY")
        return limit

    # Relations

    def from_(self) -> t.Relation:
        left = self.joined()
        while self.accept(","):
            at = self.token.at
            left = t.Join("cross", left, self.joined(), at=at)
        return left

    def joined(self) -> t.Relation:
        left = self.relation()
        while self.token.upper in _JOIN_WORDS:
            left = self.join(left)
        return left

    def join(self, left: t.Relation) -> t.Join:
        at = self.token.at
        if self.token.upper in ("NATURAL", "POSITIONAL"):
            raise self.wrong(
                f"{self.token.upper} JOIN depends on things that the text does not say",
                fix="name the columns: JOIN … USING (…)",
            )
        is_asof = self.accept("ASOF")
        kind = "inner"
        if self.token.upper in ("INNER", "LEFT", "RIGHT", "FULL", "CROSS", "SEMI", "ANTI"):
            kind = self.advance().upper.lower()
        if kind in ("left", "right", "full"):
            self.accept("OUTER")
            if kind == "left" and self.token.upper in ("SEMI", "ANTI"):
                kind = self.advance().upper.lower()
        self.expect("JOIN")
        right = self.relation()
        if is_asof:
            if kind not in ("inner", "left"):
                raise self.text.error(
                    "SqlSyntax",
                    f"ASOF {kind.upper()} JOIN is not in the dialect",
                    at,
                    "use ASOF JOIN or ASOF LEFT JOIN",
                )
            kind = "asof" if kind == "inner" else "asof_left"
        if kind == "cross":
            return t.Join(kind, left, right, at=at)
        if self.accept("ON"):
            return t.Join(kind, left, right, self.expression(), at=at)
        if self.peek("USING"):
            self.advance()
            return t.Join(kind, left, right, None, self.column_list(), at=at)
        raise self.wrong(f"ON or USING should stand before {self.shown()}")

    def relation(self) -> t.Relation:
        relation = self.plain_relation()
        while self.peek("PIVOT") or self.peek("UNPIVOT") or self.peek("TABLESAMPLE"):
            if not self.peek("PIVOT"):
                raise self.wrong(f"{self.token.upper} is not in the dialect")
            relation = self.pivot(relation)
        return relation

    def plain_relation(self) -> t.Relation:
        at = self.token.at
        is_lateral = self.accept("LATERAL")
        if self.peek("(") and (is_lateral or self.is_query()):
            return self.derived(is_lateral=is_lateral)
        if self.accept("("):
            self.enter()
            inner = self.from_()
            self.depth -= 1
            self.expect(")")
            return inner
        if is_lateral:
            raise self.wrong(f"a query in parentheses should stand before {self.shown()}")
        if self.peek("TABLE") and self.next.upper == "(":
            self.advance()
            self.advance()
            call = self.table_call(self.identifier("a window function"), at)
            self.expect(")")
            return self.aliased(call)
        if self.peek("UNNEST") or (self.token.kind == "word" and self.next.upper == "("):
            return self.aliased(self.table_call(self.identifier("a table function"), at))
        if self.token.kind == "string":
            raise self.wrong(
                "a file is not read by its path in a query",
                fix="declare it: p.source(name, ms.files(path), schema=…)",
            )
        name = self.identifier("a source, view or table name")
        if self.peek("."):
            raise self.wrong(
                "names of sources and steps have no schema or catalogue part",
                fix="write the plain name",
            )
        return self.aliased(t.Table(name, at=at))

    def is_query(self) -> bool:
        """Say whether the parenthesis here holds a query, or joins: ``((SELECT …) AS a JOIN b …)``.

        It looks ahead instead of trying: trying one after the other doubles the work at each level.
        """
        start = self.at
        while self.tokens[start].upper == "(":
            start += 1
        if self.tokens[start].upper not in ("SELECT", "WITH", "VALUES"):
            return False
        # From the innermost query outwards: it stays one while only other queries are added to it.
        return all(
            self.tokens[self.closing.get(opening, -1)].upper in _AFTER_QUERY
            for opening in range(start - 1, self.at, -1)
        )

    def derived(self, *, is_lateral: bool) -> t.Relation:
        at = self.advance().at
        query = self.query()
        self.expect(")")
        return self.aliased(t.Subquery(query, is_lateral, at=at))

    def aliased(self, relation: t.Relation) -> t.Relation:
        alias, columns = relation.alias, relation.columns
        if self.peek("MATCH_RECOGNIZE") and self.next.upper == "(":
            raise self.wrong("MATCH_RECOGNIZE arrives in a later version")
        if (
            self.accept("AS")
            or self.token.kind == "quoted"
            or (self.token.kind == "word" and not self.is_reserved())
        ):
            alias = self.identifier("an alias")
        if alias and self.peek("("):
            columns = self.column_list()
        return dataclasses.replace(relation, alias=alias, columns=columns)

    def table_call(self, name: str, at: int) -> t.TableCall:
        self.expect("(")
        lowered = name.lower()
        table: t.Relation | None = None
        partition: tuple[t.Expr, ...] = ()
        if lowered in WINDOW_TABLES:
            table, partition = self.window_input()
        args: list[t.Expr] = []
        while not self.peek(")"):
            if args or table is not None:
                self.expect(",")
            args.append(self.descriptor() if self.peek("DESCRIPTOR") else self.argument(lowered))
        self.expect(")")
        has_ordinality = False
        if self.accept("WITH"):
            self.expect("ORDINALITY")
            has_ordinality = True
        return t.TableCall(lowered, (*args, *partition), has_ordinality, table, at=at)

    def window_input(self) -> tuple[t.Relation, tuple[t.Expr, ...]]:
        """Read a window function's table: a name, ``TABLE name [PARTITION BY …]`` or a query."""
        at = self.token.at
        if self.peek("(") and self.next.upper in ("SELECT", "WITH", "VALUES"):
            self.advance()
            query = self.query()
            self.expect(")")
            return t.Subquery(query, at=at), ()
        self.accept("TABLE")
        table = t.Table(self.identifier("a source, view or table name"), at=at)
        if not self.accept("PARTITION"):
            return table, ()
        self.expect("BY")
        if self.accept("("):
            keys = self.expressions()
            self.expect(")")
            return table, keys
        return table, (self.expression(),)

    def descriptor(self) -> t.Expr:
        self.advance()
        self.expect("(")
        column = self.expression()
        self.expect(")")
        return column

    def pivot(self, source: t.Relation) -> t.Relation:
        at = self.advance().at
        self.expect("(")
        values = [self.item()]
        while self.accept(","):
            values.append(self.item())
        self.expect("FOR")
        on = self.postfix()
        self.expect("IN")
        self.expect("(")
        cases = [self.item()]
        while self.accept(","):
            cases.append(self.item())
        self.expect(")")
        group = None
        if self.accept("GROUP"):
            self.expect("BY")
            group = self.expressions()
        self.expect(")")
        return self.aliased(t.Pivot(source, tuple(values), on, tuple(cases), group, at=at))


def _as_query(body: t.Body) -> t.Query:
    return t.Query(body, at=body.at)


def parse(text: Text) -> t.Query:
    """Read one query; a closing semicolon is allowed.

    Parameters
    ----------
    text : Text
        The SQL and its place in the user's file.

    Returns
    -------
    Query
        The tree as written: names unresolved, types unknown.

    Raises
    ------
    DefinitionError
        At the first place where the text leaves the grammar (code ``SqlSyntax``).
    """
    parser = Parser(text)
    query = parser.query()
    parser.accept(";")
    parser.finish()
    return checked_depth(query, text)


def checked_depth(query: t.Query, text: Text) -> t.Query:
    """Give a query that is no deeper than what everything that walks it can bear.

    Raises
    ------
    DefinitionError
        Where it nests too deep (code ``SqlTooDeep``).
    """
    deep = too_deep(query)
    if deep is not None:
        what = (
            f"an expression nests deeper than {MAX_NESTING} levels, or is a chain of more than "
            f"{MAX_LEVELS} operators"
        )
        fix = "take parts out into WITH queries or views, or aggregate a list instead of a chain"
        raise text.error("SqlTooDeep", what, deep.at, fix)
    return query
