"""What is different between two profiles of the same data at two times.

How far a distribution has moved is told by the population stability index, the sum over all bins of
``(now - before) * ln(now / before)`` with the shares of the rows in a bin, a share below 0.0001 counting
as 0.0001. It is 0 for equal shares and the same in both directions (Jeffreys 1946; Kullback and Leibler,
On Information and Sufficiency, 1951). That up to 0.1 little, and from 0.25 on much has changed is a
convention of credit scoring (Siddiqi, Credit Risk Scorecards, 2006).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

from mainstem.engines.profile import NUMBERS, TIMES, ColumnProfile, RelationProfile, to_plain
from mainstem.record import record

SMALLEST = 0.0001
SOME_DRIFT, MUCH_DRIFT = 0.1, 0.25
NULL_CHANGE = 0.05
RANGE_CHANGE = 0.1
SHOWN = 10


@record
class Difference:
    """One thing that is different.

    Parameters
    ----------
    relation, column : str
        Where; no column means the relation as a whole.
    kind : str
        ``relation``, ``column``, ``type``, ``rows``, ``dead``, ``duplicates``, ``key``, ``nulls``,
        ``range``, ``values`` or ``drift``.
    what : str
        In words.
    before, now : plain value
        The two sides.
    is_change : bool
        Whether it is large enough to matter.
    """

    relation: str
    column: str
    kind: str
    what: str
    before: Any
    now: Any
    is_change: bool


@record
class Comparison:
    """Differences, those that matter first."""

    differences: tuple[Difference, ...]

    @property
    def has_changed(self) -> bool:
        """Say whether any of them matters."""
        return any(one.is_change for one in self.differences)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for ``-o json``."""
        return {"has_changed": self.has_changed, "differences": to_plain(self.differences)}


def compare(now: Sequence[RelationProfile], before: Sequence[RelationProfile]) -> Comparison:
    """Give what is different; a single relation is compared whatever the two are called."""
    old = {relation.name: relation for relation in before}
    new = {relation.name: relation for relation in now}
    if len(old) == len(new) == 1:
        old = dict(zip(new, old.values(), strict=True))
    found: list[Difference] = []
    for name in (*old, *(name for name in new if name not in old)):
        a, b = old.get(name), new.get(name)
        if a is None or b is None:
            what = "was not profiled before" if a is None else "is not profiled any more"
            sides = (a is not None, b is not None)
            found.append(Difference(name, "", "relation", what, *sides, is_change=True))
        else:
            found += _relation(name, a, b)
    return Comparison(tuple(sorted(found, key=lambda one: not one.is_change)))


def _relation(name: str, a: RelationProfile, b: RelationProfile) -> Iterator[Difference]:
    def found(kind: str, what: str, sides: tuple[Any, Any], *, is_change: bool) -> Difference:
        return Difference(name, "", kind, what, *sides, is_change)

    rows = (a.total_rows, b.total_rows)
    if rows[0] != rows[1]:
        is_far = min(rows) * 2 < max(rows)
        yield found("rows", f"{rows[0]:,} rows, now {rows[1]:,}", rows, is_change=is_far)
    for kind, sides in (
        ("dead", (a.dead.count, b.dead.count)), ("duplicates", (a.duplicates, b.duplicates)),
    ):  # fmt: skip
        if sides[0] != sides[1]:
            words = "bad records" if kind == "dead" else "duplicate rows"
            what = f"{sides[0]:,} {words}, now {sides[1]:,}"
            yield found(kind, what, sides, is_change=sides[0] == 0)
    for key in a.keys:
        if key not in b.keys and b.rows > 1 and len(key) == 1:
            what = f"{key[0]} is no key any more"
            yield found("key", what, (list(key), None), is_change=True)
    old = {column.name: column for column in a.columns}
    new = {column.name: column for column in b.columns}
    for column in (*old, *(column for column in new if column not in old)):
        one, other = old.get(column), new.get(column)
        if one is None or other is None:
            what = "is new" if one is None else "is gone"
            there = (one is not None, other is not None)
            yield Difference(name, column, "column", what, *there, is_change=True)
        else:
            yield from _column(name, one, other, is_key=(column,) in a.keys)


