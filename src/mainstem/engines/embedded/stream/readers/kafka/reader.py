"""Reads topics of Kafka; positions are ours, and no consumer group is joined."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mainstem.connectors.kafka.options import KafkaSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.stream.readers.kafka import build, start
from mainstem.engines.embedded.stream.readers.kafka.client import (
    OFFSET_GONE,
    PASSING,
    READING,
    Log,
    is_refusal,
    new,
    package,
    refusal,
    registry,
)
from mainstem.engines.embedded.stream.readers.kafka.cluster import Cluster, Place, Topic
from mainstem.engines.embedded.stream.readers.kafka.poll import (
    NEVER,
    Failure,
    PlainPoll,
    Poll,
    Slot,
    Taken,
    empty,
)
from mainstem.engines.embedded.stream.readers.kafka.start import Position, name_of, place_of
from mainstem.engines.embedded.stream.readers.kafka.watch import Watch
from mainstem.engines.embedded.stream.spec import Loaded, Part, Slice
from mainstem.engines.spec import RunSettings
from mainstem.errors import InternalError, OutsideError
from mainstem.plan.nodes import Source
from mainstem.record import mutable, record
from mainstem.settings.log import logger
from mainstem.settings.secret import masked

if TYPE_CHECKING:
    from mainstem.engines.embedded.native.arrow import Table
    from mainstem.engines.embedded.session import Session
    from mainstem.engines.embedded.stream.records import Records
    from mainstem.engines.embedded.stream.records.loading import Prepared

T = TypeVar("T")

# A slice is cut after so long without a record: at once for who reads the newest ones; later until all
# that was there was read, so that the position behind the last of it goes with it; and much later while
# more than `FAR` are left, which small epochs would not catch up with.
QUIET_S, BEHIND_S, FAR_S, FAR = 0.001, 0.02, 0.1, 5000
# What a slice may hold, whatever its number of rows: three of them are in memory at a time.
MOST_BYTES = 128 << 20
# How long closing waits for tools to see the last positions.
_LAST_S = 1.0
# How long one call waits: whoever closes the reader waits for it.
_WAIT_S = 0.25


@record
class Raw:
    """The records of a slice, prepared in the reader's thread, while the last slice is computed."""

    prepared: Prepared
    read_at: datetime

    @property
    def table(self) -> Table:
        """Give them in the columns that `poll.Poll` says."""
        return cast("Table", self.prepared.raw)


@mutable
class _Partition:
    """What is remembered of a partition besides its slot in `Poll`."""

    place: Place
    topic_id: str
    # Where the last slice has ended; where it begins before there was one.
    given: int
    # Whether no slice and no earlier run has told of it.
    is_new: bool
    next: int
    spoke_at: float


def kafka_reader(source: Source, settings: RunSettings) -> KafkaReader:
    """Give what reads a source on Kafka; nothing is opened."""
    return KafkaReader(source, settings)


