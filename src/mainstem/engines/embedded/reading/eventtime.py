"""Contract T2 at a bounded source: an event time that is missing, or lies in the future of its file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mainstem.filesystems import file_system
from mainstem.formats.records import Misfit
from mainstem.plan.nodes import Source
from mainstem.record import record

MAX_AHEAD = timedelta(days=1)


@record
class EventTimeRule:
    """When an event time is refused; `column` is "" when the source has none."""

    column: str = ""
    max_ahead: timedelta = MAX_AHEAD

    @classmethod
    def of(cls, source: Source) -> EventTimeRule:
        """Give the rule of a source."""
        return cls(
            source.event_time, source.max_ahead if source.max_ahead is not None else MAX_AHEAD
        )

    def latest(self, path: str) -> datetime:
        """Give the latest event time that a file may hold: when it was last changed, and `max_ahead`."""
        changed = datetime.fromtimestamp(file_system(path).status(path).mtime_ns / 1e9, UTC)
        last = datetime.max.replace(tzinfo=UTC)
        return last if last - changed < self.max_ahead else changed + self.max_ahead

    def check(self, value: Any, latest: datetime) -> None:
        """Judge one event time.

        Raises
        ------
        Misfit
            When it is NULL or later than `latest`.
        """
        if value is None:
            raise Misfit("the event time is NULL (T2)", code="EventTime", column=self.column)
        if value > latest:
            raise Misfit(
                f"the event time is later than {latest.isoformat()}, when the file was written "
                f"+ {self.max_ahead} (T2)",
                code="EventTime", column=self.column, value=value.isoformat(),
            )  # fmt: skip
