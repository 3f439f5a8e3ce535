"""A plan as Spark SQL: one SELECT per step, over the quoted names of sources and earlier steps.

What the catalogue spells for Spark is printed as such. Any other expression becomes a `Kernel`: DuckDB
computes it inside Spark's workers, from the columns, aggregates and subqueries that it reads.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from mainstem.engines.embedded.compile import expression_sql
from mainstem.engines.embedded.compile import reads as reads_of
from mainstem.engines.embedded.constants import judged
from mainstem.engines.embedded.fallible import Failure, can_fail, fails, operands, parted
from mainstem.engines.spark.kernel import ERROR, VALUE, Kernel
from mainstem.engines.spark.spellings import spelling
from mainstem.engines.spark.types import literal, quoted, spark_type
from mainstem.engines.spec import Program, Statement
from mainstem.errors import InternalError
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.types import BIGINT, STRING, Type, list_of, struct_of
from mainstem.record import record
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.order import asof_keys
from mainstem.sql.text import Printer

if TYPE_CHECKING:
    import duckdb

    from mainstem.plan.nodes import Plan, Step

ENGINE = "spark"
_LATERAL = (t.Subquery, t.TableCall)
# Conversions that mean the same there; of a text, and to one, most do not.
_SAME_CASTS = {
    "boolean": ("bigint", "string"),
    "bigint": ("bigint", "double", "decimal", "string", "boolean"),
    "decimal": ("bigint", "double", "decimal"),
    "double": ("bigint", "double"),
    "date": ("date", "timestamp", "string"),
    "timestamp": ("timestamp", "date"),
    "string": ("string",),
}
_ELEMENT = "e"
# The parameter of statements that holds the time of the run, and how DuckDB's spellings name it.
CLOCK = "__started_at"
STARTED = f"getvariable('{CLOCK}')"


@record
class SparkStatement(Statement):
    """A step with the functions that its SELECT calls."""

    kernels: tuple[Kernel, ...] = ()

    def helpers(self) -> tuple[tuple[str, str], ...]:
        """Give what DuckDB computes inside Spark's workers."""
        return tuple((one.name, one.sql) for one in self.kernels)


@record
class _Text(t.Select):
    """A SELECT that is printed already."""

    text: str = ""


