"""The figures of a profile by plain Python, slowly: what the SQL is compared with."""

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

PERCENTS = (5, 25, 50, 75, 95)
DAY = date(1970, 1, 1)
INSTANT = datetime(1970, 1, 1, tzinfo=UTC)


def number(value):
    """A value as an exact number: days and microseconds of times."""
    if isinstance(value, datetime):
        return (value - INSTANT) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - DAY).days
    return value


def plain(value):
    """A value as a profile tells it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value


def figures(values, *, is_whole):
    """Everything about numbers and times, NULL as None."""
    there = sorted((v for v in values if v is not None and is_finite(v)), key=number)
    counts = Counter(v for v in values if v is not None)
    found = {
        "rows": len(values), "nulls": values.count(None), "distinct": len(counts),
        "values": dict(counts),
    }  # fmt: skip
    if there:
        found |= {"low": plain(there[0]), "high": plain(there[-1])}
        found["quantiles"] = tuple((p, plain(quantile(there, p))) for p in PERCENTS)
        found["counts"] = histogram([number(v) for v in there], is_whole=is_whole)
        found["mean"], found["stddev"] = moments([number(v) for v in there])
    return found


def is_finite(value):
    """Whether arithmetic bears a value."""
    return not isinstance(value, float) or math.isfinite(value)


def quantile(ordered, percent):
    """The first value that at least this share of the values does not exceed."""
    for at, value in enumerate(ordered, 1):
        if at * 100 >= percent * len(ordered):
            return value
    raise AssertionError(percent)


def moments(numbers):
    """Mean and sample deviation, without rounding before the end."""
    exact = [Fraction(n) for n in numbers]
    mean = sum(exact) / len(exact)
    if len(exact) < 2:
        return float(mean), None
    return float(mean), math.sqrt(sum((n - mean) ** 2 for n in exact) / (len(exact) - 1))


def histogram(numbers, *, is_whole):
    """Values in 20 bins of equal width, or fewer of whole width, each put where its edges say."""
    low, high = numbers[0], numbers[-1]
    if is_whole:
        width = -(-(high - low + 1) // 20)
        edges = [low]
        while edges[-1] <= high:
            edges.append(edges[-1] + width)
    elif low == high:
        return (len(numbers),)
    else:
        first, last = float(low), float(high)
        counts = [0] * 20
        for n in numbers:
            counts[min(19, math.floor((float(n) - first) / ((last - first) / 20)))] += 1
        return tuple(counts)
    pairs = pairwise(edges)
    return tuple(sum(a <= n < b for n in numbers) for a, b in pairs)


def gaps(times):
    """The three longest spans between neighbours, the earliest first among equals."""
    ordered = sorted({number(t) for t in times if t is not None})
    spans = [(b - a, a) for a, b in pairwise(ordered)]
    return sorted(spans, key=lambda span: (-span[0], span[1]))[:3]
