"""What Spark says with the meaning of the catalogue; all else is computed by a kernel.

A row stands here when its Spark words were compared with its meaning, edges included: NULL, overflow
(ANSI mode is on), NaN, empty texts, code points. `"{0}"` and so on as in `mainstem.functions.spec`; a
list has a template for each overload, None where Spark means another thing.
"""

from __future__ import annotations

from collections.abc import Callable

from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t

_SAME_NAME = "{name}({args})"
_COUNTED = "CAST({name}(){over} AS BIGINT)"
_FIELD = "CAST({name}({0}) AS BIGINT)"
_AGGREGATE = "{name}({distinct}{0}){over}"
_EXACT = "CAST({name}({distinct}{0}){over} AS {type})"
_NEIGHBOUR: list[str | None] = [
    "{name}({0}){nulls}{over}", "{name}({0}, CAST({1} AS INT)){nulls}{over}",
    "{name}({0}, CAST({1} AS INT), {2}){nulls}{over}",
]  # fmt: skip
# There a backslash escapes although no ESCAPE says so.
_PLAIN_PATTERN = r"replace({1}, '\\', '\\\\')"

# Fields with Spark's names for them; its seconds have a fraction, so they are not here.
_FIELDS = {
    "year": "YEAR", "quarter": "QUARTER", "month": "MONTH", "day": "DAY", "isodow": "DAYOFWEEK_ISO",
    "isoyear": "YEAROFWEEK", "week": "WEEK", "doy": "DOY", "hour": "HOUR", "minute": "MINUTE",
}  # fmt: skip


def _extract(node: t.Call) -> str | None:
    unit, *_ = node.args
    field = _FIELDS.get(str(getattr(unit, "value", "")).lower())
    return f"CAST(extract({field} FROM {{1}}) AS BIGINT)" if field else None


def _substring(node: t.Call) -> str | None:
    """Of literal places from 1 on; before them each engine counts in its own way."""
    places = [_whole(a) for a in node.args[1:]]
    if any(n is None or n >= 2**31 for n in places) or places[0] == 0:
        return None
    return f"substring({{0}}, {', '.join(map(str, places))})"


def _whole(node: t.Expr) -> int | None:
    value = getattr(node, "value", None)
    return value if isinstance(value, int) and value >= 0 and not isinstance(value, bool) else None


SPELLINGS: dict[str, str | list[str | None] | Callable[[t.Call], str | None]] = {
    # operators: an INTEGER is never narrower than BIGINT, and a DECIMAL has the plan's digits
    "+": ["({0} + {1})", "CAST(({0} + {1}) AS {type})", "({0} + {1})", None, None, None],
    "-": [
        "({0} - {1})",
        "CAST(({0} - {1}) AS {type})",
        "({0} - {1})",
        "CAST(datediff({0}, {1}) AS BIGINT)",
        None,
        None,
        None,
    ],
    "*": ["({0} * {1})", "CAST(({0} * {1}) AS {type})", "({0} * {1})"],
    "/": "({0} / nullif({1}, 0D))",
    "//": "({0} div nullif({1}, 0L))",
    "%": ["({0} % nullif({1}, 0L))", None, None],
    "negate": ["(- {0})", "(- {0})", "(- {0})"],
    "=": "({0} = {1})",
    "<>": "({0} <> {1})",
    "<": "({0} < {1})",
    "<=": "({0} <= {1})",
    ">": "({0} > {1})",
    ">=": "({0} >= {1})",
    "is distinct from": "({0} IS DISTINCT FROM {1})",
    "is not distinct from": "({0} IS NOT DISTINCT FROM {1})",
    "between": "({0} BETWEEN {1} AND {2})",
    "is null": "({0} IS NULL)",
    "is true": "({0} IS TRUE)",
    "is false": "({0} IS FALSE)",
    "and": "({0} AND {1})",
    "or": "({0} OR {1})",
    "not": "(NOT {0})",
    "||": ["({0} || {1})", None],
    "like": ["({0} LIKE " + _PLAIN_PATTERN + ")", "({0} LIKE {1} ESCAPE {2})"],
    # conditional: Spark, too, computes only what is chosen
    "coalesce": _SAME_NAME,
    "nullif": "nullif({0}, {1})",
    "if": "CASE WHEN {0} THEN {1} ELSE {2} END",
    "nvl2": "CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END",
    "choose": "CASE {0} {whens} END",
    # text
    "upper": _SAME_NAME,
    "lower": _SAME_NAME,
    "substring": _substring,
    "length": ["CAST(char_length({0}) AS BIGINT)", None],
    # time
    "year": _FIELD,
    "quarter": _FIELD,
    "month": _FIELD,
    "day": _FIELD,
    "extract": _extract,
    # number
    "abs": _SAME_NAME,
    # aggregates
    "count": ["count(1){over}", "count({distinct}{0}){over}"],
    "count_if": "count({distinct}CASE WHEN {0} THEN true END){over}",
    # BIGINT is judged on its exact final value (V1); Spark's own would overflow on the way.
    "sum": [
        "CAST(sum({distinct}CAST({0} AS DECIMAL(38,0))){over} AS BIGINT)",
        _EXACT,
        _AGGREGATE,
    ],
    "avg": "avg({distinct}CAST({0} AS DOUBLE)){over}",
    "min": _AGGREGATE,
    "max": _AGGREGATE,
    "bool_and": _AGGREGATE,
    "bool_or": _AGGREGATE,
    "stddev_samp": _AGGREGATE,
    "stddev_pop": _AGGREGATE,
    "var_samp": _AGGREGATE,
    "var_pop": _AGGREGATE,
    # window functions: a kernel sees no window, so each of them stands here
    "row_number": _COUNTED,
    "rank": _COUNTED,
    "dense_rank": _COUNTED,
    "percent_rank": "{name}(){over}",
    "cume_dist": "{name}(){over}",
    "ntile": "CAST(ntile(CAST({0} AS INT)){over} AS BIGINT)",
    "lag": _NEIGHBOUR,
    "lead": _NEIGHBOUR,
    "first_value": "{name}({0}){nulls}{over}",
    "last_value": "{name}({0}){nulls}{over}",
    "nth_value": "nth_value({0}, CAST({1} AS INT)){nulls}{over}",
    # the time of the run, the same for all rows
    "now": "CAST(:__started_at AS TIMESTAMP)",
}


def spelling(node: t.Call) -> str | None:
    """Give the template of a bound call; None where only a kernel has its meaning."""
    name = catalogue()[node.name].name
    found = SPELLINGS.get(name)
    if callable(found):
        found = found(node)
    elif isinstance(found, list):
        found = found[node.overload]
    return None if found is None else found.replace("{name}", name)
