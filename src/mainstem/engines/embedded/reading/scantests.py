"""What is left to look at in a source that is read in place, once types and statistics are known (V8, T2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mainstem.engines.embedded.reading.eventtime import EventTimeRule
from mainstem.engines.embedded.reading.filetypes import Fit, instant
from mainstem.engines.embedded.types import literal, quoted
from mainstem.formats.coercion import NULL_REFUSED
from mainstem.plan.nodes import Source
from mainstem.plan.types import Field
from mainstem.record import record

# The years 1 to 9999. Files may also hold infinity, which no text can.
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
_CALENDAR = ("date", "timestamp")


@record
class Test:
    """SQL that is TRUE for a bad value, and the reason for its row; `by_file` needs ``__filename``."""

    sql: str
    reason: str
    by_file: bool = False


@record
class Proof:
    """What a file's statistics say of a column; None where they do not.

    Parameters
    ----------
    nulls : int or None
        How many NULLs it has.
    first, last : float or None
        Bounds of a date or an instant, in microseconds since 1970.
    """

    nulls: int | None = None
    first: float | None = None
    last: float | None = None

    @property
    def is_in_calendar(self) -> bool:
        """Say whether every date or instant lies in the years 1 to 9999."""
        known = self.first is not None and self.last is not None
        return known and self.first >= _FIRST_US and self.last <= _LAST_US  # type: ignore[operator]


def needs_proofs(source: Source, fields: Sequence[Field]) -> bool:
    """Say whether any column has something that statistics could prove."""
    return bool(source.event_time) or any(
        not f.nullable or f.type.kind in _CALENDAR for f in fields
    )


def proofs_sql(paths: str) -> str:
    """Give the SQL of (path, column, NULLs, first, last) over the footers of files."""

    def bound(which: str) -> str:
        value = f"{which}(epoch_us(TRY_CAST(stats_{which}_value AS TIMESTAMPTZ)))"
        # Infinity has no number of microseconds: a file that holds it has no bound.
        return f"CASE WHEN count(epoch_us(TRY_CAST(stats_{which}_value AS TIMESTAMPTZ))) = count(*) THEN {value} END"

    return (
        "SELECT file_name, path_in_schema, "
        "CASE WHEN count(stats_null_count) = count(*) THEN sum(stats_null_count) END, "
        f"{bound('min')}, {bound('max')} FROM parquet_metadata({paths}) GROUP BY 1, 2"
    )


def file_tests(
    source: Source, fields: Sequence[Field], fits: Mapping[str, Mapping[str, Fit]],
    proofs: Mapping[str, Mapping[str, Proof]],
) -> dict[str, list[Test]]:  # fmt: skip
    """Give, for each column of Parquet files that must be looked at, the tests of its values.

    Parameters
    ----------
    source : Source
        The declaration.
    fields : sequence of Field
        Its columns that stand in the files.
    fits, proofs : mapping
        By path and column.
    """
    rule = EventTimeRule.of(source)
    found: dict[str, list[Test]] = {}
    for item in fields:
        known = {path: columns.get(item.name, Proof()) for path, columns in proofs.items()}
        own = [fits[path][item.name] for path in proofs]
        tests = _type_tests(item, own)
        if not all(p.is_in_calendar for p in known.values()):
            tests += _outside_tests(item, own)
        is_time = item.name == rule.column
        if (is_time or not item.nullable) and any(p.nulls != 0 for p in known.values()):
            tests.append(_null_test(item))
        late = _late_by_file(rule, known) if is_time else None
        if late:
            tests.append(late)
        if tests:
            found[item.name] = tests
    return found


def table_tests(
    source: Source, fits: Mapping[str, Fit], required: set[str], latest: datetime | None
) -> dict[str, list[Test]]:  # fmt: skip
    """Give the tests of a table; `required` has the columns that cannot be NULL there."""
    rule = EventTimeRule.of(source)
    found: dict[str, list[Test]] = {}
    for item in source.schema.fields:
        own = [fits[item.name]]
        tests = _type_tests(item, own) + _outside_tests(item, own)
        is_time = item.name == rule.column
        if (is_time or not item.nullable) and item.name not in required:
            tests.append(_null_test(item))
        if is_time and latest is not None:
            limit = instant(latest.isoformat())
            value = f"CAST({quoted(item.name)} AS TIMESTAMPTZ)"
            tests.append(Test(f"{value} > {limit}", _late(rule)))
        if tests:
            found[item.name] = tests
    return found


def _type_tests(item: Field, fits: Sequence[Fit]) -> list[Test]:
    name = quoted(item.name)
    bad = sorted({fit.bad for fit in fits} - {""})
    return [Test(sql.replace("{}", name), f"does not fit {item.type}") for sql in bad]


def _outside_tests(item: Field, fits: Sequence[Fit]) -> list[Test]:
    name = quoted(item.name)
    reason = f"is outside of the years 1 to 9999, so does not fit {item.type}"
    return [
        Test(sql.replace("{}", name), reason) for sql in sorted({f.outside for f in fits} - {""})
    ]


def _null_test(item: Field) -> Test:
    reason = "the event time is NULL (T2)" if item.nullable else NULL_REFUSED
    return Test(f"{quoted(item.name)} IS NULL", reason)


def _late(rule: EventTimeRule) -> str:
    return f"the event time is later than the file was written + {rule.max_ahead} (T2)"


def _late_by_file(rule: EventTimeRule, proofs: Mapping[str, Proof]) -> Test | None:
    """Give the test of the files whose statistics do not show that T2 holds, each by its own time.

    One limit for all of them would be the oldest file's, and refuse the rows of a folder to which
    a file is added every day.
    """
    arms = []
    for path, proof in proofs.items():
        latest = rule.latest(path)
        if proof.last is None or proof.last > latest.timestamp() * 1e6:
            arms.append(f"WHEN {literal(path)} THEN {instant(latest.isoformat())}")
    if not arms:
        return None
    value = f"CAST({quoted(rule.column)} AS TIMESTAMPTZ)"
    return Test(f"{value} > CASE __filename {' '.join(arms)} END", _late(rule), by_file=True)
