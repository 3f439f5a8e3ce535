"""Prints a tree as SQL text: canonical Mainstem SQL here, an engine's own in its subclass.

The canonical text of a bound tree reads back to an equal tree; plans are compared and fingerprinted
by it. Every identifier is quoted (V11), every sort key says its direction and its NULLs (V4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

from mainstem.plan import tree as t
from mainstem.plan.types import Type

_INFIX = frozenset(
    [
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "and",
        "or",
        "||",
        "->",
        "->>",
        "is distinct from",
        "is not distinct from",
    ]
)
_POSTFIX = {"is null": "IS NULL", "is true": "IS TRUE", "is false": "IS FALSE"}


_CHAINED = frozenset(["+", "-", "*", "/", "//", "%", "||"])


def is_chain(parent: t.Node, child: t.Node) -> bool:
    """Say whether a call is the left operand of the same operator: ``a + b`` in ``a + b + c``."""
    return (
        isinstance(parent, t.Call)
        and isinstance(child, t.Call)
        and parent.name == child.name
        and parent.name in _CHAINED
        and len(parent.args) == 2
        and len(child.args) == 2
        and parent.args[0] is child
    )


def quoted(name: str) -> str:
    """Give an identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """Give a text literal in single quotes."""
    return "'" + value.replace("'", "''") + "'"