class SparkPrinter(Printer):
    """Prints a bound tree for Spark 4.2, and notes the kernels that it calls."""

    def __init__(self) -> None:
        self.kernels: dict[str, Kernel] = {}
        # What the SELECT that is being printed groups by: such an expression is one value there.
        self._keys: list[tuple[t.Expr, ...]] = [()]
        self._in_aggregate = False

    # Names and types

    def type(self, node: Type) -> str:
        """Give the name of a type there."""
        return spark_type(node)

    def print_column(self, node: t.Column) -> str:
        """Print a column."""
        name = quoted(node.name)
        return f"{quoted(node.relation)}.{name}" if node.relation else name

    def print_literal(self, node: t.Literal) -> str:
        """Print a constant in its exact type."""
        type_ = node.type
        if node.value is None:
            plain = type_ is None or type_.kind == "null"
            return "NULL" if plain else f"CAST(NULL AS {spark_type(cast('Type', type_))})"
        return value_sql(node.value, t.type_of(node))

    def print_failure(self, node: Failure) -> str:
        """Print a constant that fails where a row gets to it."""
        return f"CAST(raise_error({literal(node.message)}) AS {spark_type(t.type_of(node))})"

    def print_param(self, node: t.Param) -> str:
        """Print a run parameter as a named one of the statement."""
        return f"CAST(:{node.name} AS {spark_type(t.type_of(node))})"

    def print_struct(self, node: t.Struct) -> str:
        """Print a struct."""
        pairs = (
            f"{literal(n)}, {self.expr(v)}" for n, v in zip(node.names, node.values, strict=True)
        )
        return f"named_struct({', '.join(pairs)})"

    def print_field(self, node: t.Field) -> str:
        """Print a field of a struct."""
        return f"({self.expr(node.expr)}).{quoted(node.name)}"

    # Queries

    def query(self, node: t.Query) -> str:
        """Print a query; see `_wrapped` for those whose SELECT Spark does not take as it is."""
        select = node.body
        if not isinstance(select, t.Select) or not _is_wrapped(select):
            return super().query(node)
        hidden, order = [], []
        for i, key in enumerate(node.order):
            if isinstance(key.expr, t.Column) and not key.expr.relation:
                order.append(key)
                continue
            hidden.append(t.Item(key.expr, f"__order_{i}"))
            order.append(dataclasses.replace(key, expr=t.Column("", f"__order_{i}")))
        text = self._wrapped(select, tuple(hidden))
        return super().query(
            dataclasses.replace(node, body=_Text((), text=text), order=tuple(order))
        )

    def _wrapped(self, node: t.Select, hidden: tuple[t.Item, ...]) -> str:
        """Print a SELECT inside of another one.

        QUALIFY over groups becomes a WHERE outside. Grouping sets with the empty set become two
        SELECTs: of no rows Spark gives no group at all, and SQL one (measured with 4.2.0).
        """
        kept = () if node.qualify is None else (t.Item(node.qualify, "__keep"),)
        # To count makes the SELECT without keys one over all rows.
        counted = t.Item(t.Call("count", overload=0, type=BIGINT), "__count")
        inner = dataclasses.replace(
            node, items=(*node.items, *hidden, *kept, counted), qualify=None, is_distinct=False
        )
        sets = _sets(node)
        texts = [self.select(inner)]
        if () in sets:
            rest = tuple(one for one in sets if one)
            grouped = dataclasses.replace(inner, group=(t.Grouping("sets", rest),))
            texts = [self.select(grouped)] * bool(rest)
            texts += [self.select(_over_all(inner, sets))] * sets.count(())
        names = ", ".join(quoted(i.name) for i in node.items)
        where = " WHERE `__keep`" if kept else ""
        distinct = "DISTINCT " if node.is_distinct else ""
        return f"SELECT {distinct}{names} FROM ({' UNION ALL '.join(texts)}) AS `__inner`{where}"

    # Relations

    def cte(self, node: t.Cte) -> str:
        """Print one WITH entry."""
        columns = f"({', '.join(map(quoted, node.columns))})" if node.columns else ""
        return f"{quoted(node.name)}{columns} AS ({self.query(node.query)})"

    def body(self, node: t.Body) -> str:
        """Print VALUES: what is not plain as SELECTs, for a table of literals may not call a kernel."""
        if isinstance(node, _Text):
            return node.text
        if not isinstance(node, t.Values):
            return super().body(node)
        if all(isinstance(e, t.Literal) for row in node.rows for e in row):
            # Of SELECTs each would be a task of its own.
            table = ", ".join(f"({self.list(row)})" for row in node.rows)
            return f"SELECT * FROM VALUES {table} AS v({', '.join(map(quoted, node.names))})"
        rows = (
            "SELECT " + ", ".join(
                f"{self.expr(e)} AS {quoted(n)}" for e, n in zip(row, node.names, strict=True)
            )
            for row in node.rows
        )  # fmt: skip
        return " UNION ALL ".join(rows)

    def select(self, node: t.Select) -> str:
        """Print a SELECT, whose keys are values to the expressions over it."""
        keys = [e for g in node.group for e in _keys(g)]
        self._keys.append(tuple(keys))
        try:
            items = ", ".join(f"{self.expr(i.expr)} AS {quoted(i.name)}" for i in node.items)
            parts = [f"SELECT {'DISTINCT ' if node.is_distinct else ''}{items}"]
            after = []
            if node.group:
                after.append("GROUP BY " + ", ".join(self.group_item(g) for g in node.group))
            if node.having is not None:
                after.append(f"HAVING {self.expr(node.having)}")
            if node.qualify is not None:
                after.append(f"QUALIFY {self.expr(node.qualify)}")
        finally:
            self._keys.pop()
        if node.source is not None:
            parts.append(f"FROM {self.relation(node.source)}")
        if node.where is not None:
            parts.append(f"WHERE {self.condition(node.where)}")
        return " ".join(parts + after)

    def relation(self, node: t.Relation) -> str:
        """Print something in FROM."""
        if isinstance(node, t.Table):
            return quoted(node.name) + self.alias(node)
        if isinstance(node, t.Subquery):
            return f"({self.query(node.query)}){self.alias(node)}"
        if isinstance(node, t.TableCall):
            return self._table_call(node)
        return self.join(cast("t.Join", node))

    def alias(self, node: t.Relation) -> str:
        """Print the alias of a relation."""
        columns = f"({', '.join(map(quoted, node.columns))})" if node.columns else ""
        return f" AS {quoted(node.alias)}{columns}" if node.alias else ""

    def join(self, node: t.Join) -> str:
        """Print a join; what stands at the right may look at the left only where it says LATERAL."""
        word = {"inner": "JOIN", "semi": "LEFT SEMI JOIN", "anti": "LEFT ANTI JOIN"}.get(
            node.kind, f"{node.kind.upper()} JOIN"
        )
        right = self.relation(node.right)
        if node.kind in ("asof", "asof_left"):
            # The one row of the right side that is next in time; ties are broken before.
            _, time, is_back = asof_keys(node)
            found = f"SELECT * FROM {right} WHERE {self.condition(cast('t.Expr', node.on))}"
            order = f"ORDER BY {self.expr(time)} {'DESC' if is_back else 'ASC'} LIMIT 1"
            word = "LEFT JOIN" if node.kind == "asof_left" else "JOIN"
            alias = quoted(node.right.alias)
            return f"{self.relation(node.left)} {word} LATERAL ({found} {order}) AS {alias} ON TRUE"
        if isinstance(node.right, t.Join):
            right = f"({right})"
        elif isinstance(node.right, t.TableCall) or getattr(node.right, "is_lateral", False):
            right = f"LATERAL {right}"
        condition = f" ON {self.condition(node.on)}" if node.on is not None else ""
        return f"{self.relation(node.left)} {word} {right}{condition}"

    def _table_call(self, node: t.TableCall) -> str:
        """Print UNNEST or a range as rows of a list."""
        if node.name == "unnest" and len(node.args) == 1:
            values = self.expr(node.args[0])
        else:
            call = t.Call(
                node.name, node.args, type=list_of(node.types[0] if node.types else BIGINT)
            )
            values = self._kernel(call)
        names = node.columns or ("value", "ordinality")
        if not node.has_ordinality:
            return f"explode({values}){self.alias(node)}"
        number = f"CAST(__p.n + 1 AS BIGINT) AS {quoted(names[1])}"
        return (
            f"(SELECT __p.v AS {quoted(names[0])}, {number} FROM posexplode({values}) AS __p(n, v))"
            f" AS {quoted(node.alias)}"
        )

    # Expressions

    def expr(self, node: t.Expr) -> str:
        """Print an expression; what Spark does not say is computed by a kernel."""
        return self._kernel(node) if self._is_foreign(node) else super().expr(node)

    def condition(self, node: t.Expr) -> str:
        """Print WHERE and ON: those operands first that cannot fail."""
        safe, fallible = parted(operands(node, "and"))
        return " AND ".join(self.expr(part) for part in (*safe, *fallible))

    def print_cast(self, node: t.Cast) -> str:
        """Print a conversion that means the same there."""
        word = "TRY_CAST" if node.is_try else "CAST"
        return f"{word}({self.expr(node.expr)} AS {spark_type(node.to)})"

    def print_call(self, node: t.Call) -> str:
        """Print a call by its row's spelling."""
        if node.name == "list_value":
            return f"CAST(array({self.list(node.args)}) AS {spark_type(t.type_of(node))})"
        if node.name == "grouping":
            bits = (
                f"CAST(grouping({self.expr(a)}) AS BIGINT) * {2**i}"
                for i, a in enumerate(reversed(node.args))
            )
            return f"({' + '.join(bits)})"
        if node.name in ("and", "or"):
            safe, fallible = parted(operands(node, node.name))
            return f" {node.name.upper()} ".join(map(self.expr, (*safe, *fallible))).join("()")
        if is_aggregate(node) or node.window is not None:
            return self._aggregate(node)
        return self._spelled(node, [self.expr(a) for a in node.args])

    def _spelled(self, node: t.Call, args: Sequence[str]) -> str:
        template = spelling(node)
        if template is None:
            raise InternalError(f"{node.name} has no spelling for Spark")
        n_fixed = len(catalogue()[node.name].overloads[node.overload].takes) - 1
        return template.format(
            *args,
            args=", ".join(args),
            whens=" ".join(f"WHEN {n} THEN {arg}" for n, arg in enumerate(args[n_fixed:], 1)),
            type=spark_type(t.type_of(node)),
            distinct="DISTINCT " if node.distinct else "",
            nulls=" IGNORE NULLS" if node.ignore_nulls else "",
            over=self.over(node),
        )

    def print_scalar(self, node: t.Scalar) -> str:
        """Print a subquery that gives one value.

        Over groups Spark takes one that looks outside only in an aggregate.
        """
        text = super().print_scalar(node)
        is_outside = self._keys[-1] and not self._in_aggregate and free_relations(node.query)
        return f"first({text})" if is_outside else text

    def over(self, node: t.Call) -> str:
        """Print FILTER and OVER; the FILTER of a window stands in its argument."""
        if node.window is not None:
            inside = self.window(node.window)
            if not node.window.order and catalogue()[node.name].kind == "window":
                # Spark numbers no rows without one; by this all rows are peers.
                inside = f"{inside} ORDER BY 1".strip()
            return f" OVER ({inside})"
        return f" FILTER (WHERE {self.expr(node.where)})" if node.where is not None else ""

    def bound(self, node: t.Bound) -> str:
        """Print one end of a frame."""
        if isinstance(node.offset, t.Literal) and isinstance(node.offset.value, int):
            return f"{node.offset.value} {'FOLLOWING' if node.following else 'PRECEDING'}"
        if isinstance(node.offset, t.Interval):
            return f"{_span(node.offset)} {'FOLLOWING' if node.following else 'PRECEDING'}"
        return super().bound(node)

    def _aggregate(self, node: t.Call) -> str:
        over = node.window is not None
        is_plain = not (node.distinct and over) and not node.order
        if not is_plain or spelling(node) is None or _compares_nested(node):
            return self._collected(node)
        self._in_aggregate = node.window is None
        args = [self.expr(a) for a in node.args]
        self._in_aggregate = False
        if over and node.where is not None:
            args[:1] = [f"CASE WHEN {self.expr(node.where)} THEN {args[0] if args else '1'} END"]
            if not node.args:
                return f"count({args[0]}){self.over(node)}"
        return self._spelled(node, args)

    def _collected(self, node: t.Call) -> str:
        """Print an aggregate that Spark has not: the rows of a group as a list, for a kernel."""
        cells: dict[str, tuple[str, Type]] = {}

        def cell(expr: t.Expr) -> t.Expr:
            if not any(isinstance(n, t.Column | t.Param | t.Query) for n in t.walk(expr)):
                return expr
            text = self.expr(expr)
            name, type_ = cells.setdefault(text, (f"c{len(cells)}", t.type_of(expr)))
            return t.Column("", name, type=type_)

        args = tuple(cell(a) for a in node.args)
        order = tuple(dataclasses.replace(o, expr=cell(o.expr)) for o in node.order)
        inner = dataclasses.replace(node, args=args, order=order, where=None, window=None)
        if not cells:
            # Constants stay where the row wants them; there are still so many rows.
            cells["1L"] = ("c0", BIGINT)
        shape = struct_of(dict(cells.values()))
        row = ", ".join(f"{literal(name)}, {text}" for text, (name, _) in cells.items())
        kept = f"named_struct({row})"
        if node.where is not None:
            # Only structs that are not NULL are collected.
            kept = f"CASE WHEN {self.expr(node.where)} THEN {kept} END"
        window = f" OVER ({self.window(node.window)})" if node.window is not None else ""
        fields = ", ".join(f"{_ELEMENT}.{name} AS {name}" for name, _ in cells.values())
        sql = (
            f"(SELECT {expression_sql(inner)} FROM (SELECT {fields} FROM "
            f"(SELECT unnest(a0) AS {_ELEMENT})))"
        )
        made = self._made(sql, (list_of(shape),), t.type_of(node), can_fail=fails(node))
        return self._call(made, [f"collect_list({kept}){window}"])

    # Kernels

    def _is_foreign(self, node: t.Expr) -> bool:
        if isinstance(node, t.Cast):
            return not _is_same_cast(node)
        if isinstance(node, t.Interval):
            return True
        if not isinstance(node, t.Call) or node.name in ("grouping", "list_value"):
            return False
        if is_aggregate(node) or node.window is not None:
            return False
        if node.name in ("and", "or"):
            # Two that can fail must not stop one another; DuckDB's printer knows how.
            return sum(map(can_fail, operands(node, node.name))) > 1
        return spelling(node) is None or _compares_nested(node)

    def _kernel(self, node: t.Expr) -> str:
        leaves: dict[str, tuple[str, Type]] = {}
        inner = cast("t.Expr", self._inside(node, leaves, frozenset(), is_root=True))
        sql = expression_sql(inner)
        if STARTED in sql:
            # A variable of the run; a worker has none.
            name, _ = leaves.setdefault(f"CAST(:{CLOCK} AS STRING)", (f"a{len(leaves)}", STRING))
            sql = sql.replace(STARTED, name)
        if not leaves and not t.type_of(node).is_nested and _is_fixed(inner):
            folded = _folded(inner)
            if folded is not None:
                return folded
        fallible = any(fails(n) for n in t.walk(inner))
        made = self._made(
            sql, tuple(x for _, x in leaves.values()), t.type_of(node),
            can_fail=fallible, is_deterministic=_is_fixed(inner),
        )  # fmt: skip
        return self._call(made, list(leaves))

    def _inside(
        self, node: t.Node, leaves: dict[str, tuple[str, Type]], names: frozenset[str], *,
        is_root: bool = False,
    ) -> t.Node:  # fmt: skip
        """Give an expression over the columns of its kernel, which are added to `leaves`."""
        if not is_root and isinstance(node, t.Expr) and self._is_leaf(node, names):
            text = self.expr(node)
            name, type_ = leaves.setdefault(text, (f"a{len(leaves)}", t.type_of(node)))
            return t.Column("", name, type=type_)
        if isinstance(node, t.Lambda):
            names |= set(node.params)
        return t.rebuilt(node, lambda child: self._inside(child, leaves, names))

    def _is_leaf(self, node: t.Expr, names: frozenset[str]) -> bool:
        if isinstance(node, t.Column):
            return bool(node.relation) or node.name not in names
        if isinstance(node, t.Param | t.Scalar | t.Exists | t.InQuery) or node in self._keys[-1]:
            return not isinstance(node, t.Literal)
        return isinstance(node, t.Call) and (
            node.name == "grouping" or node.window is not None or is_aggregate(node)
        )

    def _made(
        self, sql: str, takes: tuple[Type, ...], gives: Type, *, can_fail: bool,
        is_deterministic: bool = True,
    ) -> Kernel:  # fmt: skip
        said = json.dumps([sql, [str(x) for x in takes], str(gives)])
        name = "ms_" + hashlib.sha256(said.encode()).hexdigest()[:16]
        made = Kernel(name, sql, takes, gives, can_fail, is_deterministic)
        self.kernels[name] = made
        return made

    def _call(self, made: Kernel, args: Sequence[str]) -> str:
        # Without a column there would be no rows to compute.
        call = f"{made.name}({', '.join(args) or '1'})"
        if not made.can_fail:
            return call
        failure = f"CAST(raise_error({call}.{ERROR}) AS {spark_type(made.gives)})"
        return f"(CASE WHEN {call}.{ERROR} IS NOT NULL THEN {failure} ELSE {call}.{VALUE} END)"


