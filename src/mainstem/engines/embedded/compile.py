"""A plan as DuckDB SQL: one SELECT per step, over the quoted names of sources and earlier steps.

Nothing is decided here. The bound tree says everything; this prints it with the catalogue's
spellings for DuckDB.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from mainstem.engines.embedded.casts import cast_sql
from mainstem.engines.embedded.constants import judged
from mainstem.engines.embedded.fallible import (
    Failure,
    can_fail,
    chosen,
    connected,
    operands,
    parted,
)
from mainstem.engines.embedded.types import duckdb_type
from mainstem.engines.spec import Program, SourceRead, Statement
from mainstem.errors import InternalError
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan, Step
from mainstem.plan.types import Type, in_expressions
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.text import Printer, quoted, text_literal

ENGINE = "embedded"
_KEY = "duckdb"
# Digits of a DECIMAL that DuckDB keeps in 64 bits.
NARROW = 18


class DuckdbPrinter(Printer):
    """Prints a bound tree for DuckDB 2."""

    def type(self, node: Type) -> str:
        """Give the name of a type there."""
        return duckdb_type(node)

    def print_literal(self, node: t.Literal) -> str:
        """Print a constant in its exact type."""
        value, type_ = node.value, node.type
        if value is None:
            return (
                "NULL"
                if type_ is None or type_.kind == "null"
                else f"CAST(NULL AS {duckdb_type(type_)})"
            )
        if isinstance(value, datetime):
            return f"TIMESTAMPTZ '{value.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f')}+00'"
        if isinstance(value, Decimal):
            return f"CAST('{value:f}' AS {duckdb_type(t.type_of(node))})"
        if isinstance(value, float):
            return f"CAST('{value!r}' AS DOUBLE)"
        if isinstance(value, int) and not isinstance(value, bool):
            # A bare 5 is an INTEGER there, and INTEGER arithmetic overflows at 2^31.
            return f"CAST({value} AS BIGINT)"
        return super().print_literal(node)

    def print_param(self, node: t.Param) -> str:
        """Print a run parameter as the variable that the run sets."""
        return f"CAST(getvariable({text_literal(node.name)}) AS {duckdb_type(t.type_of(node))})"

    def print_failure(self, node: Failure) -> str:
        """Print a constant that fails, so that it does when a row gets to it, and not before."""
        return f"CAST(error({text_literal(node.message)}) AS {duckdb_type(t.type_of(node))})"

    def print_cast(self, node: t.Cast) -> str:
        """Print a conversion as the contract means it (V3)."""
        own = t.type_of(node.expr)
        return cast_sql(
            self.expr(node.expr), own, node.to, is_try=node.is_try, is_exact=node.is_exact
        )

    def print_struct(self, node: t.Struct) -> str:
        """Print a struct."""
        pairs = (
            f"{quoted(n)} := {self.expr(v)}" for n, v in zip(node.names, node.values, strict=True)
        )
        return f"struct_pack({', '.join(pairs)})"

    def print_field(self, node: t.Field) -> str:
        """Print a field of a struct."""
        return f"struct_extract({self.expr(node.expr)}, {text_literal(node.name)})"

    def print_lambda(self, node: t.Lambda) -> str:
        """Print a lambda with its parameters quoted (V11)."""
        return f"lambda {', '.join(map(quoted, node.params))}: {self.expr(node.body)}"

    def bound(self, node: t.Bound) -> str:
        """Print one end of a frame."""
        if isinstance(node.offset, t.Literal) and isinstance(node.offset.value, int):
            return f"{node.offset.value} {'FOLLOWING' if node.following else 'PRECEDING'}"
        return super().bound(node)

    def condition(self, node: t.Expr) -> str:
        """Print WHERE and ON, where DuckDB filters by one operand of AND after the other.

        No CASE here: it would hide from the planner what can be pushed down or joined on.
        """
        safe, fallible = parted(operands(node, "and"))
        return " AND ".join(self.expr(part) for part in (*safe, *fallible))

    def connective(self, node: t.Call) -> str:
        """Print AND and OR; see `fallible`."""
        safe, fallible = parted(operands(node, node.name))
        has_query = any(isinstance(n, t.Query) for part in fallible for n in t.walk(part))
        if not fallible or has_query:
            return f" {node.name.upper()} ".join(map(self.expr, (*safe, *fallible))).join("()")
        tried = [p for p in fallible if _may_be_tried(p)]
        last = [p for p in fallible if not _may_be_tried(p)]
        return connected(node.name, *([self.expr(p) for p in some] for some in (safe, tried, last)))

    def print_call(self, node: t.Call) -> str:
        """Print a call by its row's spelling."""
        if node.name == "list_value":
            return f"CAST([{self.list(node.args)}] AS {duckdb_type(t.type_of(node))})"
        if node.name == "grouping":
            return f"GROUPING({self.list(node.args)})"
        if node.name in ("and", "or"):
            return self.connective(node)
        if node.name == "coalesce" and any(map(can_fail, node.args[1:])):
            return chosen([self.expr(a) for a in node.args])
        row = catalogue()[node.name]
        args = [self.expr(a) for a in node.args]
        if _is_narrow_product(node):
            # DuckDB multiplies two DECIMALs of at most 18 digits within 18 digits, and fails where the
            # product needs more, though its type has them (V1). One digit more in one operand is enough.
            wide = Type("decimal", NARROW + 1, t.type_of(node.args[0]).scale)
            args[0] = f"CAST({args[0]} AS {duckdb_type(wide)})"
            return f"CAST(({args[0]} * {args[1]}) AS {duckdb_type(t.type_of(node))})"
        n_fixed = len(row.overloads[node.overload].takes) - 1
        return row.template(node.overload, _KEY).format(
            *args,
            args=", ".join(args),
            whens=" ".join(f"WHEN {n} THEN {arg}" for n, arg in enumerate(args[n_fixed:], 1)),
            type=duckdb_type(t.type_of(node)),
            distinct="DISTINCT " if node.distinct else "",
            order=" " + self.order_by(node.order) if node.order else "",
            nulls=" IGNORE NULLS" if node.ignore_nulls else "",
            over=self.over(node),
        )


