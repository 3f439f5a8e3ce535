"""Aggregates, filters and keys of random streams: each as SQL, and as what the reference makes of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mainstem.record import record
from mainstem.testing.reference_stream import Row


@record
class Aggregate:
    """One aggregate over rows with ``id``, ``k``, ``v`` and ``d``."""

    sql: str
    of: Callable[[list[Row]], Any]


def _known(rows: list[Row], name: str) -> list[Any]:
    return [row[name] for row in rows if row[name] is not None]


def _over(name: str, of: Callable[[list[Any]], Any]) -> Callable[[list[Row]], Any]:
    """Give an aggregate of the known values of a column, which is NULL over none."""
    return lambda rows: of(found) if (found := _known(rows, name)) else None


def _variance(values: list[Any]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return float(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


AGGREGATES = (
    Aggregate("count(v)", lambda rows: len(_known(rows, "v"))),
    Aggregate("sum(v)", _over("v", sum)),
    Aggregate("min(v)", _over("v", min)),
    Aggregate("max(k)", _over("k", lambda x: max(x, key=lambda text: text.encode()))),
    Aggregate("avg(v)", _over("v", lambda x: sum(x) / len(x))),
    Aggregate("sum(d)", _over("d", sum)),
    Aggregate("avg(d)", _over("d", lambda x: float(sum(x)) / len(x))),
    Aggregate("max(d)", _over("d", max)),
    Aggregate("count(DISTINCT v)", lambda rows: len(set(_known(rows, "v")))),
    Aggregate("sum(DISTINCT v)", _over("v", lambda x: sum(set(x)))),
    Aggregate("count(*) FILTER (WHERE v > 1)", lambda rows: sum(1 for v in _known(rows, "v") if v > 1)),
    Aggregate("sum(v) FILTER (WHERE k = 'a')",
              lambda rows: _over("v", sum)([r for r in rows if r["k"] == "a"])),
    Aggregate("bool_or(v > 2)", _over("v", lambda x: any(v > 2 for v in x))),
    Aggregate("bool_and(v > 0)", _over("v", lambda x: all(v > 0 for v in x))),
    Aggregate("count_if(v > 0)", lambda rows: sum(1 for v in _known(rows, "v") if v > 0)),
    Aggregate("max(v) - min(v)", _over("v", lambda x: max(x) - min(x))),
    Aggregate("string_agg(k, '+' ORDER BY id)",
              lambda rows: "+".join(_known(sorted(rows, key=lambda r: r["id"]), "k"))
              if _known(rows, "k") else None),
    Aggregate("var_samp(v)", lambda rows: _variance(_known(rows, "v"))),
    Aggregate("sum(v + 1)", _over("v", lambda x: sum(x) + len(x))),
)  # fmt: skip
FILTERS: tuple[tuple[str, Callable[[Row], bool]], ...] = (
    ("v > 1", lambda r: r["v"] is not None and r["v"] > 1),
    ("k <> 'a'", lambda r: r["k"] is not None and r["k"] != "a"),
    ("v IS NULL OR v < 4", lambda r: r["v"] is None or r["v"] < 4),
    ("coalesce(v, 0) % 2 = 0", lambda r: (r["v"] or 0) % 2 == 0),
)
KEYS: tuple[tuple[str, str, Callable[[Row], Any]], ...] = (
    ("k", "k", lambda r: r["k"]),
    ("v IS NULL", "unknown", lambda r: r["v"] is None),
    ("coalesce(v, 7) % 2", "odd", lambda r: (7 if r["v"] is None else r["v"]) % 2),
)