def _is_wrapped(node: t.Select) -> bool:
    if () in _sets(node):
        return True
    calls = [n for i in node.items for n in t.walk(i) if isinstance(n, t.Call)]
    return node.qualify is not None and (
        bool(node.group) or any(is_aggregate(n) and n.window is None for n in calls)
    )


def _sets(node: t.Select) -> tuple[tuple[t.Expr, ...], ...]:
    """Give the grouping sets of a SELECT that groups by nothing else."""
    only = node.group[0] if len(node.group) == 1 else None
    return only.sets if isinstance(only, t.Grouping) else ()


def _over_all(node: t.Select, sets: Sequence[tuple[t.Expr, ...]]) -> t.Select:
    """Give the SELECT of the empty grouping set: each key is NULL, outside of aggregates."""
    keys = {key for one in sets for key in one}

    def change(expr: t.Node) -> t.Node:
        if expr in keys:
            return t.Literal(None, "null", type=getattr(expr, "type", None))
        if isinstance(expr, t.Call) and expr.name == "grouping":
            return t.Literal(2 ** len(expr.args) - 1, "integer", type=BIGINT)
        if isinstance(expr, t.Query) or (
            isinstance(expr, t.Call) and is_aggregate(expr) and expr.window is None
        ):
            return expr
        return t.rebuilt(expr, change)

    items = tuple(dataclasses.replace(i, expr=cast("t.Expr", change(i.expr))) for i in node.items)
    having = None if node.having is None else cast("t.Expr", change(node.having))
    return dataclasses.replace(node, items=items, group=(), having=having)


