"""Options of the generator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from mainstem.connectors.generator.columns import Column, columns_of
from mainstem.connectors.spec import Pairs, Problem
from mainstem.errors import MainstemError, SettingsError
from mainstem.plan.duration import parse_duration
from mainstem.plan.types import Schema
from mainstem.record import record

# Rows in a second of event time when nobody says: one a millisecond, the grain of event time (V7).
USUAL_RATE = 1000


@record
class GeneratorSource:
    """Made-up records: equal options, schema and seed give equal records, on every run.

    Record ``i`` (from 0) belongs to partition ``i mod partitions`` and has the time
    ``start + i / event_rate``; its event time is that, less a random span of at most `disorder`.

    Parameters
    ----------
    rate : int or float, optional
        Records a second; as many as are read when absent.
    count : int, optional
        Records in all, repeated and bad ones included; without it the source never ends.
    columns : dict
        What is in a column: one dict for each, such as ``{"zipf": 1000}``; see
        `mainstem.connectors.generator.columns`. The others get something that suits their type.
    seed : int
        Another one gives other records.
    disorder : str
        By how much at most a record's event time lies before its place in the stream.
    duplicates : float
        Share of the records that repeat an earlier one, 0 to 1: one of the 1,000 before it.
    bad : float
        Share of the records that do not fit the schema, 0 to 1.
    start : str
        Time of the first record: a timestamp, or ``now`` for the first start of the pipeline.
    event_rate : int or float, optional
        Records in a second of event time; as `rate` when absent, 1,000 when that is absent too.
    partitions : int
        How many partitions the source has.
    """

    rate: int | float | None = None
    count: int | None = None
    columns: Pairs = ()
    seed: int = 0
    disorder: str = "0 seconds"
    duplicates: int | float = 0
    bad: int | float = 0
    start: str = "2024-01-01T00:00:00Z"
    event_rate: int | float | None = None
    partitions: int = 1

    @property
    def bounded(self) -> bool:
        """Say whether a source of it ends."""
        return self.count is not None

    @property
    def disorder_span(self) -> timedelta:
        """Give `disorder` as a span."""
        return parse_duration(self.disorder, "disorder")

    @property
    def start_time(self) -> datetime | None:
        """Give the time of the first record; None for ``now``."""
        if self.start == "now":
            return None
        found = datetime.fromisoformat(self.start)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

    @property
    def events_per_s(self) -> float:
        """Give the records in a second of event time."""
        return float(self.event_rate or self.rate or USUAL_RATE)

    def specs(self, schema: Schema, event_time: str) -> tuple[Column, ...]:
        """Give what is in each column, in the order of the schema.

        Raises
        ------
        SettingsError
            For a column that cannot be made; `column_problems` gives all of them.
        """
        columns, problems = columns_of(self.columns, schema, event_time)
        if problems:
            first = problems[0]
            raise SettingsError(first.what, code=first.code, fix=first.fix)
        return columns

    def problems(self) -> Iterator[Problem]:
        """Give what is wrong with the options together."""
        yield from self._number_problems()
        for name in ("duplicates", "bad"):
            if not 0 <= getattr(self, name) <= 1:
                yield Problem(
                    "OptionType", f"{name} of generator is {getattr(self, name)}, not a share "
                    "from 0 to 1", f"write {name}=0.01", name,
                )  # fmt: skip
        try:
            _ = self.disorder_span
        except MainstemError as error:
            yield Problem("DurationSyntax", error.finding.what, error.finding.fix, "disorder")
        try:
            _ = self.start_time
        except ValueError:
            yield Problem(
                "OptionType", f"start of generator is {self.start!r}",
                'write "2026-01-31T00:00:00Z" or "now"', "start",
            )  # fmt: skip

    def _number_problems(self) -> Iterator[Problem]:
        for name, least in (("rate", None), ("event_rate", None), ("count", 0), ("partitions", 1)):
            value = getattr(self, name)
            too_small = value is not None and (value <= 0 if least is None else value < least)
            if too_small:
                wanted = "more than 0" if least is None else f"at least {least}"
                yield Problem(
                    "OptionType", f"{name} of generator is {value}, not {wanted}",
                    f"write {name}=1000" if least is None else f"write {name}={max(1, least)}",
                    name,
                )  # fmt: skip

    def column_problems(self, schema: Schema, event_time: str) -> Iterator[Problem]:
        """Give what is wrong with the columns."""
        yield from columns_of(self.columns, schema, event_time)[1]
