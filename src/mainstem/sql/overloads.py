"""Chooses the overload of a catalogue row for given arguments, and the conversions it needs.

Conversions that never lose anything are added by the binder (BIGINT to DECIMAL to DOUBLE, DATE to
TIMESTAMP, NULL to all, a text *literal* to DATE or TIMESTAMP); every other one is the user's CAST.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from mainstem.functions.checks import CHECKS
from mainstem.functions.spec import Function, Overload
from mainstem.plan import tree as t
from mainstem.plan.types import (
    BIGINT,
    DATE,
    DOUBLE,
    MAX_PRECISION,
    NULL,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Type,
    list_of,
    parse_type,
)
from mainstem.record import record

BIGINT_DIGITS = 19


@record
class Pattern:
    """A parsed pattern of `functions.spec`.

    Kinds: type, decimal, variable, list, map, struct, word, literal, regex, interval, lambda.
    """

    kind: str
    type: Type | None = None
    name: str = ""
    parts: tuple[Pattern, ...] = ()
    is_variadic: bool = False
    check: str = ""


@cache
def pattern(text: str) -> Pattern:
    """Read a pattern such as ``"T[]"`` or ``"lambda(T) -> boolean"``."""
    text = text.strip()
    if text.endswith("..."):
        inner = pattern(text[:-3])
        return Pattern(inner.kind, inner.type, inner.name, inner.parts, is_variadic=True)
    if text.startswith("'"):
        return Pattern("word", STRING, text.lower())
    if ":" in text:
        text, check = text.split(":")
        return replace(pattern(text), check=check)
    if text.startswith("literal "):
        return Pattern("literal", parts=(pattern(text[8:]),))
    if text.startswith("lambda("):
        params, result = text[7:].split(")", 1)
        takes = tuple(pattern(p) for p in params.split(","))
        return Pattern("lambda", parts=(*takes, pattern(result.replace("->", "", 1))))
    if text in ("regex", "interval", "decimal", "struct"):
        return Pattern(text)
    if text.endswith("[]"):
        return Pattern("list", parts=(pattern(text[:-2]),))
    if text.startswith("map("):
        key, value = re.split(r",(?![^(]*\))", text[4:-1], maxsplit=1)
        return Pattern("map", parts=(pattern(key), pattern(value)))
    if re.fullmatch(r"[A-Z]", text):
        return Pattern("variable", name=text)
    return Pattern("type", parse_type(text))


def common(types: Sequence[Type]) -> Type | None:
    """Give the one type that all of `types` convert to without loss, or None."""
    result = NULL
    for item in types:
        joined = _common(result, item)
        if joined is None:
            return None
        result = joined
    return result


def _common(a: Type, b: Type) -> Type | None:
    if b in (a, NULL):
        return a
    if a == NULL:
        return b
    if UNKNOWN in (a, b):
        return UNKNOWN
    if a.is_numeric and b.is_numeric:
        return _common_number(a, b)
    if {a.kind, b.kind} == {"date", "timestamp"}:
        return TIMESTAMP
    if a.kind == b.kind and a.is_nested and a.names == b.names and len(a.items) == len(b.items):
        items = [_common(x, y) for x, y in zip(a.items, b.items, strict=True)]
        if all(i is not None for i in items):
            return Type(a.kind, items=tuple(i for i in items if i is not None), names=a.names)
    return None


def _common_number(a: Type, b: Type) -> Type | None:
    if "double" in (a.kind, b.kind):
        return DOUBLE
    x, y = as_decimal(a), as_decimal(b)
    scale = max(x.scale, y.scale)
    whole = max(x.precision - x.scale, y.precision - y.scale)
    # More than 38 digits: the larger scale stays, and a value too large for it is an overflow (V1).
    return Type("decimal", min(MAX_PRECISION, whole + scale), scale)


def as_decimal(type_: Type) -> Type:
    """Give a number's type as DECIMAL: every BIGINT fits DECIMAL(19,0)."""
    return type_ if type_.kind == "decimal" else Type("decimal", BIGINT_DIGITS, 0)


