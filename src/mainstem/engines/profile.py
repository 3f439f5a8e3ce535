"""What a profile says: plain values, so that it can be saved, compared and shown anywhere.

Values are as in ``-o json``: decimals are text with all their digits, dates and instants ISO 8601.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem.record import record

# Shares of the rows below the quantiles that are told, in percent.
PERCENTS = (5, 25, 50, 75, 95)
NUMBERS = ("bigint", "decimal", "double")
TIMES = ("date", "timestamp")


@record
class ColumnProfile:
    """One column.

    Parameters
    ----------
    name, type : str
        As declared; `kind` is the type without its digits or parts.
    nullable : bool
        Whether its declaration allows NULL.
    rows, nulls, distinct : int
        `distinct` is without NULL; an estimate unless `is_distinct_exact`.
    low, high : plain value
        Least and greatest value; of a text at most its first 200 characters.
    mean, stddev : float
        Of finite numbers, to 12 and 9 digits; stddev is that of a sample (n - 1).
    non_finite : int
        NaN and the infinities, which are in no other figure.
    length : tuple of (least, greatest, mean)
        Characters of a text, bytes, or elements of a list or map.
    values : tuple of (value, count)
        The most frequent, most first; all of them when `has_all_values`. Counts are exact, but which
        values are the most frequent is an estimate unless `is_distinct_exact`.
    quantiles : tuple of (percent, value)
        The least value that this share of the values does not exceed; estimates unless
        `are_quantiles_exact`.
    edges, counts : tuple
        The histogram: ``counts[i]`` values lie from ``edges[i]`` on and below ``edges[i + 1]``; the
        last one includes its end.
    shapes : tuple of (name, count)
        How many texts look like something: see `docs/profile.md`.
    pattern : str
        A regular expression that all texts match, made from their shapes; "" when there is none.
    gaps : tuple of (from, to, seconds)
        The longest spans of time without any value.
    trues : int
        Of a boolean.
    keys : tuple of (name, count)
        Keys of maps, and fields of structs that are not NULL.
    elements : int
        All elements of all lists or maps.
    """

    name: str
    type: str
    kind: str
    nullable: bool = True
    rows: int = 0
    nulls: int = 0
    distinct: int = 0
    is_distinct_exact: bool = True
    low: Any = None
    high: Any = None
    mean: float | None = None
    stddev: float | None = None
    non_finite: int = 0
    length: tuple[Any, ...] = ()
    values: tuple[tuple[Any, int], ...] = ()
    has_all_values: bool = False
    quantiles: tuple[tuple[int, Any], ...] = ()
    are_quantiles_exact: bool = True
    edges: tuple[Any, ...] = ()
    counts: tuple[int, ...] = ()
    shapes: tuple[tuple[str, int], ...] = ()
    pattern: str = ""
    gaps: tuple[tuple[Any, Any, float], ...] = ()
    trues: int | None = None
    keys: tuple[tuple[str, int], ...] = ()
    elements: int | None = None

    @property
    def filled(self) -> int:
        """Give how many values are not NULL."""
        return self.rows - self.nulls

    @property
    def null_share(self) -> float:
        """Give the share of NULLs, 0 of no rows."""
        return self.nulls / self.rows if self.rows else 0.0


@record
class Dead:
    """Records that do not fit the schema: how many for which reason, and the first of them."""

    count: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    samples: tuple[Mapping[str, Any], ...] = ()


@record
class RelationProfile:
    """A source, table or file.

    Parameters
    ----------
    name : str
        How it is called.
    kind : str
        ``source``, ``table`` or ``file``.
    total_rows : int
        Rows that fit the schema; those that do not are in `dead`.
    rows : int
        Rows that were looked at: all, or those of the sample.
    duplicates : int
        Rows that are wholly equal to an earlier one.
    keys : tuple of tuple of str
        Columns, or pairs of columns where no column does, that find one row.
    columns : tuple of ColumnProfile
        In order.
    dead : Dead
        What could not be read.
    """

    name: str
    kind: str
    total_rows: int
    rows: int
    duplicates: int
    keys: tuple[tuple[str, ...], ...]
    columns: tuple[ColumnProfile, ...]
    dead: Dead = Dead()

    @property
    def is_sample(self) -> bool:
        """Say whether only a part of the rows was looked at."""
        return self.rows < self.total_rows

    def column(self, name: str) -> ColumnProfile | None:
        """Give the column of a name, or None."""
        return next((c for c in self.columns if c.name == name), None)


def to_plain(value: Any) -> Any:
    """Give records and tuples as data that JSON can hold."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: to_plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {name: to_plain(item) for name, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, tuple | list) else value


def from_plain(fields: Mapping[str, Any]) -> RelationProfile:
    """Give a relation back from `to_plain`; a KeyError or TypeError when it is none."""
    columns = tuple(ColumnProfile(**_frozen(column)) for column in fields["columns"])
    dead = Dead(**_frozen(fields["dead"]))
    return RelationProfile(**(_frozen(fields) | {"columns": columns, "dead": dead}))


def _frozen(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tuples(value) for name, value in fields.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
