"""A Kafka sink that is fed epochs, in this process or in one that is killed, and what readers see."""

import multiprocessing
import os
import uuid
from pathlib import Path
from time import monotonic

from confluent_kafka import Consumer, TopicPartition

from mainstem.connectors.kafka import kafka as kafka_binding
from tests.servers.kafka_reading import MOST_S, QUIET, wait_until_settled
from tests.unit.stream_sinks.epochs import made, write

N_EPOCHS = 4


def sink_of(address, topic, *, run_id="run-1", base=Path(os.devnull).parent, **more):
    """The sink of a table in a topic; `more` are options, or words of `made`."""
    words = {n: more.pop(n) for n in ("kind", "key_of_table", "schema", "pipeline") if n in more}
    binding = kafka_binding(topic, servers=address, partitions=more.pop("partitions", 1), **more)
    key = words.pop("key_of_table", ())
    return made(base, binding, run_id=run_id, key=key, **words)


def name():
    """A name of a topic that nobody else has."""
    return f"sink-{uuid.uuid4().hex[:10]}"


def records(server, topic, *, isolation="read_committed", n_partitions=1):
    """Every record (key, value) of a topic, partition by partition."""
    if isolation == "read_committed":
        wait_until_settled(server, topic, n_partitions)
    consumer = Consumer({
        **server.client, **QUIET, "group.id": "look", "isolation.level": isolation,
        "enable.partition.eof": True, "auto.offset.reset": "earliest", "enable.auto.commit": False,
    })  # fmt: skip
    consumer.assign([TopicPartition(topic, n, 0) for n in range(n_partitions)])
    found, at_end, end = [], set(), monotonic() + MOST_S
    while len(at_end) < n_partitions:
        assert monotonic() < end
        message = consumer.poll(0.1)
        if message is not None and message.error() is not None:
            at_end.add(message.partition())
        elif message is not None:
            found.append((message.key(), message.value()))
    consumer.close()
    return found


def rows_of(epoch):
    """The rows of an epoch."""
    return [(epoch, "a"), (epoch, "b")]


def feed(address, topic, run_id):
    """Open the sink and send every epoch."""
    sink = sink_of(address, topic, run_id=run_id)
    sink.open()
    facts = [write(sink, epoch, rows_of(epoch)) for epoch in range(1, N_EPOCHS + 1)]
    sink.close()
    return facts


def killed(address, topic, kill_at):
    """Feed the sink in a process that must die by SIGKILL at a point."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.servers.kafka_writing"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    child = context.Process(target=_in_process, args=(switches, address, topic))
    child.start()
    child.join(MOST_S)
    assert child.exitcode == -9, (kill_at, child.exitcode)


def _in_process(switches, address, topic):
    os.environ |= switches
    feed(address, topic, "run-killed")
