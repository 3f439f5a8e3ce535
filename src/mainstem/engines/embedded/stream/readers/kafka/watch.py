"""Looks after a source beside its reading: ends, new partitions, and whether anybody answers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from time import monotonic

from mainstem.engines.embedded.stream.readers.kafka.cluster import (
    TOLD_AFTER_S,
    AwayError,
    Cluster,
    Place,
    Topic,
    away,
)
from mainstem.engines.embedded.stream.readers.kafka.start import recreated, topic_gone
from mainstem.errors import MainstemError, Stopped
from mainstem.record import record
from mainstem.settings.log import logger

# How often ends are asked for: a silence is known to be one only when the broker says so.
LOOK_S = 0.5
# How often topics are asked for, which is how late a new partition is seen at most.
DISCOVER_S = 2.0
# A topic that was asked for while its partitions move may be unknown for a moment.
_GONE_AFTER = 3


@record
class End:
    """What is behind the last record of a partition that may be read, and when that was asked."""

    offset: int
    asked_at: float


class Watch:
    """Asks the brokers in a thread of its own.

    Parameters
    ----------
    cluster : Cluster
        Who is asked; by nobody else from `start` on.
    topics : mapping
        Those that are there.
    patience_s : float
        How long nobody may answer.
    """

    def __init__(self, cluster: Cluster, topics: Mapping[str, Topic], patience_s: float) -> None:
        self._cluster, self._patience_s = cluster, patience_s
        self._topics = dict(topics)
        self._lock = threading.Lock()
        self._ends: dict[Place, End] = {}
        self._places: set[Place] = set()
        self._found: list[tuple[Topic, Place, int]] = []
        self._missing: dict[str, int] = {}
        self._trouble: MainstemError | None = None
        self._answered_at, self._is_away = monotonic(), False
        self._discovers = True
        self._thread = threading.Thread(target=self._run, name="mainstem-kafka-watch", daemon=True)

    def add(self, ends: Mapping[Place, int]) -> None:
        """Watch partitions, whose ends are these now."""
        now = monotonic()
        with self._lock:
            self._places |= ends.keys()
            self._ends |= {place: End(offset, now) for place, offset in ends.items()}

    def start(self, *, discovers: bool) -> None:
        """Begin; with `discovers` partitions that appear are found."""
        self._discovers = discovers
        self._thread.start()

    def stop(self) -> None:
        """End; may be called twice."""
        self._cluster.stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def ends(self) -> dict[Place, End]:
        """Give the ends as they were last seen."""
        with self._lock:
            return dict(self._ends)

    def appeared(self) -> list[tuple[Topic, Place, int]]:
        """Give partitions that have appeared since the last call, with their first offset.

        Raises
        ------
        MainstemError
            What was found out: nobody answers, a topic is gone or another one.
        """
        with self._lock:
            if self._trouble is not None:
                raise self._trouble
            found, self._found = self._found, []
            return found

    def _run(self) -> None:
        next_topics = monotonic() + DISCOVER_S
        while not self._cluster.stopping.wait(LOOK_S):
            try:
                if monotonic() >= next_topics:
                    self._look_at_topics()
                    next_topics = monotonic() + DISCOVER_S
                self._look_at_ends()
                self._answered()
            except AwayError as error:
                self._not_answered(str(error))
            except Stopped:
                return
            except MainstemError as error:
                with self._lock:
                    self._trouble = error
                return

    def _look_at_ends(self) -> None:
        now = monotonic()
        with self._lock:
            places = sorted(self._places)
        found = self._cluster.ends(places)
        with self._lock:
            self._ends |= {place: End(offset, now) for place, offset in found.items()}
            oldest = min((self._ends[place].asked_at for place in places), default=now)
        if now - oldest > self._patience_s:
            raise away(self._cluster.source, self._cluster.servers, now - oldest,
                       "a partition has no leader")  # fmt: skip

    def _look_at_topics(self) -> None:
        now = self._cluster.topics()
        for name, topic in self._topics.items():
            self._missing[name] = 0 if name in now else self._missing.get(name, 0) + 1
            if self._missing[name] >= _GONE_AFTER:
                raise topic_gone(self._cluster.source, name)
            new = now.get(name, topic)
            if topic.id and new.id and topic.id != new.id:
                raise recreated(self._cluster.source, name, topic.id, new.id)
        if self._discovers:
            self._take_new(now.values())

    def _take_new(self, topics: Iterable[Topic]) -> None:
        with self._lock:
            found = {p: t for t in topics for p in t.partitions if p not in self._places}
        oldest = self._cluster.earliest(found)
        ends = self._cluster.ends(found)
        # One whose leader is not chosen yet has no offsets, and is found the next time.
        seen = [place for place in found if place in oldest and place in ends]
        with self._lock:
            self._found += [(found[place], place, oldest[place]) for place in seen]
        self.add({place: ends[place] for place in seen})
        self._topics |= {found[place].name: found[place] for place in seen}

    def _answered(self) -> None:
        if self._is_away:
            logger("kafka").warning(
                "source %s: Kafka at %s answers again after %.1f s", self._cluster.source.name,
                self._cluster.servers, monotonic() - self._answered_at,
            )  # fmt: skip
        self._answered_at, self._is_away = monotonic(), False
        self._cluster.trusted()

    def _not_answered(self, why: str) -> None:
        waited = monotonic() - self._answered_at
        if waited > self._patience_s:
            trouble = away(self._cluster.source, self._cluster.servers, waited, why)
            with self._lock:
                self._trouble = trouble
        elif not self._is_away and waited >= TOLD_AFTER_S:
            self._is_away = True
            logger("kafka").warning(
                "source %s: Kafka at %s does not answer (%s); trying again for %.0f s",
                self._cluster.source.name, self._cluster.servers, why, self._patience_s,
            )  # fmt: skip
