"""The topics of a sink: its own, and that of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem.connectors.kafka.options import KafkaSink
from mainstem.engines.embedded.stream.sinks.kafka_tokens import CONFIG
from mainstem.engines.embedded.stream.sinks.token import Owner
from mainstem.errors import OutsideError

_ASK_S = 30.0
_THERE = 36  # TOPIC_ALREADY_EXISTS: another sink was quicker


def make_topics(client: Mapping[str, Any], options: KafkaSink, owner: Owner) -> None:
    """Make the topic of tokens, and the sink's own when the options say how.

    Raises
    ------
    OutsideError
        When the topic is not there and nothing says how many partitions it has.
    KafkaException
        When the brokers refuse; the caller says it in our words.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

    admin = AdminClient(dict(client))
    there = admin.list_topics(timeout=_ASK_S).topics
    wanted = []
    replicas = options.replication or -1
    if options.topic not in there:
        if options.partitions is None:
            raise OutsideError(
                f"topic {options.topic!r} is not there", where=owner.where, step=owner.table,
                code="TopicNotFound", fix="make it, or add partitions= to the sink",
            )  # fmt: skip
        wanted.append(NewTopic(options.topic, options.partitions, replicas))
    if options.token_topic not in there:
        wanted.append(NewTopic(options.token_topic, 1, replicas, config=CONFIG))
    for future in (admin.create_topics(wanted) if wanted else {}).values():
        try:
            future.result(_ASK_S)
        except KafkaException as error:
            if error.args[0].code() != _THERE:
                raise
