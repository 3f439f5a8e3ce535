"""The figures of a profile in words, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem.engines.profile import NUMBERS, TIMES, ColumnProfile, RelationProfile

BLOCKS = "▁▂▃▄▅▆▇█"


def share(part: int, whole: int) -> str:
    """Give a share in percent; none and all only where it is so."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if part == whole:
        return "100 %"
    if percent < 0.1:
        return "<0.1 %"
    return ">99.9 %" if percent > 99.9 else f"{percent:.1f} %"


def number(value: Any) -> str:
    """Give a value as people read it: numbers of many digits to six of them."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e6 and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def distinct(column: ColumnProfile) -> str:
    """Give the number of distinct values, and say when it is an estimate."""
    return f"{'' if column.is_distinct_exact else '~'}{column.distinct:,}"


def extent(column: ColumnProfile) -> str:
    """Give from where to where a column goes, or what it holds."""
    if column.kind == "timestamp" and column.low is not None:
        return f"{_day(column.low)} – {_day(column.high)}"
    if column.kind in (*NUMBERS, *TIMES) and column.low is not None:
        return f"{value_text(column, column.low)} – {value_text(column, column.high)}"
    if column.kind == "boolean" and column.trues is not None:
        return f"{share(column.trues, column.filled)} true"
    if column.length:
        low, high, _ = column.length
        what = {"string": "character", "bytes": "byte"}.get(column.kind, "element")
        plural = what if high == 1 else f"{what}s"
        return f"{low:,} {plural}" if low == high else f"{low:,} – {high:,} {plural}"
    return ""


def value_text(column: ColumnProfile, value: Any) -> str:
    """Give a value of a column; of a text one line."""
    if value is None:
        return "NULL"
    return number(value) if column.kind in ("bigint", "double", "boolean") else str(value)


def _day(value: Any) -> str:
    text = str(value)
    return text[:10] if text[10:11] == "T" else text


def heights(column: ColumnProfile) -> tuple[int, ...]:
    """Give what a small chart shows: the histogram, or the most frequent values."""
    if column.counts:
        return column.counts
    return tuple(count for _, count in column.values) if column.kind != "boolean" else ()


def spark(column: ColumnProfile, width: int = 20) -> str:
    """Give counts as blocks; a bin without any value is blank.

    Where there is less room, bins of a histogram are put together, and of values the first are told.
    """
    counts = heights(column)
    if column.counts and len(counts) > width:
        each = -(-len(counts) // width)
        counts = tuple(sum(counts[at : at + each]) for at in range(0, len(counts), each))
    most = max(counts, default=0)
    return "".join(" " if not n else BLOCKS[n * 8 // (most + 1)] for n in counts[:width])


def summary(relation: RelationProfile) -> str:
    """Give a relation in a line."""
    parts = [f"{relation.total_rows:,} row{'s' * (relation.total_rows != 1)}"]
    if relation.is_sample:
        parts.append(f"a sample of {relation.rows:,} looked at")
    if relation.dead.count:
        parts.append(f"{relation.dead.count:,} bad record{'s' * (relation.dead.count != 1)}")
    n = relation.duplicates
    parts.append(f"{n:,} duplicate row{'s' * (n != 1)}" if n else "no duplicate rows")
    if relation.keys:
        keys = " or ".join(
            f"({', '.join(key)})" if len(key) > 1 else key[0] for key in relation.keys
        )
        parts.append(f"key {keys}")
    return ", ".join(parts)


def place(sample: Mapping[str, Any]) -> str:
    """Give where a bad record stands."""
    line = sample.get("line")
    where = (
        f"{sample.get('path')}:{line}" if line else f"{sample.get('path')} row {sample.get('row')}"
    )
    column = sample.get("column")
    return f"{where}, {column}" if column else where


def details(column: ColumnProfile) -> list[tuple[str, str]]:
    """Give everything else that is known of a column: label and text."""
    found: list[tuple[str, str]] = []
    if column.mean is not None:
        spread = "" if column.stddev is None else f", standard deviation {number(column.stddev)}"
        found.append(("mean", f"{number(column.mean)}{spread}"))
    if column.non_finite:
        found.append(("not finite", f"{column.non_finite:,} (NaN or infinite, in no other figure)"))
    if column.length:
        found.append(("mean length", number(column.length[2])))
    if column.elements is not None:
        found.append(("elements", f"{column.elements:,}"))
    if column.quantiles:
        told = ", ".join(f"{p} %: {value_text(column, v)}" for p, v in column.quantiles)
        found.append(("quantiles", told + ("" if column.are_quantiles_exact else " (estimates)")))
    if column.values:
        label = "values" if column.has_all_values else "top values"
        told = ", ".join(f"{value_text(column, v)} ({n:,})" for v, n in column.values[:10])
        rest = len(column.values) - 10
        more = f", and {rest} more" if rest > 0 else ""
        found.append((label, told + more + ("" if column.is_distinct_exact else " (estimates)")))
    if column.shapes:
        told = ", ".join(f"{name} {share(n, column.filled)}" for name, n in column.shapes)
        found.append(("looks like", told))
    if column.pattern:
        found.append(("pattern", column.pattern))
    if column.gaps:
        told = ", ".join(f"{_span(s)} after {start}" for start, _, s in column.gaps)
        found.append(("longest gaps", told))
    if column.keys:
        told = ", ".join(f"{name} ({n:,})" for name, n in column.keys)
        found.append(("fields" if column.kind == "struct" else "keys", told))
    return found


def _span(seconds: float) -> str:
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            n = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{n} {unit}{'s' * (n != '1')}"
    return f"{seconds:g} s"