class KafkaReader:
    """Reads the topics of a source.

    Parameters
    ----------
    source : Source
        What is read.
    settings : RunSettings
        Those of the run.
    """

    def __init__(self, source: Source, settings: RunSettings) -> None:
        self.source = source
        self._options = read_options(KafkaSource, source.binding, source.where)
        self._base = settings.base_dir
        self._patience_s = self._options.patience.total_seconds()
        words = set(self._options.columns.values())
        self._with = {"with_key": "key" in words, "with_headers": "headers" in words}
        self._cluster: Cluster | None = None
        self._watch: Watch | None = None
        self._poll: Poll | None = None
        self._partitions: list[_Partition] = []
        self._records: Records | None = None
        self._shown: dict[Place, int] = {}
        self._shown_at = 0.0
        self._is_end_told = False
        # Until it has read all that was there when it began.
        self._is_behind = True
        self._stopping = Event()

    @property
    def facts(self) -> dict[str, Any]:
        """Give what the run's facts say of it."""
        return {"reader": self._poll.kind if self._poll is not None else ""}

    # ---- opening
    def open(self, positions: Mapping[str, Any], until: Mapping[str, Any] | None = None) -> None:
        """Start behind the positions of an earlier run; see `Reader.open`."""
        package(self.source.where)
        cluster = self._cluster = Cluster(self.source, self._options, self._base)
        if self._stopping.is_set():
            cluster.stopping.set()
        committed = {place_of(name): Position.of(value) for name, value in positions.items()}
        stops = None if until is None else {
            place_of(name): Position.of(value) for name, value in until.items()
        }  # fmt: skip
        topics, first = cluster.patiently(lambda: self._begin(committed, stops), self._patience_s)
        ends = cluster.patiently(lambda: cluster.ends(first), self._patience_s)
        cluster.trusted()
        self._watch = Watch(cluster, topics, self._patience_s)
        self._watch.add({place: ends.get(place, 0) for place in first})
        self._poll = self._new_poll()
        for place, offset in sorted(first.items()):
            stop = NEVER if stops is None else stops[place].offset
            self._add(topics[place[0]], place, offset, is_new=place not in committed, stop=stop)
        self._watch.start(discovers=stops is None)

    def _begin(
        self, committed: Mapping[Place, Position], stops: Mapping[Place, Position] | None
    ) -> tuple[dict[str, Topic], dict[Place, int]]:
        """Give the topics, and where each partition begins; asks only."""
        cluster = self._asked
        topics = cluster.topics()
        places = [place for topic in topics.values() for place in topic.partitions]
        start.check_positions(self.source, cluster, topics, committed)
        start.check_topics(self.source, self._options, topics)
        if stops is not None:
            start.check_positions(self.source, cluster, topics, stops)
            start.check_stops(self.source, committed, stops)
            places = [place for place in places if place in stops]
        fresh = [place for place in places if place not in committed]
        # When something was committed ever, the others have appeared since.
        first = (
            cluster.earliest(fresh) if committed
            else start.first_offsets(self.source, cluster, fresh)
        )  # fmt: skip
        return topics, first | {p: committed[p].offset for p in places if p in committed}

    def _new_poll(self) -> Poll:
        group = self._options.group or "mainstem"
        settings = {**self._asked.connection, **READING, "group.id": group}
        log = Log(self.source.name)
        library = build.library()
        if library is not None:
            from mainstem.engines.embedded.stream.readers.kafka.compiled import CompiledPoll

            return CompiledPoll(library, settings, log, where=self.source.where, **self._with)
        from confluent_kafka import Consumer

        return PlainPoll(new(Consumer, settings, self.source.where, logger=log), **self._with)

    def _add(
        self, topic: Topic, place: Place, offset: int, *, is_new: bool = True, stop: int = NEVER
    ) -> None:
        self._partitions.append(_Partition(place, topic.id, offset, is_new, offset, monotonic()))
        self._taking.add([Slot(*place, offset, stop)])

    # ---- reading
    def read(self, most_rows: int, wait_s: float) -> Slice | None:
        """Give the next records; see `Reader.read`.

        A partition that was never given before is a part without rows when it had none: where it
        begins is to be committed.
        """
        for topic, place, offset in self._watched.appeared():
            logger("kafka").info("source %s: reads %s from offset %d", self.source.name,
                                 name_of(place), offset)  # fmt: skip
            self._add(topic, place, offset)
        taken = self._taken(most_rows, wait_s)
        self._remember(taken)
        return self._slice(taken, is_end=all(slot.is_at_end for slot in taken.slots))

    def _slice(self, taken: Taken, *, is_end: bool) -> Slice | None:
        parts = self._parts(taken)
        if not parts and not is_end:
            return None
        table = taken.table or empty(**self._with)
        raw = Raw(self._made().prepared(table), datetime.now(UTC))
        return Slice(self.source.name, parts, raw, is_end)

    def _taken(self, most_rows: int, wait_s: float) -> Taken:
        until = monotonic() + wait_s
        while True:
            left = max(0.0, until - monotonic())
            taken = self._taking.read(most_rows, MOST_BYTES, min(left, _WAIT_S), self._quiet_s())
            for failure in taken.failures:
                self._look_at(failure)
            is_end = all(slot.is_at_end for slot in taken.slots)
            is_news = is_end and not self._is_end_told
            self._is_end_told = is_end
            if taken.rows or is_news or left <= _WAIT_S or self._stopping.is_set():
                return taken

    def _quiet_s(self) -> float:
        left = sum(self.lag().values())
        self._is_behind = self._is_behind and left > 0
        return FAR_S if left > FAR else BEHIND_S if self._is_behind else QUIET_S

    def _remember(self, taken: Taken) -> None:
        now = monotonic()
        for partition, slot in zip(self._partitions, taken.slots, strict=True):
            partition.next = slot.next
            if slot.rows:
                partition.spoke_at = now

    def _parts(self, taken: Taken) -> tuple[Part, ...]:
        """Give the parts: first those with rows, in the order of the column ``part``."""
        slots = taken.slots
        spoke = sorted((slot.part, i) for i, slot in enumerate(slots) if slot.rows)
        # Positions behind gaps go with records; alone they are not worth an epoch.
        moved = [
            i for i, (partition, slot) in enumerate(zip(self._partitions, slots, strict=True))
            if not slot.rows and (partition.is_new or (spoke and partition.given < slot.next))
        ]  # fmt: skip
        return tuple(self._part(i, slots[i]) for i in [*(i for _, i in spoke), *moved])

    def _part(self, i: int, slot: Slot) -> Part:
        partition = self._partitions[i]
        begin, end = (
            Position(offset, partition.topic_id).to_json()
            for offset in (partition.given, slot.next)
        )
        partition.given, partition.is_new = slot.next, False
        return Part(name_of(partition.place), begin, end, slot.rows)

    def _look_at(self, failure: Failure) -> None:
        """Raise what ends the run; what passes is looked after by `Watch`."""
        place = self._partitions[failure.slot].place if failure.slot >= 0 else None
        text = masked(failure.text)
        if failure.code in OFFSET_GONE and place is not None:
            raise self._gone(place)
        if failure.code in PASSING:
            logger("kafka").debug("source %s: %s", self.source.name, text)
        elif is_refusal(failure.code):
            raise refusal(text, self.source.where, self._options.bootstrap)
        else:
            named = f"partition {name_of(place)}" if place is not None else "Kafka"
            raise OutsideError(
                f"{named} cannot be read: {text} (code {failure.code})", where=self.source.where,
                code="KafkaNotRead", step=self.source.name,
                fix="look at the broker's log; run again: reading goes on where it was",
            )  # fmt: skip

    def _gone(self, place: Place) -> OutsideError:
        offset = next(p.next for p in self._partitions if p.place == place)
        oldest = self._asked.patiently(lambda: self._asked.earliest([place]), self._patience_s)
        if offset < oldest.get(place, 0):
            return start.records_gone(self.source, place, offset, oldest[place])
        ends = self._asked.patiently(lambda: self._asked.ends([place]), self._patience_s)
        return start.cut_off(self.source, place, offset, ends.get(place, 0))

    # ---- how it stands
    def silences(self) -> Mapping[str, float]:
        """Give for how long partitions are known to have been at their end.

        Known is what a broker has answered: while it is away nothing is silent.
        """
        ends, found = self._watched.ends(), {}
        for partition in self._partitions:
            end = ends.get(partition.place)
            is_read = end is not None and partition.next >= end.offset
            seconds = end.asked_at - partition.spoke_at if end is not None and is_read else 0.0
            found[name_of(partition.place)] = max(0.0, seconds)
        return found

    def lag(self) -> Mapping[str, int]:
        """Give how many offsets are not read yet, by the ends that were seen last."""
        ends = self._watched.ends()
        return {
            name_of(p.place): max(0, ends[p.place].offset - p.next)
            for p in self._partitions if p.place in ends
        }  # fmt: skip

    def ends(self) -> dict[str, Any]:
        """Give the ends that were seen last as positions: what `open` takes as `until`."""
        ends, ids = self._watched.ends(), {p.place: p.topic_id for p in self._partitions}
        return {
            name_of(place): Position(end.offset, ids.get(place, "")).to_json()
            for place, end in ends.items()
        }

    def committed(self, positions: Mapping[str, Any]) -> None:
        """Show positions that were committed under the source's consumer group, when it names one.

        May be called from any thread after `open`, after every commit: more than one a second is let
        pass, and the last of a run is not (`close`).
        """
        if not self._options.group:
            return
        self._shown = {place_of(name): Position.of(at).offset for name, at in positions.items()}
        if monotonic() - self._shown_at >= 1:
            self._show()

    def _show(self, wait_s: float = 0.0) -> None:
        shown, self._shown, self._shown_at = self._shown, {}, monotonic()
        if shown and self._cluster is not None:
            self._cluster.show(self._options.group or "", shown, wait_s)

    # ---- loading and closing
    def load(self, session: Session, taken: Slice, table: str) -> Loaded:
        """Make the temporary table of a slice; see `Reader.load`."""
        raw: Raw = taken.data
        return self._made().load(session, raw.prepared, taken.parts, table, raw.read_at)

    def _made(self) -> Records:
        if self._records is None:
            self._records = self._new_records()
        return self._records

    def _new_records(self) -> Records:
        from mainstem.engines.embedded.stream.records import Records
        from mainstem.formats.csv import CsvFormat

        options = self._options
        csv = CsvFormat(options.delimiter, nulls=(options.null,), header=False)
        return Records(self.source, options.format, options.columns, csv=csv,
                       registry=registry(options, self._base, self.source.where))  # fmt: skip

    def stop(self) -> None:
        """Have `open` and `read` end soon; may be called from any thread."""
        self._stopping.set()
        if self._cluster is not None:
            self._cluster.stopping.set()

    def close(self) -> None:
        """Let go of everything; may be called twice."""
        self.stop()
        self._show(_LAST_S)
        if self._watch is not None:
            self._watch.stop()
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.close()

    @property
    def _asked(self) -> Cluster:
        return _opened(self._cluster)

    @property
    def _watched(self) -> Watch:
        return _opened(self._watch)

    @property
    def _taking(self) -> Poll:
        return _opened(self._poll)


def _opened(found: T | None) -> T:
    if found is None:
        raise InternalError("a reader was used before it was opened")
    return found