def _column(
    relation: str, a: ColumnProfile, b: ColumnProfile, *, is_key: bool
) -> Iterator[Difference]:
    def found(kind: str, what: str, sides: tuple[Any, Any], *, is_change: bool) -> Difference:
        return Difference(relation, a.name, kind, what, *sides, is_change)

    if a.type != b.type:
        yield found("type", f"was {a.type}, is {b.type}", (a.type, b.type), is_change=True)
    shares = (a.null_share, b.null_share)
    if a.rows and b.rows and shares[0] != shares[1]:
        is_far = abs(shares[1] - shares[0]) >= NULL_CHANGE or not a.nulls
        what = f"{shares[0]:.2%} NULL, now {shares[1]:.2%}"
        yield found("nulls", what, shares, is_change=is_far)
    if a.kind != b.kind or not a.filled or not b.filled:
        return
    if a.kind in (*NUMBERS, *TIMES):
        yield from _range(found, a, b, is_open=is_key or a.kind in TIMES)
    if a.has_all_values and b.has_all_values and a.kind == "string":
        yield from _values(found, a, b)
    index = None if is_key else stability(a, b)
    if index is not None and index >= SOME_DRIFT:
        is_far = index >= MUCH_DRIFT and a.kind not in TIMES
        what = f"the distribution has moved: stability index {index:.3f}"
        yield found("drift", what, (0.0, round(index, 6)), is_change=is_far)


def _range(
    found: Any, a: ColumnProfile, b: ColumnProfile, *, is_open: bool
) -> Iterator[Difference]:
    if (a.low, a.high) == (b.low, b.high) or None in (a.low, b.low):
        return
    low, high, least, most = (_number(a.kind, end) for end in (a.low, a.high, b.low, b.high))
    room = RANGE_CHANGE * ((high - low) or abs(high) or 1.0)
    # New days and numbers are what time brings.
    is_far = least < low - room or (most > high + room and not is_open)
    what = f"{a.low} to {a.high}, now {b.low} to {b.high}"
    yield found("range", what, ([a.low, a.high], [b.low, b.high]), is_change=is_far)


def _values(found: Any, a: ColumnProfile, b: ColumnProfile) -> Iterator[Difference]:
    old, new = dict(a.values), dict(b.values)
    came = [value for value in new if value not in old]
    went = [value for value in old if value not in new]
    if came:
        yield found("values", f"new: {_listed(came)}", (None, came), is_change=True)
    if went:
        yield found("values", f"gone: {_listed(went)}", (went, None), is_change=False)


def _listed(values: list[Any]) -> str:
    more = f", … ({len(values)} in all)" if len(values) > SHOWN else ""
    return ", ".join(map(str, values[:SHOWN])) + more


def stability(before: ColumnProfile, now: ColumnProfile) -> float | None:
    """Give the population stability index of a column; None when its distribution is not known.

    Of columns with all their values the bins are the values. Else they are those of the earlier
    histogram, one below and one above; how many of the later values lie in each is read from the
    later histogram, as if they were spread evenly within its bins.
    """
    if before.has_all_values and now.has_all_values and before.values and now.values:
        old, new = dict(before.values), dict(now.values)
        bins = dict.fromkeys((*old, *new))
        return index([old.get(v, 0) for v in bins], [new.get(v, 0) for v in bins])
    if before.edges and now.edges:
        edges = [_number(before.kind, edge) for edge in before.edges]
        theirs = [_number(now.kind, edge) for edge in now.edges]
        upto = [_below(theirs, now.counts, edge) for edge in edges]
        # The last edge is a value of its own: nothing of that very value lies above.
        total = float(sum(now.counts))
        above = total - upto[-1] if theirs[-1] > edges[-1] else 0.0
        middle = [b - a for a, b in pairwise(upto)]
        middle[-1] += total - upto[-1] - above
        return index([0, *before.counts, 0], [upto[0], *middle, above])
    return None


def index(before: Sequence[float], now: Sequence[float]) -> float:
    """Give the population stability index of two rows of counts."""
    total, total_now = sum(before), sum(now)
    if not total or not total_now:
        return 0.0
    shares = zip(before, now, strict=True)
    pairs = ((max(a / total, SMALLEST), max(b / total_now, SMALLEST)) for a, b in shares)
    return math.fsum((b - a) * math.log(b / a) for a, b in pairs)


def _below(edges: Sequence[float], counts: Sequence[int], value: float) -> float:
    """Give how many values of a histogram lie below one."""
    found = 0.0
    for (low, high), count in zip(pairwise(edges), counts, strict=True):
        if value > low and (value >= high or high == low):
            found += count
        elif value > low:
            found += count * (value - low) / (high - low)
    return found


def _number(kind: str, value: Any) -> float:
    """Give a value as a number, days or seconds of dates and instants."""
    if kind == "date" and isinstance(value, str) and value[:1].isdigit() and " " not in value:
        return float(date.fromisoformat(value).toordinal())
    if kind == "timestamp" and isinstance(value, str) and " " not in value:
        moment = datetime.fromisoformat(value)
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return float(str(value).split(" ", maxsplit=1)[0])