def literal_type(expr: t.Expr, wanted: Type) -> Type:
    """Give an argument's type, seen from the type that it meets.

    A text literal beside a date is a date; a whole-number literal beside a decimal has just its own
    digits, so ``1 - discount`` does not widen to DECIMAL(20, …).
    """
    own = t.type_of(expr)
    if isinstance(expr, t.Literal):
        if expr.kind == "string" and wanted in (DATE, TIMESTAMP):
            return wanted
        if expr.kind == "integer" and wanted.kind == "decimal" and isinstance(expr.value, int):
            return Type("decimal", max(1, len(str(abs(expr.value)))), 0)
    return own


def cost(own: Type, wanted: Type) -> int | None:
    """Give how far a conversion goes (0 is none), or None when there is none without a CAST."""
    if own == wanted or UNKNOWN in (own, wanted):
        return 0
    if own == NULL:
        return 1
    ladder = {
        ("bigint", "decimal"): 2,
        ("decimal", "decimal"): 1,
        ("decimal", "double"): 3,
        ("bigint", "double"): 4,
        ("date", "timestamp"): 2,
    }
    if (own.kind, wanted.kind) in ladder:
        return ladder[own.kind, wanted.kind] if _common(own, wanted) == wanted else None
    if own.is_nested and _common(own, wanted) == wanted:
        return 2
    return None


@record
class Match:
    """A fitting overload: what each argument must become; lambdas are None here."""

    index: int
    takes: tuple[Type | None, ...]
    lambdas: tuple[tuple[int, Pattern], ...]
    variables: dict[str, Type]
    cost: int


def spread(overload: Overload, n_args: int) -> list[Pattern] | None:
    """Give one pattern per argument, or None when the number does not fit."""
    patterns = [pattern(p) for p in overload.takes]
    if patterns and patterns[-1].is_variadic:
        if n_args < len(patterns):
            return None
        return patterns + [patterns[-1]] * (n_args - len(patterns))
    return patterns if len(patterns) == n_args else None


def match(row: Function, args: Sequence[t.Expr]) -> Match | None:
    """Give the cheapest overload that fits the bound arguments (lambdas still unbound)."""
    found = [_fits(row.overloads[i], i, args) for i in range(len(row.overloads))]
    fitting = [m for m in found if m is not None]
    return min(fitting, key=lambda m: m.cost) if fitting else None


def _fits(overload: Overload, index: int, args: Sequence[t.Expr]) -> Match | None:
    patterns = spread(overload, len(args))
    if patterns is None:
        return None
    variables: dict[str, list[Type]] = {}
    for item, arg in zip(patterns, args, strict=True):
        if isinstance(arg, t.Lambda) != (item.kind == "lambda"):
            return None
        if isinstance(arg, t.Lambda) and len(arg.params) != len(item.parts) - 1:
            return None
        if item.kind != "lambda" and not _collect(item, t.type_of(arg), arg, variables):
            return None
    solved = _solve(variables, patterns, args)
    if solved is None:
        return None
    takes: list[Type | None] = []
    total = 0
    for item, arg in zip(patterns, args, strict=True):
        if item.kind == "lambda":
            takes.append(None)
            continue
        wanted = _wanted(item, arg, solved)
        own = literal_type(arg, wanted)
        step = cost(own, wanted)
        if step is None:
            return None
        takes.append(wanted)
        total += step + (5 if own != t.type_of(arg) and own in (DATE, TIMESTAMP) else 0)
    lambdas = tuple((i, p) for i, p in enumerate(patterns) if p.kind == "lambda")
    return Match(index, tuple(takes), lambdas, solved, total)