def free_relations(query: t.Query) -> frozenset[str]:
    """Give the relations outside of a query whose columns stand in it."""
    nodes = list(t.walk(query))
    own = {n.alias for n in nodes if isinstance(n, t.Relation)}
    used = {n.relation for n in nodes if isinstance(n, t.Column) and n.relation}
    return frozenset(used - own)


def _span(node: t.Interval) -> str:
    """Give a literal of one of Spark's two kinds of spans."""
    if node.months:
        return f"INTERVAL '{node.months}' MONTH"
    if not node.micros:
        return f"INTERVAL '{node.days}' DAY"
    micros = node.micros + node.days * 86_400_000_000
    return f"INTERVAL '{micros // 1_000_000}.{micros % 1_000_000:06}' SECOND"


def _keys(item: t.Expr | t.Grouping) -> list[t.Expr]:
    if isinstance(item, t.Grouping):
        return [e for one in item.sets for e in one]
    return [item]


def _compares_nested(node: t.Call) -> bool:
    """Say whether lists, structs or maps are compared: where NULL stands in them differs."""
    return catalogue()[node.name].compares and any(
        not isinstance(a, t.Lambda) and t.type_of(a).is_nested for a in node.args
    )


def _is_same_cast(node: t.Cast) -> bool:
    own, to = t.type_of(node.expr), node.to
    if own.kind == "null" or own == to:
        return True
    return to.kind in _SAME_CASTS.get(own.kind, ())


