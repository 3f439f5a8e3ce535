"""``ms.f`` and the aggregates that everybody needs; what editors see is in `catalogue.pyi`."""

from __future__ import annotations

from typing import Any

from mainstem.definition.expression import Expr
from mainstem.definition.function import Functions, call

f = Functions()


def count(value: Any = None) -> Expr:
    """Count rows, or the values that are not NULL: ``count(*)``, ``count(x)``."""
    return call("count") if value is None else call("count", value)


def count_distinct(value: Any) -> Expr:
    """Count distinct values: ``count(DISTINCT x)``."""
    return call("count", value).distinct()


sum, avg, min, max = f.sum, f.avg, f.min, f.max  # noqa: A001 - the words of SQL