def _collect(item: Pattern, own: Type, arg: t.Expr | None, found: dict[str, list[Type]]) -> bool:
    """Check the shape of one argument and note what it says about type variables."""
    if own == UNKNOWN:
        return True
    if item.kind == "variable":
        if own.kind == "interval":
            return False
        found.setdefault(item.name, []).append(own)
        return True
    if item.kind in ("list", "map"):
        if own == NULL:
            return True
        parts = zip(item.parts, own.items, strict=False)
        return own.kind == item.kind and all(_collect(p, o, None, found) for p, o in parts)
    if item.kind == "struct":
        return own.kind == "struct"
    if item.kind == "decimal":
        return own.kind in ("bigint", "decimal", "null")
    if item.kind == "word":
        return (
            isinstance(arg, t.Literal)
            and arg.kind == "string"
            and f"'{arg.value!s}'".lower() in item.name.split()
        )
    if item.kind in ("literal", "regex"):
        return isinstance(arg, t.Literal) and arg.value is not None
    if item.kind == "interval":
        return own.kind == "interval"
    return (own.kind == "interval") == (item.type is not None and item.type.kind == "interval")


def _solve(
    found: dict[str, list[Type]], patterns: Sequence[Pattern], args: Sequence[t.Expr]
) -> dict[str, Type] | None:
    """Give each variable the common type of what it met; literals adapt to the others."""
    solved: dict[str, Type] = {}
    for name, types in found.items():
        direct = [
            a
            for p, a in zip(patterns, args, strict=True)
            if p.kind == "variable" and p.name == name
        ]
        firm = [t.type_of(a) for a in direct if not isinstance(a, t.Literal)]
        anchor = common(firm) if firm else None
        if anchor is not None and anchor != NULL and direct and len(direct) == len(types):
            types = [literal_type(a, anchor) for a in direct]  # noqa: PLW2901 - literals adapt
        joined = common(types)
        if joined is None:
            return None
        solved[name] = joined
    return solved


def _wanted(item: Pattern, arg: t.Expr, solved: dict[str, Type]) -> Type:
    own = t.type_of(arg)
    if item.kind == "decimal":
        if own == NULL:
            return Type("decimal", 1, 0)
        if own.kind == "decimal":
            return own
        return (
            literal_type(arg, Type("decimal", 1, 0))
            if isinstance(arg, t.Literal)
            else as_decimal(own)
        )
    if item.kind in ("word", "regex", "interval", "struct"):
        return own
    if item.kind == "list" and item.parts[0].kind == "decimal" and own.kind == "list":
        return own if own.items[0].kind == "decimal" else list_of(as_decimal(BIGINT))
    if item.kind == "literal":
        return _wanted(item.parts[0], arg, solved)
    return filled(item, solved)


def filled(item: Pattern, solved: dict[str, Type]) -> Type:
    """Give the type that a pattern means when its variables are known."""
    if item.kind == "variable":
        return solved.get(item.name, NULL)
    if item.kind in ("list", "map"):
        return Type(item.kind, items=tuple(filled(p, solved) for p in item.parts))
    return item.type if item.type is not None else UNKNOWN


def result(row: Function, chosen: Match, types: Sequence[Type]) -> Type:
    """Give the type of a call; `types` are those of the arguments after conversion."""
    gives = row.overloads[chosen.index].gives
    if callable(gives):
        return gives(types)
    return filled(pattern(gives), chosen.variables)


def literal_problems(
    row: Function, chosen: Match, args: Sequence[t.Expr]
) -> list[tuple[t.Expr, str]]:
    """Give the literal arguments that fail the check named by their pattern, with the reason."""
    found = []
    for item, arg in zip(spread(row.overloads[chosen.index], len(args)) or [], args, strict=True):
        if item.check and isinstance(arg, t.Literal) and arg.value is not None:
            found.append((arg, CHECKS[item.check](arg.value)))
    return [(arg, problem) for arg, problem in found if problem]


def signatures(row: Function) -> str:
    """Give a row's signatures as messages show them."""
    return " or ".join(f"{row.name}({', '.join(o.takes)})" for o in row.overloads[:4])
