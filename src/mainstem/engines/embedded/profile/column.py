"""The SQL of one column's profile, by the kind of its type.

Dates and instants are measured as whole numbers, days and microseconds since 1970, so that they need
no arithmetic of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from mainstem.engines.profile import NUMBERS, TIMES
from mainstem.formats.coercion import RANGES
from mainstem.plan.types import Field, in_expressions
from mainstem.record import record

BINS = 20
LONGEST = 200
# The values of such columns can be told and counted one by one.
PLAIN = (*NUMBERS, *TIMES, "string", "boolean")

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
# Over `v`: a cheap test and, where it holds, the whole one; a regular expression costs many times as
# much as a comparison.
SHAPES = (
    ("blank", "v < '!'", "trim(v) = ''"),
    ("untrimmed", "v LIKE ' %' OR v LIKE '% '", "TRUE"),
    ("integer", "v >= '+' AND v < ':'", "regexp_full_match(v, '[+-]?[0-9]+')"),
    ("decimal", "v >= '+' AND v < ':' AND contains(v, '.')",
     r"regexp_full_match(v, '[+-]?([0-9]+\.[0-9]*|\.[0-9]+)')"),
    ("date", "v >= '0' AND v < ':' AND strlen(v) = 10",
     f"regexp_full_match(v, '{_DATE}') AND TRY_CAST(v AS DATE) IS NOT NULL"),
    ("timestamp", "v >= '0' AND v < ':' AND strlen(v) > 15",
     f"regexp_matches(v, '^{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}') "
     "AND TRY_CAST(v AS TIMESTAMPTZ) IS NOT NULL"),
    ("json", r"(v >= '{' AND v < '|') OR (v >= '[' AND v < '\')", "json_valid(v)"),
    ("email", "contains(v, '@')", r"regexp_full_match(v, '[^@\s]+@[^@\s]+\.[^@\s]+')"),
)  # fmt: skip


@record
class Column:
    """A column of the relation that is measured; `v` is what SQL calls its values."""

    field: Field
    v: str = "v"

    @property
    def kind(self) -> str:
        """Give the type that it has in expressions, without digits and parts."""
        return in_expressions(self.field.type).kind

    @property
    def has_numbers(self) -> bool:
        """Say whether it has quantiles and a histogram."""
        return self.kind in NUMBERS or self.kind in TIMES

    @property
    def is_whole(self) -> bool:
        """Say whether its numbers are whole."""
        return self.has_numbers and self.kind not in ("decimal", "double")

    @property
    def is_finite(self) -> str:
        """Give SQL that is TRUE for values that arithmetic bears."""
        return f"isfinite({self.v})" if self.kind in ("double", *TIMES) else "TRUE"

    @property
    def number(self) -> str:
        """Give the number of a value as SQL."""
        if self.kind == "date":
            return f"({self.v} - DATE '1970-01-01')"
        return f"epoch_us({self.v})" if self.kind == "timestamp" else self.v

    @property
    def told(self) -> str:
        """Give a value as SQL that Python can fetch: instants would need a package more."""
        if self.kind in TIMES:
            return f"CASE WHEN {self.is_finite} THEN {self.number} END"
        return f"left({self.v}, {LONGEST})" if self.kind == "string" else self.v

    @property
    def size(self) -> str:
        """Give the length of a value as SQL; "" where it has none."""
        return {
            "string": f"length({self.v})", "bytes": f"octet_length({self.v})",
            "list": f"len({self.v})", "map": f"cardinality({self.v})",
        }.get(self.kind, "")  # fmt: skip

    def plain(self, value: Any) -> Any:
        """Give a fetched value or number as a profile has it."""
        if value is None or self.kind not in ("date", "timestamp", "decimal", "double"):
            return value
        if self.kind == "decimal":
            return format(value, "f") if isinstance(value, Decimal) else value
        if self.kind == "double":
            return value if math.isfinite(value) else str(value)
        try:
            if self.kind == "date":
                return (date(1970, 1, 1) + timedelta(days=round(value))).isoformat()
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(value))
            return moment.isoformat().replace("+00:00", "Z")
        except OverflowError:
            # Parquet files may hold years that Python has not.
            return f"{value} {'days' if self.kind == 'date' else 'microseconds'} since 1970"

    def first(self) -> list[tuple[str, str]]:
        """Give what is counted in the look at all columns: name and SQL."""
        found = [("filled", f"count({self.v})"), ("distinct", f"approx_count_distinct({self.v})")]
        if self.kind in ("string", "bytes"):
            # Bytes: their number stands beside each text, its characters have to be counted.
            length = "strlen" if self.kind == "string" else "octet_length"
            found += [("bytes", f"sum({length}({self.v}))")]
        return found

    @property
    def _sum(self) -> str:
        # Exact where it can be: large numbers may cancel each other out, and leave nothing but error.
        return (
            "sum(CAST(v AS HUGEINT) * n)" if self.kind in RANGES else "fsum(CAST(v AS DOUBLE) * n)"
        )

    def measures(self) -> list[tuple[str, str]]:
        """Give what is measured of the values `v`, each of which is there `n` times."""
        found = []
        if self.has_numbers:
            some = "" if self.is_finite == "TRUE" else f" FILTER (WHERE {self.is_finite})"
            found += [("low", f"min({self.number}){some}"), ("high", f"max({self.number}){some}"),
                      ("finite", f"coalesce(sum(n){some}, 0)")]  # fmt: skip
            if self.kind in NUMBERS:
                found += [("sum", f"{self._sum}{some}")]
        if self.kind == "string":
            found += [("low", f"left(min(v), {LONGEST})"), ("high", f"left(max(v), {LONGEST})")]
        if self.kind == "boolean":
            found += [("trues", "coalesce(sum(n) FILTER (WHERE v), 0)")]
        if self.size:
            found += [("shortest", f"min({self.size})"), ("longest", f"max({self.size})"),
                      ("items", f"sum({self.size} * n)")]  # fmt: skip
        return found

    def bins(self, low: Any, high: Any) -> tuple[tuple[Any, ...], str] | None:
        """Give the edges of the histogram, as numbers, and SQL that gives the bin of a value."""
        if low is None:
            return None
        if self.is_whole:
            width = -(-(high - low + 1) // BINS)
            n = -(-(high - low + 1) // width)
            edges = tuple(low + i * width for i in range(n + 1))
            return edges, f"(CAST({self.number} AS HUGEINT) - ({low})) // {width}"
        first, last = float(low), float(high)
        width = (last - first) / BINS
        if first == last:
            return (first, last), "0"
        if width == 0 or not math.isfinite(width):
            return None
        edges = (*(first + i * width for i in range(BINS)), last)
        spelled = f"floor((CAST({self.v} AS DOUBLE) - {double(first)}) / {double(width)})"
        return edges, f"least({BINS - 1}, CAST({spelled} AS BIGINT))"


def double(value: float) -> str:
    """Give a number as SQL, to its last digit."""
    return f"CAST('{value!r}' AS DOUBLE)"


def rounded(value: float, digits: int) -> float:
    """Give a number without its last digits, which depend on the order of additions."""
    return float(f"{value:.{digits}g}")


# Shapes of texts, from which a regular expression is made.

_DIGITS, _LOWER, _UPPER = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Stand-ins for the three; no text that is looked at has them.
_MARKS = {"\x01": "[0-9]", "\x02": "[a-z]", "\x03": "[A-Z]"}
_SPECIAL = frozenset(r"\.+*?()[]{}|^$")
_FOLD = str.maketrans(
    _DIGITS + _LOWER + _UPPER,
    "\x01" * 10 + "\x02" * 26 + "\x03" * 26,
)  # fmt: skip
MOST_PARTS = 12
Runs = list[tuple[str, int]]


def pattern_of(texts: Sequence[str]) -> str:
    """Give a regular expression of the one shape that all texts have, or "".

    A shape is the row of runs of digits, of small and of capital letters, and of other signs; a run
    whose length differs may have any length. Texts of letters alone have none: words are no code.
    """
    if not texts or not all(text.isascii() and text.isprintable() and text for text in texts):
        return ""
    shapes = [_runs(text) for text in texts]
    signs = [sign for sign, _ in shapes[0]]
    if len(signs) > MOST_PARTS or any([s for s, _ in shape] != signs for shape in shapes):
        return ""
    if not any(sign == "\x01" or sign not in _MARKS for sign in signs):
        return ""
    parts = []
    for at, sign in enumerate(signs):
        lengths = [shape[at][1] for shape in shapes]
        parts.append(_spelled(sign) + _times(min(lengths), max(lengths)))
    return "".join(parts)


def _runs(text: str) -> Runs:
    runs: Runs = []
    for sign in text.translate(_FOLD):
        if runs and runs[-1][0] == sign:
            runs[-1] = (sign, runs[-1][1] + 1)
        else:
            runs.append((sign, 1))
    return runs


def _spelled(sign: str) -> str:
    return _MARKS.get(sign) or ("\\" + sign if sign in _SPECIAL else sign)


def _times(least: int, most: int) -> str:
    if least != most:
        return "+"
    return "" if least == 1 else f"{{{least}}}"