class Printer:
    """Prints canonical Mainstem SQL; engines override what they say in another way."""

    def query(self, node: t.Query) -> str:
        """Print a whole query."""
        parts = []
        if node.ctes:
            recursive = "RECURSIVE " if node.is_recursive else ""
            parts.append(f"WITH {recursive}" + ", ".join(self.cte(c) for c in node.ctes))
        parts.append(self.body(node.body))
        if node.order:
            parts.append(self.order_by(node.order))
        if node.limit is not None:
            parts.append(f"LIMIT {self.count(node.limit)}")
        if node.offset is not None:
            parts.append(f"OFFSET {self.count(node.offset)}")
        return " ".join(parts)

    def count(self, node: t.Expr) -> str:
        return str(node.value) if isinstance(node, t.Literal) else self.expr(node)

    def cte(self, node: t.Cte) -> str:
        columns = f"({', '.join(map(quoted, node.columns))})" if node.columns else ""
        return f"{quoted(node.name)}{columns} AS ({self.query(node.query)})"

    def body(self, node: t.Body) -> str:
        if isinstance(node, t.Select):
            return self.select(node)
        if isinstance(node, t.Values):
            return "VALUES " + ", ".join(f"({self.list(row)})" for row in node.rows)
        word = (
            node.kind.upper()
            + (" ALL" if node.is_all else "")
            + (" BY NAME" if node.by_name else "")
        )
        return f"({self.query(node.left)}) {word} ({self.query(node.right)})"

    def select(self, node: t.Select) -> str:
        items = ", ".join(
            f"{self.expr(i.expr)} AS {quoted(i.name)}" if i.name else self.expr(i.expr)
            for i in node.items
        )
        parts = [f"SELECT {'DISTINCT ' if node.is_distinct else ''}{items}"]
        if node.source is not None:
            parts.append(f"FROM {self.relation(node.source)}")
        if node.where is not None:
            parts.append(f"WHERE {self.condition(node.where)}")
        if node.group:
            parts.append("GROUP BY " + ", ".join(self.group_item(g) for g in node.group))
        if node.having is not None:
            parts.append(f"HAVING {self.expr(node.having)}")
        if node.qualify is not None:
            parts.append(f"QUALIFY {self.expr(node.qualify)}")
        return " ".join(parts)

    def group_item(self, node: t.Expr | t.Grouping) -> str:
        if isinstance(node, t.Grouping):
            sets = ", ".join(
                "(" + ", ".join(self.group_key(e) for e in one) + ")" for one in node.sets
            )
            return f"GROUPING SETS ({sets})"
        return self.group_key(node)

    def group_key(self, node: t.Expr) -> str:
        """Print a key; a bare number would be read as the number of a column."""
        if isinstance(node, t.Literal) and node.type is not None:
            return f"CAST({self.expr(node)} AS {self.type(node.type)})"
        return self.expr(node)

    def order_by(self, keys: Sequence[t.Order]) -> str:
        return "ORDER BY " + ", ".join(self.order(k) for k in keys)

    def order(self, node: t.Order) -> str:
        nulls = (
            ""
            if node.nulls_first is None
            else " NULLS FIRST"
            if node.nulls_first
            else " NULLS LAST"
        )
        return f"{self.expr(node.expr)} {'DESC' if node.descending else 'ASC'}{nulls}"

    def condition(self, node: t.Expr) -> str:
        """Print what stands after WHERE and ON."""
        return self.expr(node)

    # Relations

    def relation(self, node: t.Relation) -> str:
        """Print something in FROM."""
        if isinstance(node, t.Table):
            return quoted(node.name) + self.alias(node)
        if isinstance(node, t.Subquery):
            lateral = "LATERAL " if node.is_lateral else ""
            return f"{lateral}({self.query(node.query)}){self.alias(node)}"
        if isinstance(node, t.TableCall):
            ordinality = " WITH ORDINALITY" if node.has_ordinality else ""
            return f"{node.name.upper()}({self.list(node.args)}){ordinality}{self.alias(node)}"
        return self.join(cast(t.Join, node))

    def alias(self, node: t.Relation) -> str:
        columns = f"({', '.join(map(quoted, node.columns))})" if node.columns else ""
        return f" AS {quoted(node.alias)}{columns}" if node.alias else ""

    def join(self, node: t.Join) -> str:
        word = {"inner": "JOIN", "asof": "ASOF JOIN", "asof_left": "ASOF LEFT JOIN"}.get(node.kind)
        right = self.relation(node.right)
        if isinstance(node.right, t.Join):
            right = f"({right})"
        condition = f" ON {self.condition(node.on)}" if node.on is not None else ""
        return (
            f"{self.relation(node.left)} {word or node.kind.upper() + ' JOIN'} {right}{condition}"
        )

    # Expressions

    def expr(self, node: t.Expr) -> str:
        """Print an expression so that it may stand in any place."""
        method: Callable[[t.Expr], str] = getattr(self, "print_" + type(node).__name__.lower())
        return method(node)

    def list(self, nodes: Sequence[t.Expr]) -> str:
        return ", ".join(self.expr(n) for n in nodes)

    def type(self, node: Type) -> str:
        return str(node)

    def print_literal(self, node: t.Literal) -> str:
        value = node.value
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, datetime):
            return f"TIMESTAMP '{value.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f')}Z'"
        if isinstance(value, date):
            return f"DATE '{value.isoformat()}'"
        if isinstance(value, str):
            return text_literal(value)
        if isinstance(value, float):
            return f"{value!r}" if "e" in repr(value) else f"{value!r}e0"
        if isinstance(value, Decimal):
            return f"CAST({value:f} AS {self.type(t.type_of(node))})" if node.type else f"{value:f}"
        return str(value)

    def print_interval(self, node: t.Interval) -> str:
        parts = [(node.months, "months"), (node.days, "days"), (node.micros, "microseconds")]
        said = [f"{n} {unit}" for n, unit in parts if n] or ["0 days"]
        return f"INTERVAL '{' '.join(said)}'"

    def print_name(self, node: t.Name) -> str:
        return ".".join(map(quoted, node.parts))

    def print_column(self, node: t.Column) -> str:
        return (
            f"{quoted(node.relation)}.{quoted(node.name)}" if node.relation else quoted(node.name)
        )

    def print_param(self, node: t.Param) -> str:
        return f":{node.name}"

    def print_star(self, node: t.Star) -> str:
        star = f"{quoted(node.relation)}.*" if node.relation else "*"
        if node.exclude:
            star += f" EXCLUDE ({', '.join(map(quoted, node.exclude))})"
        if node.replace:
            star += (
                f" REPLACE ({', '.join(f'{self.expr(e)} AS {quoted(n)}' for n, e in node.replace)})"
            )
        if node.rename:
            pairs = (f"{quoted(old)} AS {quoted(new)}" for old, new in node.rename)
            star += f" RENAME ({', '.join(pairs)})"
        return star

    def print_call(self, node: t.Call) -> str:
        args = [self.expr(a) for a in node.args]
        if node.name in _INFIX:
            if is_chain(node, node.args[0]):
                # A chain is read from left to right; parentheses for each sign would make it deep.
                args[0] = args[0][1:-1]
            return f"({args[0]} {node.name.upper()} {args[1]})"
        if node.name in _POSTFIX:
            return f"({args[0]} {_POSTFIX[node.name]})"
        if node.name == "not":
            return f"(NOT {args[0]})"
        if node.name == "negate":
            return f"(- {args[0]})"
        if node.name == "between":
            return f"({args[0]} BETWEEN {args[1]} AND {args[2]})"
        if node.name in ("like", "ilike"):
            escape = f" ESCAPE {args[2]}" if len(args) > 2 else ""
            return f"({args[0]} {node.name.upper()} {args[1]}{escape})"
        if node.name == "subscript":
            return f"({args[0]})[{args[1]}]"
        if node.name == "list_value":
            return f"[{', '.join(args)}]"
        inside = ("DISTINCT " if node.distinct else "") + (
            "*" if node.name == "count" and not args else ", ".join(args)
        )
        if node.order:
            inside += " " + self.order_by(node.order)
        nulls = " IGNORE NULLS" if node.ignore_nulls else ""
        return f"{node.name}({inside}{nulls}){self.over(node)}"

    def over(self, node: t.Call) -> str:
        """Print FILTER and OVER."""
        where = f" FILTER (WHERE {self.expr(node.where)})" if node.where is not None else ""
        return where + (f" OVER ({self.window(node.window)})" if node.window is not None else "")

    def window(self, node: t.Window) -> str:
        parts = []
        if node.partition:
            parts.append("PARTITION BY " + ", ".join(self.group_key(e) for e in node.partition))
        if node.order:
            parts.append(self.order_by(node.order))
        if node.frame is not None:
            start, end = self.bound(node.frame.start), self.bound(node.frame.end)
            parts.append(f"{node.frame.unit.upper()} BETWEEN {start} AND {end}")
        return " ".join(parts)

    def bound(self, node: t.Bound) -> str:
        if node.kind == "current":
            return "CURRENT ROW"
        amount = "UNBOUNDED" if node.offset is None else self.expr(node.offset)
        return f"{amount} {'FOLLOWING' if node.following else 'PRECEDING'}"

    def print_case(self, node: t.Case) -> str:
        whens = " ".join(f"WHEN {self.expr(c)} THEN {self.expr(v)}" for c, v in node.whens)
        default = f" ELSE {self.expr(node.default)}" if node.default is not None else ""
        return f"CASE {whens}{default} END"

    def print_cast(self, node: t.Cast) -> str:
        word = "TRY_CAST" if node.is_try else "CAST"
        return f"{word}({self.expr(node.expr)} AS {self.type(node.to)})"

    def print_inlist(self, node: t.InList) -> str:
        return (
            f"({self.expr(node.expr)} {'NOT ' if node.negated else ''}IN ({self.list(node.items)}))"
        )

    def print_inquery(self, node: t.InQuery) -> str:
        left = self.list(node.exprs)
        if len(node.exprs) > 1:
            left = f"({left})"
        return f"({left} {'NOT ' if node.negated else ''}IN ({self.query(node.query)}))"

    def print_exists(self, node: t.Exists) -> str:
        return f"({'NOT ' if node.negated else ''}EXISTS ({self.query(node.query)}))"

    def print_scalar(self, node: t.Scalar) -> str:
        return f"({self.query(node.query)})"

    def print_row(self, node: t.Row) -> str:
        return f"({self.list(node.items)})"

    def print_struct(self, node: t.Struct) -> str:
        pairs = (
            f"{text_literal(n)}: {self.expr(v)}"
            for n, v in zip(node.names, node.values, strict=True)
        )
        return "{" + ", ".join(pairs) + "}"

    def print_field(self, node: t.Field) -> str:
        return f"({self.expr(node.expr)}).{quoted(node.name)}"

    def print_lambda(self, node: t.Lambda) -> str:
        return f"lambda {', '.join(node.params)}: {self.expr(node.body)}"


def to_text(query: t.Query) -> str:
    """Give the canonical text of a query, on one line."""
    return Printer().query(query)
