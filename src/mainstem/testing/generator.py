"""Random typed expressions and small tables, made from the catalogue: what is a row there is used here.

A kind is a type by name (``bigint``, ``string[]``), a decimal of any scale is ``decimal``. Everything comes
from one `random.Random`, so a seed repeats it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from mainstem.functions.spec import Function, meanings
from mainstem.plan import tree as t
from mainstem.plan.types import BIGINT, Type, decimal, parse_type
from mainstem.record import record
from mainstem.sql.overloads import Pattern, pattern
from mainstem.testing.reference import knows
from mainstem.testing.reference_values import WIDE

SCALARS = ("boolean", "bigint", "decimal", "double", "string", "date", "timestamp")
LISTS = ("bigint[]", "string[]", "decimal[]", "double[]", "date[]")
KINDS = (*SCALARS, *LISTS)

SCHEMA = {
    "b1": "boolean", "b2": "boolean", "n1": "bigint", "n2": "bigint", "n3": "bigint",
    "d1": "decimal(10,2)", "d2": "decimal(38,10)", "d3": "decimal(1,1)", "d4": "decimal(38,0)",
    "f1": "double", "f2": "double", "s1": "string", "s2": "string", "s3": "string", "t1": "date", "t2": "date",
    "z1": "timestamp", "z2": "timestamp", "ln": "bigint[]", "ls": "string[]", "ld": "decimal(6,3)[]",
    "lf": "double[]", "lt": "date[]",
}  # fmt: skip
ZONES = ("UTC", "Europe/Rome", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")


def _time(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


# No letters whose case differs by engine (X1). Doubles are eighths and powers of two, which every step of a short computation holds exactly.
VALUES: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "bigint": (0, 1, -1, 2, 3, -5, 7, 10, 63, 64, 100, -2**63, 2**63 - 1, 2**31, -2**31 - 1, 10**15, 3037000500, 1709164800),
    "decimal": tuple(map(Decimal, ("0", "0.5", "-0.5", "1", "1.25", "-2.345", "2.5", "99.99", "-0.1", "0.001", "12345.678"))),
    "double": (0.0, 1.0, -1.0, 0.5, -2.5, 1.125, 2.5, 3.5, 1e15, -1048576.0, 0.25, 100.0),
    "string": ("", "a", "A", "abc", "é", "e\u0301", "😀", " a ", "a,b,,c", "%", "_", "a%c", "10", "-7", "1.5", " 7", "1_0", "0x1F",
               "true", "TRUE", "yes", "2024-02-29", "2023-02-29", "2024-02-29 10:11:12.5Z", "1e3", "9223372036854775808", "\t", "a\nb",
               "it's", "{0}", "ÀÉ"),
    "date": (date(1970, 1, 1), date(2024, 2, 29), date(1969, 12, 31), date(1900, 2, 28), date(2000, 12, 31), date(2021, 1, 3), date(2024, 3, 31)),
    "timestamp": (_time(1970, 1, 1), _time(2024, 2, 29, 23, 59, 59, 999999), _time(1969, 12, 31, 23, 59, 59, 500000),
                  _time(2024, 3, 31, 1, 30), _time(2024, 10, 27, 0, 30), _time(1900, 1, 1, 12), _time(2024, 12, 30, 0, 0, 0, 1)),
}  # fmt: skip


@record
class Maker:
    """One overload, and the kind of value that it gives; a variable where the kind depends on the arguments."""

    row: Function
    takes: tuple[Pattern, ...]
    gives: Pattern | str


@cache
def makers() -> tuple[Maker, ...]:
    """Give every scalar overload that the reference knows and the generator can write."""
    found = []
    for row in meanings():
        if row.kind != "scalar" or not row.is_deterministic or not knows(row.name):
            continue
        for overload in row.overloads:
            takes = tuple(pattern(x) for x in overload.takes)
            # Series of dates are left to the catalogue's examples.
            is_series = row.name == "generate_series" and takes[0].type not in (
                None,
                Type("bigint"),
            )
            if is_series or not all(_can_write(p) for p in takes):
                continue
            gives: Pattern | str
            gives = (
                pattern(overload.gives)
                if isinstance(overload.gives, str)
                else _kind(overload.gives([_sample(p) for p in takes]))
            )
            found.append(Maker(row, takes, gives))
    return tuple(found)


def _can_write(item: Pattern) -> bool:
    if item.kind in ("regex", "map", "struct") or item.check in ("path", "regex", "parse"):
        return False
    if item.type is not None and item.type.kind == "bytes":
        return False
    return all(_can_write(p) for p in item.parts)


def _sample(item: Pattern) -> Type:
    if item.kind == "list":
        return Type("list", items=(_sample(item.parts[0]),))
    return decimal(10, 2) if item.kind == "decimal" else item.type or Type("bigint")


def _kind(type_: Type) -> str:
    if type_.kind == "list":
        return _kind(type_.items[0]) + "[]"
    return type_.kind


def _bound(item: Pattern | str, kind: str) -> dict[str, str] | None:
    """Give what the variables of a result must be for it to be of a kind; None when it cannot be."""
    if isinstance(item, str):
        return {} if item == kind else None
    if item.kind == "variable":
        return {item.name: kind}
    if item.kind == "list":
        return _bound(item.parts[0], kind[:-2]) if kind.endswith("[]") else None
    if item.kind == "type" and item.type is not None:
        return {} if _kind(item.type) == kind else None
    return {} if item.kind == kind else None


@cache
def _candidates(kind: str) -> tuple[tuple[Maker, Mapping[str, str]], ...]:
    return tuple((m, b) for m in makers() if (b := _bound(m.gives, kind)) is not None)


class Generator:
    """Makes random unbound trees; `used` counts the catalogue rows."""

    def __init__(
        self, seed: int, columns: Mapping[str, str] | None = None, relation: str = ""
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311 - it must repeat
        self.columns = dict(SCHEMA if columns is None else columns)
        self.relation = relation

    def pick(self, values: Sequence[Any]) -> Any:
        """Give one of some values."""
        return values[self.random.randrange(len(values))]

    def chance(self, part: float) -> bool:
        """Say yes with a probability."""
        return self.random.random() < part

    # Tables

    def cell(self, type_: Type) -> Any:
        """Give a random value of a type, NULL now and then."""
        if self.chance(0.15):
            return None
        if type_.kind == "list":
            return [self.cell(type_.items[0]) for _ in range(self.random.randrange(4))]
        if type_.kind == "decimal":
            digits = self.random.choice((1, type_.precision // 2 + 1, type_.precision))
            whole = self.random.choice((0, 1, 10**digits - 1, self.random.randrange(10**digits)))
            return Decimal(min(whole, 10**type_.precision - 1) * self.pick((1, -1))).scaleb(
                -type_.scale, context=WIDE
            )
        if type_.kind == "bigint" and self.chance(0.5):
            return self.random.randrange(-20, 100)
        return self.pick(VALUES[type_.kind])

    def table(self, n_rows: int) -> list[tuple[Any, ...]]:
        """Give the rows of a random table with the generator's columns."""
        types = [parse_type(x) for x in self.columns.values()]
        return [tuple(self.cell(x) for x in types) for _ in range(n_rows)]

    # Expressions

    def expr(self, kind: str, depth: int, names: Mapping[str, str] | None = None) -> t.Expr:
        """Give a random expression of a kind; `names` are lambda parameters in scope."""
        names = names or {}
        if depth <= 0 or self.chance(0.1):
            return self.leaf(kind, names)
        turn = self.random.random()
        if turn < 0.1:
            return self.case(kind, depth, names)
        if turn < 0.22 and not kind.endswith("[]"):
            return self.cast(kind, depth, names)
        if kind == "boolean" and turn < 0.3:
            return self.membership(depth, names)
        if kind.endswith("[]") and turn < 0.3:
            return t.Call(
                "list_value",
                tuple(
                    self.expr(kind[:-2], depth - 1, names)
                    for _ in range(self.random.randrange(1, 4))
                ),
            )
        return self.call(kind, depth, names)

    def leaf(self, kind: str, names: Mapping[str, str]) -> t.Expr:
        """Give a column, a lambda parameter or a literal."""
        own = [n for n, k in names.items() if k == kind]
        if own and self.chance(0.7):
            return t.Name((self.pick(own),))
        columns = [n for n, x in self.columns.items() if _kind(parse_type(x)) == kind]
        if columns and self.chance(0.75):
            return t.Name(
                (self.relation, self.pick(columns)) if self.relation else (self.pick(columns),)
            )
        return self.literal(kind)

    def literal(self, kind: str) -> t.Expr:
        """Give a literal of a kind, or a typed NULL now and then."""
        if self.chance(0.06):
            return t.Cast(
                t.Literal(None, "null"),
                parse_type(
                    "decimal(5,2)"
                    if kind == "decimal"
                    else kind.replace("decimal[]", "decimal(5,2)[]")
                ),
            )
        if kind.endswith("[]"):
            return t.Call(
                "list_value",
                tuple(self.literal(kind[:-2]) for _ in range(self.random.randrange(1, 3))),
            )
        value = self.pick(VALUES[kind])
        words = {"bigint": "integer"}
        if kind == "decimal" and value == value.to_integral_value():
            value = value.quantize(Decimal("0.1"))
        return t.Literal(value, words.get(kind, kind))

    def case(self, kind: str, depth: int, names: Mapping[str, str]) -> t.Expr:
        """Give a CASE whose results are of a kind."""
        whens = tuple(
            (self.expr("boolean", depth - 1, names), self.expr(kind, depth - 1, names))
            for _ in range(self.random.randrange(1, 3))
        )
        return t.Case(whens, self.expr(kind, depth - 1, names) if self.chance(0.7) else None)

    def cast(self, kind: str, depth: int, names: Mapping[str, str]) -> t.Expr:
        """Give CAST or TRY_CAST from a kind that reaches this one."""
        numbers = ("bigint", "decimal", "boolean", "string")
        sources = {
            "boolean": ("bigint", "string"), "bigint": ("decimal", "double", "boolean", "string"), "decimal": numbers,
            "double": numbers, "string": ("bigint", "decimal", "boolean", "date", "timestamp"),
            "date": ("string", "timestamp"), "timestamp": ("string", "date"),
        }  # fmt: skip
        to = parse_type(
            f"decimal({self.pick(('5,2', '18,0', '38,6', '3,3', '20,10'))})"
            if kind == "decimal"
            else kind
        )
        return t.Cast(self.expr(self.pick(sources[kind]), depth - 1, names), to, self.chance(0.5))

    def membership(self, depth: int, names: Mapping[str, str]) -> t.Expr:
        """Give IN or NOT IN over a list."""
        kind = self.pick(SCALARS)
        items = tuple(self.expr(kind, depth - 2, names) for _ in range(self.random.randrange(1, 4)))
        return t.InList(self.expr(kind, depth - 1, names), items, self.chance(0.4))

    def call(self, kind: str, depth: int, names: Mapping[str, str]) -> t.Expr:
        """Give a call of a random overload that makes this kind."""
        rows = _candidates(kind)
        # By row first: one with many overloads is not more likely.
        name = self.pick(sorted({m.row.name for m, _ in rows}))
        maker, bound = self.pick([c for c in rows if c[0].row.name == name])
        variables = dict(bound)
        takes = list(maker.takes)
        if takes and takes[-1].is_variadic:
            takes += [takes[-1]] * self.random.randrange(3)
        args = [self.argument(p, variables, depth - 1, names) for p in takes]
        if name in _LENGTHS:
            # DuckDB makes a list or text of billions when it plans, whether a row reaches it or not.
            args = [
                t.Call("%", (a, t.Literal(40, "integer"))) if p.type == BIGINT else a
                for p, a in zip(takes, args, strict=True)
            ]
        return t.Call(maker.row.name, tuple(args))

    def argument(
        self, item: Pattern, variables: dict[str, str], depth: int, names: Mapping[str, str]
    ) -> t.Expr:
        """Give an argument for a pattern; what it makes of a variable is noted in `variables`."""
        if item.check in _LITERALS:
            value = self.pick(_LITERALS[item.check])
            return t.Literal(value, "integer" if isinstance(value, int) else "string")
        special: dict[str, Callable[[], t.Expr]] = {
            "word": lambda: t.Literal(self.pick(item.name.split()).strip("'"), "string"),
            "interval": self.interval,
            "lambda": lambda: self.lambda_(item, variables, depth, names),
            "literal": lambda: self.written(item),
        }
        if item.kind in special:
            return special[item.kind]()
        kind = self.filled(item, variables)
        if kind == "double" and self.chance(0.25):
            kind = self.pick(("bigint", "decimal"))
        elif kind == "decimal" and self.chance(0.15):
            kind = "bigint"
        return self.expr(kind, depth, names)

    def filled(self, item: Pattern, variables: dict[str, str]) -> str:
        """Give the kind that a pattern means, choosing what is still open."""
        if item.kind == "variable":
            return variables.setdefault(item.name, self.pick(SCALARS))
        if item.kind == "list":
            inner = item.parts[0]
            if inner.kind == "variable":
                kind = variables.setdefault(inner.name, self.pick(LISTS)[:-2])
                return kind + "[]"
            return self.filled(inner, variables) + "[]"
        return "decimal" if item.kind == "decimal" else _kind(item.type or Type("bigint"))

    def written(self, item: Pattern) -> t.Expr:
        """Give a literal where a pattern wants one."""
        inner = item.parts[0].type
        if inner is not None and inner.kind == "bigint":
            return t.Literal(self.random.randrange(-3, 5), "integer")
        return t.Literal(self.pick(("!", "-", ",", "é")), "string")

    def interval(self) -> t.Expr:
        """Give a literal span."""
        spans = (
            (1, 0, 0),
            (0, 1, 0),
            (0, 0, 3_600_000_000),
            (12, 0, 0),
            (0, 7, 0),
            (0, 0, 900_000_000),
            (0, 0, 1),
            (3, 0, 0),
        )
        return t.Interval(*self.pick(spans))

    def lambda_(
        self, item: Pattern, variables: dict[str, str], depth: int, names: Mapping[str, str]
    ) -> t.Expr:
        """Give a lambda whose body may use its parameters."""
        params = [f"p{len(names)}", f"q{len(names)}"][: len(item.parts) - 1]
        kinds = [self.filled(p, variables) for p in item.parts[:-1]]
        gives = item.parts[-1]
        inner = {**names, **dict(zip(params, kinds, strict=True))}
        return t.Lambda(
            tuple(params), self.expr(self.filled(gives, variables), min(depth, 2), inner)
        )


_LENGTHS = ("range", "generate_series", "repeat", "lpad", "rpad")
_LITERALS: dict[str, tuple[Any, ...]] = {
    "escape": ("!", "-", ","), "zone": ZONES, "positive": (1, 2, 5), "natural": (0, 1, 3),
    "format": ("%Y-%m-%d %H:%M:%S.%f", "%G-W%V-%u", "%-d %b %y %j", "%I:%M %p %A %B", "%%%g"),
}  # fmt: skip