def _is_narrow_product(node: t.Call) -> bool:
    if node.name != "*" or t.type_of(node).kind != "decimal":
        return False
    return max(t.type_of(a).precision for a in node.args) <= NARROW < t.type_of(node).precision


def _may_be_tried(part: t.Expr) -> bool:
    """Say whether an operand may stand in TRY: it takes no error(…), aggregate or window."""
    return not any(
        isinstance(n, Failure)
        or (isinstance(n, t.Call) and (is_aggregate(n) or n.window is not None))
        for n in t.walk(part)
    )


def expression_sql(expr: t.Expr) -> str:
    """Give the DuckDB text of a bound expression by itself."""
    printer = DuckdbPrinter()
    return printer.expr(judged(expr, printer.expr))


def step_sql(query: t.Query) -> str:
    """Give the DuckDB SELECT of a bound query."""
    printer = DuckdbPrinter()
    return printer.query(judged(query, printer.expr))


def compile(plan: Plan) -> Program:  # noqa: A001 - the name that every engine folder has
    """Give the program of a plan: what is read, and one statement per step."""
    return Program(plan, ENGINE, reads(plan), tuple(_statement(plan, s) for s in plan.steps))


def reads(plan: Plan) -> tuple[SourceRead, ...]:
    """Give what is read of the sources of a plan; the same for every engine."""
    used = _used_columns(plan)
    found = []
    for source in plan.sources:
        if source.name in used:
            names = tuple(n for n in source.schema.names if n in used[source.name])
            found.append(SourceRead(source, names, bool(plan.expected_of(source.name))))
    return tuple(found)


def _statement(plan: Plan, step: Step) -> Statement:
    if not plan.functions:
        return Statement(step, step_sql(step.query))
    from mainstem.sql.lift import lifted

    taken = lifted(step.query, plan.functions, step.name)
    if taken.problem is not None:
        raise InternalError(f"a call in {step.name!r} passed the check: {taken.problem[0]}")
    rows = tuple(step_sql(made.query) for made in taken.maps)
    return Statement(step, step_sql(taken.query), taken.maps, rows)


def _used_columns(plan: Plan) -> dict[str, set[str]]:
    """Give the columns that some step uses of each source."""
    used: dict[str, set[str]] = {}
    tests = [e.test for e in plan.expectations if e.test is not None]
    for query in (*(step.query for step in plan.steps), *tests):
        # An alias is unique in one query only outward, so siblings may share it: that keeps a
        # column too many, never one too few.
        names: dict[str, set[str]] = {}
        for node in t.walk(query):
            if isinstance(node, t.Table) and not node.is_cte:
                used.setdefault(node.name, set())
                names.setdefault(node.alias, set()).add(node.name)
                if node.columns:
                    used[node.name] |= {n for n, _ in (_declared(plan, node.name))}
        for node in t.walk(query):
            if isinstance(node, t.Column):
                for table in names.get(node.relation, ()):
                    used[table].add(node.name)
    for rule in plan.expectations:
        used.setdefault(rule.on, set()).update(rule.columns)
    return used


def _declared(plan: Plan, name: str) -> list[tuple[str, Type]]:
    source = plan.source(name)
    return [(f.name, in_expressions(f.type)) for f in source.schema.fields] if source else []
