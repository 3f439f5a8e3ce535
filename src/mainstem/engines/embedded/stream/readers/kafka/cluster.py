"""Asks the brokers what there is: topics, their partitions, and offsets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import wait
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from mainstem.connectors.kafka.options import KafkaSource
from mainstem.engines.embedded.stream.readers.kafka.client import (
    UNKNOWN,
    Log,
    connection,
    is_refusal,
    is_untrusted,
    new,
    refusal,
)
from mainstem.errors import OutsideError, Stopped
from mainstem.plan.nodes import Source
from mainstem.record import record
from mainstem.settings.log import logger
from mainstem.settings.secret import masked

# For one question; a broker that is away answers none, and is asked again.
ANSWER_S = 5.0
# Between two questions while nobody answers.
_AGAIN_S = 0.25
# A leader that is being chosen is nothing to tell.
TOLD_AFTER_S = 1.0
# A broker that goes down in the middle of a greeting looks like one that refuses, once.
_REFUSALS = 3
_ZERO_ID = "A" * 22

Place = tuple[str, int]
"""Topic and number of a partition."""


class AwayError(Exception):
    """No broker has answered; ask again."""


@record
class Topic:
    """A topic as it is now; `id` is "" with brokers that give none."""

    name: str
    id: str
    n_partitions: int

    @property
    def partitions(self) -> tuple[Place, ...]:
        """Give its partitions."""
        return tuple((self.name, number) for number in range(self.n_partitions))


class Cluster:
    """The brokers of a source.

    Parameters
    ----------
    source : Source
        For messages.
    options : KafkaSource
        Its options.
    base : Path
        Folder that relative files start from.
    """

    def __init__(self, source: Source, options: KafkaSource, base: Path) -> None:
        from confluent_kafka.admin import AdminClient

        self.source, self.options, self.stopping = source, options, Event()
        self.servers = options.bootstrap
        self.connection = connection(options, base)
        self._said: list[Any] = []
        self._admin = new(
            AdminClient, {**self.connection, "error_cb": self._said.append}, source.where,
            logger=Log(source.name),
        )  # fmt: skip

    def topics(self) -> dict[str, Topic]:
        """Give the topics that the source reads and that are there.

        Raises
        ------
        AwayError
            When nobody answers.
        OutsideError
            When the user may not see them.
        """
        from confluent_kafka import TopicCollection

        names = self._matching() if self.options.regex else list(self.options.topics)
        if not names:
            return {}
        asked = self._admin.describe_topics(TopicCollection(names), request_timeout=ANSWER_S)
        found = {name: self._answer(future) for name, future in asked.items()}
        return {
            name: Topic(name, _id(topic.topic_id), len(topic.partitions))
            for name, topic in found.items() if topic is not None
        }  # fmt: skip

    def _matching(self) -> list[str]:
        from confluent_kafka import KafkaException

        try:
            listed = self._admin.list_topics(timeout=ANSWER_S).topics
        except KafkaException as error:
            self._look_at_errors()
            raise AwayError(masked(error.args[0].str())) from None
        # Those of Kafka itself are read by name only.
        fits = re.compile(self.options.regex).fullmatch
        return sorted(name for name in listed if fits(name) and not name.startswith("__"))

    def earliest(self, places: Iterable[Place]) -> dict[Place, int]:
        """Give the oldest offset of partitions; one that is not there has none."""
        return self._offsets(dict.fromkeys(places, _specs().earliest()))

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Give what is behind the last record that may be read: open transactions hold it."""
        return self._offsets(dict.fromkeys(places, _specs().latest()))

    def at_time(self, places: Iterable[Place], time_ms: int) -> dict[Place, int]:
        """Give the first offset at or after a time; -1 where there is none."""
        return self._offsets(dict.fromkeys(places, _specs().for_timestamp(time_ms)))

    def show(self, group: str, offsets: Mapping[Place, int], wait_s: float = 0.0) -> None:
        """Have a consumer group stand at these offsets, for tools that look at it.

        Nothing of ours depends on it, so that it fails is worth a line and no more.
        """
        from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

        places = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        asked = self._admin.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, places)], request_timeout=ANSWER_S
        )
        for future in asked.values():
            future.add_done_callback(lambda done: _shown(group, done))
        wait(asked.values(), wait_s)

    def _offsets(self, wanted: Mapping[Place, Any]) -> dict[Place, int]:
        from confluent_kafka import IsolationLevel, TopicPartition

        if not wanted:
            return {}
        asked = self._admin.list_offsets(
            {TopicPartition(*place): spec for place, spec in wanted.items()},
            isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_S,
        )  # fmt: skip
        found = {(at.topic, at.partition): self._answer(future) for at, future in asked.items()}
        return {place: result.offset for place, result in found.items() if result is not None}

    def _answer(self, future: Any) -> Any:
        """Give an answer; None for a topic or partition that is not there."""
        from confluent_kafka import KafkaException

        until = monotonic() + 2 * ANSWER_S
        while not future.done():
            # Errors and log lines are given to us in here, and nowhere else.
            self._admin.poll(0.002)
            self._look_at_errors()
            if self.stopping.is_set():
                raise Stopped("reading was stopped")
            if monotonic() > until:
                raise AwayError("no answer")
        try:
            return future.result()
        except KafkaException as error:
            code, text = error.args[0].code(), error.args[0].str()
        if is_refusal(code):
            raise refusal(text, self.source.where, self.servers)
        if code in UNKNOWN:
            return None
        raise AwayError(masked(text))

    def _look_at_errors(self) -> None:
        untrusted = [error for error in self._said if is_untrusted(error.code())]
        if len(untrusted) >= _REFUSALS:
            raise refusal(untrusted[-1].str(), self.source.where, self.servers)

    def trusted(self) -> None:
        """Remember that the brokers have let us in: from now on, a broken greeting is a broken line."""
        self._said.clear()

    def patiently(self, ask: Any, patience_s: float) -> Any:
        """Give an answer, however often it has to be asked for.

        Raises
        ------
        OutsideError
            When there was none for `patience_s`.
        Stopped
            When reading is to end.
        """  # noqa: DOC501 - built by a function
        started, has_told = monotonic(), False
        while True:
            try:
                return ask()
            except AwayError as error:
                waited = monotonic() - started
                if waited >= patience_s:
                    raise away(self.source, self.servers, waited, str(error)) from None
                if not has_told and waited >= TOLD_AFTER_S:
                    logger("kafka").warning(
                        "source %s: Kafka at %s does not answer (%s); trying again for %.0f s",
                        self.source.name, self.servers, error, patience_s,
                    )  # fmt: skip
                    has_told = True
                if self.stopping.wait(_AGAIN_S):
                    raise Stopped("reading was stopped") from None


def away(source: Source, servers: str, seconds: float, why: str) -> OutsideError:
    """Give the error of brokers that have not answered for too long."""
    return OutsideError(
        f"Kafka at {servers} has not answered for {seconds:.0f} s ({why})", where=source.where,
        code="KafkaAway", step=source.name,
        fix="start the brokers or correct servers=, and run again: nothing is lost; or wait longer: "
        'timeout="10 minutes"',
    )  # fmt: skip


def _shown(group: str, done: Any) -> None:
    if error := done.exception():
        logger("kafka").info(
            "consumer group %s does not show positions: %s", group, masked(str(error))
        )


def _specs() -> Any:
    from confluent_kafka import admin

    return vars(admin)["OffsetSpec"]


def _id(found: Any) -> str:
    # As Kafka's own tools show it.
    text = "" if found is None else str(found).rstrip("=").replace("+", "-").replace("/", "_")
    return "" if text == _ZERO_ID else text
