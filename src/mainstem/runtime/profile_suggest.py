"""Expectations that hold for profiled data, as code.

Only what a person would plausibly want to hold tomorrow: a bound gets a margin, a list of values has to
be short and each value common, and the number of rows may halve or double.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from mainstem.definition.rule import (
    Rule,
    accepted,
    between,
    completeness,
    condition,
    foreign_key,
    freshness,
    matches,
    not_null,
    row_count,
    unique,
)
from mainstem.engines.profile import NUMBERS, TIMES, ColumnProfile, RelationProfile
from mainstem.plan.types import in_expressions, parse_type
from mainstem.record import record
from mainstem.sql.cursor import RESERVED
from mainstem.sql.text import quoted, text_literal

LANGUAGES = ("python", "sql")
MARGIN = Decimal("0.1")
MOST_ACCEPTED = 25
# Below so many rows many columns happen to have no value twice.
FEW_ROWS = 1000
# Data whose last day is longer ago than this is history: it will not become fresh again.
FRESH_DAYS = 30
# Digits beyond these would not be the same as a DOUBLE.
LARGEST = 10**15
EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_KEY_NAME = re.compile(r"(^|_)(id|key|code|uuid|no|nr|num|number|email)$|(id|key)$", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that begin something else than a name where a rule's values stand.
_WORDS = {"TRUE", "FALSE", "NULL", "DATE", "TIMESTAMP", "INTERVAL", "SECRET", "MERGE", "HISTORY"}


@record
class Suggestion:
    """A rule for a relation; `text` is a condition in SQL where the rule alone would refuse NULL."""

    on: str
    rule: Rule
    text: str = ""
    is_sample: bool = False


def suggestions(
    relations: Sequence[RelationProfile], foreign_keys: Sequence[tuple[str, str, str, str]],
    made_at: str,
) -> list[Suggestion]:  # fmt: skip
    """Give what to expect of each relation, rules about the whole last."""
    found: list[Suggestion] = []
    for relation in relations:
        if "__" in relation.name or not relation.rows:
            continue
        own = [key for key in foreign_keys if key[0] == relation.name]
        rules = [*_rules(relation, {one for _, one, _, _ in own})]
        rules += [(foreign_key(one, to, key), "") for _, one, to, key in own]
        rules += [(rule, "") for rule in _wholes(relation, made_at)]
        found += [Suggestion(relation.name, r, text, relation.is_sample) for r, text in rules]
    return found


def _rules(relation: RelationProfile, referring: Set[str]) -> Iterator[tuple[Rule, str]]:
    keys = likely_keys(relation)
    # The code is printed on a terminal, which would act on an escape sequence.
    columns = [column for column in relation.columns if column.name.isprintable()]
    for column in columns:
        if not column.nulls and column.nullable:
            yield not_null(column.name), ""
    for key in keys:
        yield unique(*key), ""
    told = {key[0] for key in keys if len(key) == 1} | referring
    for column in columns:
        rule = None if column.name in told else _accepted(column) or _between(column, relation)
        rule = rule or _matches(column)
        if rule is not None:
            yield rule, _with_nulls(rule, column)


def likely_keys(relation: RelationProfile) -> list[tuple[str, ...]]:
    """Give the keys that are meant to be some, among those that happen to be."""
    first = relation.columns[0].name if relation.columns else ""

    def is_likely(name: str) -> bool:
        column = relation.column(name)
        is_plain = column is not None and column.kind in ("bigint", "string")
        many = relation.rows >= FEW_ROWS
        return (
            name.isprintable()
            and is_plain
            and (name == first or many or bool(_KEY_NAME.search(name)))
        )

    found = [key for key in relation.keys if all(is_likely(name) for name in key)]
    if not found and relation.rows >= FEW_ROWS:
        found = [key for key in relation.keys if len(key) == 2 and "".join(key).isprintable()]
    return sorted(found, key=lambda key: not _KEY_NAME.search(key[0]))[:2]


def _with_nulls(rule: Rule, column: ColumnProfile) -> str:
    """Give a condition that NULL passes, where there are any: a rule alone would refuse it."""
    if not column.nulls or rule.kind == "accepted":
        return ""
    type_ = in_expressions(parse_type(column.type))
    return f"{quoted(column.name)} IS NULL OR ({condition(rule, type_)})"


def _accepted(column: ColumnProfile) -> Rule | None:
    if column.kind != "string" or not column.has_all_values or not column.values:
        return None
    often = max(2, min(column.distinct - 1, 10))
    if column.distinct > MOST_ACCEPTED or column.filled < often * column.distinct:
        return None
    values: list[Any] = sorted(value for value, _ in column.values)
    if not all(value.isprintable() for value in values):
        return None
    return accepted(column.name, values + [None] * bool(column.nulls))


def _matches(column: ColumnProfile) -> Rule | None:
    if column.kind != "string" or not column.filled:
        return None
    if dict(column.shapes).get("email") == column.filled:
        return matches(column.name, EMAIL)
    return matches(column.name, column.pattern) if column.pattern else None


def _between(column: ColumnProfile, relation: RelationProfile) -> Rule | None:
    if column.low is None or column.high is None or column.non_finite:
        return None
    if column.kind in TIMES:
        return _between_times(column)
    is_key = (column.name,) in relation.keys and _KEY_NAME.search(column.name)
    if column.kind not in NUMBERS or is_key:
        # Keys go on: their last one is no bound.
        return None
    low, high = widened(Decimal(str(column.low)), Decimal(str(column.high)))
    if low == high or max(abs(low), abs(high)) > LARGEST:
        return None
    if column.kind == "bigint":
        low, high = low.to_integral_value(ROUND_FLOOR), high.to_integral_value(ROUND_CEILING)
    return between(column.name, _number(low), _number(high))


def widened(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    """Give bounds a tenth of the span further out, rounded outwards to two digits of the span.

    What was never below zero, or never above, stays so.
    """
    span = high - low or abs(high) or Decimal(1)
    step = Decimal(1).scaleb(span.adjusted() - 1)
    lower = ((low - MARGIN * span) / step).to_integral_value(ROUND_FLOOR) * step
    upper = ((high + MARGIN * span) / step).to_integral_value(ROUND_CEILING) * step
    return (
        max(lower, Decimal(0)) if low >= 0 else lower,
        min(upper, Decimal(0)) if high <= 0 else upper,
    )


def _number(value: Decimal) -> int | Decimal:
    return int(value) if value == value.to_integral_value() else value


def _between_times(column: ColumnProfile) -> Rule | None:
    try:
        low, high = (date.fromisoformat(str(end)[:10]) for end in (column.low, column.high))
        margin = timedelta(days=max(1, math.ceil((high - low).days / 10)))
        lower, upper = low - margin, high + margin + timedelta(days=1)
    except (ValueError, OverflowError):
        return None
    # New days come every day: only what is over for long has a last one.
    is_past = (datetime.now(UTC).date() - high).days > FRESH_DAYS
    return between(column.name, lower.isoformat(), upper.isoformat() if is_past else None)


def _wholes(relation: RelationProfile, made_at: str) -> Iterator[Rule]:
    n = relation.total_rows
    yield row_count(min=max(1, n // 2), max=2 * n)
    columns = [column for column in relation.columns if column.name.isprintable()]
    for column in columns:
        if 0 < column.null_share <= 0.5:
            at_least = math.floor((1 - column.null_share) * 95) / 100
            yield completeness(column.name, at_least=at_least)
    ages = [(age, c) for c in columns if (age := _age(c, made_at)) is not None]
    if ages:
        age, column = min(ages, key=lambda one: one[0])
        days = max(1, math.ceil(2 * age / timedelta(days=1)))
        yield freshness(column.name, within=f"{days} day{'s' * (days > 1)}")


def _age(column: ColumnProfile, made_at: str) -> timedelta | None:
    """Give how old the latest value was; None when it is too old to say anything."""
    if column.kind not in TIMES or not column.high or not made_at:
        return None
    try:
        latest = datetime.fromisoformat(str(column.high))
        now = datetime.fromisoformat(made_at)
    except ValueError:
        return None
    latest = latest if latest.tzinfo else latest.replace(tzinfo=UTC)
    age = now - latest
    return age if timedelta(0) <= age <= timedelta(days=FRESH_DAYS) else None


def may_refer(inner: RelationProfile, outer: RelationProfile) -> Iterator[tuple[str, str]]:
    """Give columns of one relation that, by their names, may refer to a key of another."""
    # A rule of a source that looked into a table would need the table before it can be made.
    if inner.name == outer.name or outer.kind == "table":
        return
    for (key,) in (key for key in outer.keys if len(key) == 1):
        target = outer.column(key)
        for column in inner.columns:
            is_same = target is not None and column.kind == target.kind in ("bigint", "string")
            # Of two keys that find one another, the one that is a key itself is referred to.
            is_key = (column.name,) in inner.keys and column.name.lower() == key.lower()
            if is_same and not is_key and column.distinct and _names(column.name, outer.name, key):
                yield column.name, key


def _names(column: str, relation: str, key: str) -> bool:
    column, relation, key = column.lower(), relation.lower(), key.lower()
    singular = relation.removesuffix("s")
    if column in (f"{relation}_{key}", f"{singular}_{key}", f"{singular}{key}", singular):
        return True
    # TPC-H and its kin begin each column with a letter for the table: l_orderkey, o_orderkey.
    bare = re.compile(r"^[a-z]{1,2}_(?=.{3})")
    return bare.sub("", column) == bare.sub("", key) and key != "id"


# As code


def python_code(found: Sequence[Suggestion]) -> str:
    """Give suggestions as ``p.expect`` lines."""
    return _code(found, "#", _python)


def sql_code(found: Sequence[Suggestion]) -> str:
    """Give suggestions as ``CREATE EXPECTATION`` statements."""
    return _code(found, "--", _sql)


def _code(found: Sequence[Suggestion], comment: str, write: Callable[[Suggestion], str]) -> str:
    lines: list[str] = []
    last = ""
    for one in found:
        if one.on != last and one.is_sample:
            lines.append(f"{comment} {one.on}: from a sample of its rows")
        last = one.on
        lines.append(write(one))
    return "".join(f"{line}\n" for line in lines)


def _python(one: Suggestion) -> str:
    on = _text(one.on)
    if one.text:
        return f"p.expect({on}, {_text(one.text)}, name={_text(_name(one.rule))})"
    options = dict(one.rule.options)
    args = [_text(name) for name in one.rule.columns]
    if one.rule.kind == "accepted":
        args.append(f"[{', '.join(_python_value(v) for v in options.pop('values'))}]")
    elif one.rule.kind == "foreign_key":
        args += [_text(options.pop("to")), _text(options.pop("key")[0])]
    elif one.rule.kind == "matches":
        args.append(_text(options.pop("pattern")))
    elif one.rule.kind == "between" and len(options) == 2:
        args += [_python_value(options.pop("low")), _python_value(options.pop("high"))]
    args += [
        f"{name}={_python_value(value)}" for name, value in sorted(options.items(), reverse=True)
    ]
    return f"p.expect({on}, ms.{one.rule.kind}({', '.join(args)}))"


def _python_value(value: Any) -> str:
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    """Give a text as Python writes it, with double quotes and few backslashes."""
    if "\\" in value and value.isprintable() and '"' not in value and not value.endswith("\\"):
        return f'r"{value}"'
    if not value.isprintable() or ('"' in value and "'" not in value):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _name(rule: Rule) -> str:
    """Give a name for a condition: one made of its text would be long."""
    words = re.sub(r"\W+", "_", "_".join((*rule.columns, rule.kind)), flags=re.ASCII).strip("_")
    plain = re.sub("_+", "_", words)[:63]
    return plain if plain[:1].isalpha() else f"is_{plain}"


def _sql(one: Suggestion) -> str:
    on = _sql_name(one.on)
    if one.text:
        return f"CREATE EXPECTATION {_name(one.rule)} ON {on} CHECK ({one.text});"
    options = dict(one.rule.options)
    columns = ", ".join(_sql_name(name) for name in one.rule.columns)
    if one.rule.kind == "foreign_key":
        key = ", ".join(_sql_name(name) for name in options["key"])
        rule = f"FOREIGN KEY ({columns}) REFERENCES {_sql_name(options['to'])} ({key})"
        return f"CREATE EXPECTATION ON {on} {rule};"
    word = "NOT NULL" if one.rule.kind == "not_null" else one.rule.kind.upper()
    args = [columns] if columns else []
    if one.rule.kind in ("accepted", "matches"):
        (value,) = options.values()
        args.append(_sql_value(value))
        options = {}
    elif one.rule.kind == "between" and len(options) == 2:
        args += [_sql_value(options.pop("low")), _sql_value(options.pop("high"))]
    args += [
        f"{name} => {_sql_value(value)}" for name, value in sorted(options.items(), reverse=True)
    ]
    return f"CREATE EXPECTATION ON {on} {word} ({', '.join(args)});"


def _sql_name(name: str) -> str:
    is_plain = _PLAIN.fullmatch(name) and name.upper() not in {*RESERVED, *_WORDS, "ON"}
    return name if is_plain else quoted(name)


def _sql_value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(_sql_value(item) for item in value)}]"
    if value is None:
        return "NULL"
    return text_literal(value) if isinstance(value, str) else str(value)