def _is_fixed(node: t.Node) -> bool:
    """Say whether an expression gives the same each time."""
    calls = [n for n in t.walk(node) if isinstance(n, t.Call)]
    return all(catalogue()[n.name].is_deterministic for n in calls if n.name in catalogue())


def _folded(node: t.Expr) -> str | None:
    """Give a constant as Spark's text; None when it fails, which it may only where a row gets to it."""
    import duckdb

    from mainstem.engines.embedded.failures import is_data

    type_, sql = t.type_of(node), expression_sql(node)
    try:
        # Instants as numbers: to give them, DuckDB needs a package for zones.
        text = f"epoch_us({sql})" if type_.kind == "timestamp" else sql
        with _calculator().cursor() as cursor:
            # A cursor has settings of its own: its zone would be that of the machine.
            cursor.execute("SET TimeZone = 'UTC'")
            value = cursor.execute(f"SELECT {text}").fetchall()[0][0]
    except duckdb.Error as error:
        if not is_data(error):
            raise
        return None
    if value is None:
        return f"CAST(NULL AS {spark_type(type_)})"
    return f"timestamp_micros({value})" if type_.kind == "timestamp" else value_sql(value, type_)


@cache
def _calculator() -> duckdb.DuckDBPyConnection:
    """Give a DuckDB for constants; to open one takes as long as to print ten queries."""
    from mainstem.engines.embedded.session import plain_connection

    return plain_connection()


