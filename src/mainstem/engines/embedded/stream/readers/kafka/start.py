"""Where partitions begin, and whether what was committed can still be gone on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import sleep
from typing import Any

from mainstem.connectors.kafka.options import KafkaSource
from mainstem.engines.embedded.stream.readers.kafka.cluster import Cluster, Place, Topic
from mainstem.errors import OutsideError, SettingsError, StateError, listing, nearest
from mainstem.plan.nodes import Source
from mainstem.record import record

# A broker that has just taken over may know an end that is a little behind, for a moment.
_BEHIND_S = 5.0


@record
class Position:
    """Where a partition was left: the offset of the next record, and which topic it was."""

    offset: int
    topic_id: str = ""

    @classmethod
    def of(cls, value: Any) -> Position:
        """Read one as it is kept; a bare number is an offset."""
        if isinstance(value, Mapping):
            return cls(int(value["offset"]), str(value.get("topic_id", "")))
        return cls(int(value))

    def to_json(self) -> dict[str, Any]:
        """Give it as it is kept."""
        return {"offset": self.offset, "topic_id": self.topic_id}


def name_of(place: Place) -> str:
    """Give the name of a partition: ``payments/3``."""
    return f"{place[0]}/{place[1]}"


def place_of(name: str) -> Place:
    """Give the partition of a name."""
    topic, _, number = name.rpartition("/")
    return topic, int(number)


def check_topics(source: Source, options: KafkaSource, topics: Mapping[str, Topic]) -> None:
    """Check that there is what is to be read.

    Raises
    ------
    OutsideError
        When a topic that was named is not there. A pattern may match none yet.
    """
    for name in options.topics:
        if name not in topics:
            raise OutsideError(
                f"there is no topic {name!r} at {options.bootstrap}", where=source.where,
                code="TopicMissing", step=source.name,
                fix="make the topic, or correct its name",
            )  # fmt: skip


def check_positions(
    source: Source, cluster: Cluster, topics: Mapping[str, Topic],
    positions: Mapping[Place, Position],
) -> None:  # fmt: skip
    """Check that reading can go on where it was left: nothing is skipped and nothing read twice.

    Raises
    ------
    OutsideError
        When records that were not read yet are gone, or a topic is another one now.
    StateError
        When the source reads other topics than before.
    """  # noqa: DOC501 - built by functions
    for place, position in positions.items():
        _check_topic(source, cluster.options, topics, place, position)
    oldest = cluster.earliest(positions)
    ends = cluster.ends(positions)
    for _ in range(int(_BEHIND_S / 0.5)):
        if all(p.offset <= ends.get(place, 0) for place, p in positions.items()):
            break
        sleep(0.5)
        ends = cluster.ends(positions)
    for place, position in positions.items():
        if position.offset < oldest.get(place, 0):
            raise records_gone(source, place, position.offset, oldest[place])
        if position.offset > ends.get(place, 0):
            raise cut_off(source, place, position.offset, ends.get(place, 0))


def check_stops(
    source: Source, committed: Mapping[Place, Position], stops: Mapping[Place, Position]
) -> None:
    """Check that what is to be read up to some positions was not read further already.

    Raises
    ------
    StateError
        When it was: the positions belong to another state.
    """
    for place, position in committed.items():
        if place not in stops or stops[place].offset < position.offset:
            raise StateError(
                f"partition {name_of(place)} was read up to offset {position.offset}, which is behind "
                "the position to be reached", where=source.where, code="TopicDropped",
                step=source.name, fix="restore the state that belongs to the sinks",
            )  # fmt: skip


def _check_topic(
    source: Source, options: KafkaSource, topics: Mapping[str, Topic], place: Place,
    position: Position,
) -> None:  # fmt: skip
    topic = topics.get(place[0])
    if topic is None and not options.regex and place[0] not in options.topics:
        raise StateError(
            f"source {source.name} was read from topic {place[0]!r}, which it does not name any more",
            where=source.where, code="TopicDropped", step=source.name,
            fix="name it again, or begin with a new --state-dir",
        )  # fmt: skip
    if topic is None:
        raise topic_gone(source, place[0])
    if position.topic_id and topic.id and position.topic_id != topic.id:
        raise _another(source, place, f"its id was {position.topic_id} and is {topic.id}")
    if place[1] >= topic.n_partitions:
        raise _another(source, place, f"it has {topic.n_partitions} partitions now")


def topic_gone(source: Source, topic: str) -> OutsideError:
    """Give the error of a topic that was read and is not there."""
    return OutsideError(
        f"topic {topic!r} was deleted: records that were not read yet are lost", where=source.where,
        code="TopicGone", step=source.name,
        fix="restore the topic; or take it out of the source and begin with a new --state-dir",
    )  # fmt: skip


def _another(source: Source, place: Place, how: str) -> OutsideError:
    return OutsideError(
        f"topic {place[0]!r} was deleted and made again, or has lost records: {how} "
        f"(partition {name_of(place)})", where=source.where, code="TopicRecreated", step=source.name,
        fix="begin with a new --state-dir: what was committed belongs to the old topic",
    )  # fmt: skip


def cut_off(source: Source, place: Place, offset: int, end: int) -> OutsideError:
    """Give the error of a partition that ends before what was read."""
    return _another(source, place, f"it ends at offset {end}, and was read up to {offset}")


def recreated(source: Source, topic: str, was: str, now: str) -> OutsideError:
    """Give the error of a topic that has another id than when it was opened."""
    return _another(source, (topic, 0), f"its id was {was} and is {now}")


def records_gone(source: Source, place: Place, offset: int, oldest: int) -> OutsideError:
    """Give the error of records that the broker has dropped before they were read."""
    return OutsideError(
        f"partition {name_of(place)} was read up to offset {offset}, and the oldest record left is "
        f"{oldest}: {oldest - offset} offsets are gone", where=source.where, code="RecordsGone",
        step=source.name, partition=name_of(place), offset=offset, oldest=oldest,
        fix="begin with a new --state-dir to go on without them; keep records longer: "
        "retention.ms of the topic",
    )  # fmt: skip


def first_offsets(source: Source, cluster: Cluster, places: Iterable[Place]) -> dict[Place, int]:
    """Give where partitions begin that were never read, as the options say.

    Raises
    ------
    OutsideError
        When an offset of the options is not there.
    SettingsError
        When a partition of the options is not there.
    """
    options, wanted = cluster.options, list(places)
    if options.start == "latest":
        return cluster.ends(wanted)
    oldest = cluster.earliest(wanted)
    if options.start_time is not None:
        found = cluster.at_time(wanted, int(options.start_time.timestamp() * 1000))
        ends = cluster.ends(wanted)
        return {place: ends[place] if at < 0 else at for place, at in found.items()}
    return oldest | _named_offsets(source, cluster, wanted, oldest)


def _named_offsets(
    source: Source, cluster: Cluster, places: list[Place], oldest: Mapping[Place, int]
) -> dict[Place, int]:
    named = cluster.options.start_offsets
    known = {name_of(place): place for place in places}
    if len(cluster.options.topics) == 1:
        known |= {str(place[1]): place for place in places}
    found = {}
    ends = cluster.ends(places) if named else {}
    for name, offset in named.items():
        if name not in known:
            close = nearest(name, known)
            raise SettingsError(
                f"start of source {source.name} names partition {name!r} (partitions: "
                f"{listing(map(name_of, places))})", where=source.where, code="PartitionMissing",
                step=source.name, fix=f"write {close}" if close else "remove it",
            )  # fmt: skip
        place = known[name]
        if not oldest[place] <= offset <= ends[place]:
            raise OutsideError(
                f"start of source {source.name} is offset {offset} of partition {name_of(place)}, "
                f"which has {oldest[place]} to {ends[place]}", where=source.where,
                code="OffsetMissing", step=source.name, fix="name an offset that is there",
            )  # fmt: skip
        found[place] = offset
    return found