def value_sql(value: Any, type_: Type) -> str:
    """Give a plain value as a literal of its type."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return f"TIMESTAMP_LTZ '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Decimal):
        return f"CAST('{value:f}' AS {spark_type(type_)})"
    return f"CAST('{value!r}' AS {spark_type(type_)})"


def compile(plan: Plan) -> Program:  # noqa: A001 - the name that every engine folder has
    """Give the program of a plan: what is read, and one statement per step."""
    return Program(plan, ENGINE, reads_of(plan), tuple(_statement(plan, s) for s in plan.steps))


def _statement(plan: Plan, step: Step) -> SparkStatement:
    printer = SparkPrinter()

    def text(query: t.Query) -> str:
        return printer.query(judged(query, expression_sql))

    if not plan.functions:
        return SparkStatement(step, text(step.query), kernels=tuple(printer.kernels.values()))
    from mainstem.sql.lift import lifted

    taken = lifted(step.query, plan.functions, step.name)
    if taken.problem is not None:
        raise InternalError(f"a call in {step.name!r} passed the check: {taken.problem[0]}")
    rows = tuple(text(made.query) for made in taken.maps)
    sql = text(taken.query)
    return SparkStatement(step, sql, taken.maps, rows, kernels=tuple(printer.kernels.values()))
