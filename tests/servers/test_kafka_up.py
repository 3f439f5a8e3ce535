"""A real broker: up, used, hurt, down; it never outlives who owns it."""

import json
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from mainstem.dev import Process, attach, running, server
from tests.servers.kafka_reading import wait_until_settled

PROGRAM = [sys.executable, "-m", "mainstem"]
# A process that has a cluster, as a test run has; it says where, and is then killed.
OWNER = """
import json, time
from mainstem.dev import server
with server("kafka", nodes=3) as kafka:
    print(kafka.name, flush=True)
    time.sleep(600)
"""
WAIT_S = 30
# Nobody reads what librdkafka has to say about a broker that was killed on purpose.
QUIET = {"log_level": 0}


def topic_of(kafka, n_partitions=1) -> str:
    """A new topic, on all brokers."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    admin = AdminClient(kafka.client | QUIET)
    made = admin.create_topics([NewTopic(name, n_partitions, len(kafka.nodes))])
    made[name].result(WAIT_S)
    return name


def commit(kafka, topic: str, values: list[str]) -> None:
    """Write values in one transaction."""
    producer = Producer(kafka.client | QUIET | {"transactional.id": uuid.uuid4().hex})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.commit_transaction(WAIT_S)


def committed(kafka, topic: str, n_wanted: int) -> list[str]:
    """The values of a topic whose transactions were committed; waits for as many as wanted."""
    settings = {
        "group.id": uuid.uuid4().hex,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(kafka.client | QUIET | settings)
    partition = TopicPartition(topic, 0, 0)
    consumer.assign([partition])
    found: list[str] = []
    errors: list[str] = []
    until = time.monotonic() + 2 * WAIT_S
    while len(found) < n_wanted and time.monotonic() < until:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message.value().decode())
        elif message is not None:
            errors.append(str(message.error()))
    if len(found) < n_wanted:
        ends = consumer.get_watermark_offsets(partition, timeout=WAIT_S)
        pytest.fail(f"{found} of a topic from {ends[0]} to {ends[1]}; errors: {errors}")
    consumer.close()
    return found


def mainstem(*words):
    """Call the command line in a process of its own."""
    done = subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def wait_for(is_so) -> None:
    """Wait for something that happens by itself, soon."""
    until = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.05)


def test_transactions_are_kept_and_aborted_ones_are_hidden(kafka):
    """Of two producers, in one topic."""
    topic = topic_of(kafka)
    producer = Producer(kafka.client | {"transactional.id": topic})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    producer.produce(topic, "never")
    producer.flush(WAIT_S)
    producer.abort_transaction(WAIT_S)

    commit(kafka, topic, ["one", "two"])

    assert committed(kafka, topic, 2) == ["one", "two"]


def test_brokers_have_all_features_of_their_version(kafka):
    """As if each folder had been formatted: transactions of the second version, new groups."""
    (node,) = kafka.nodes
    text = node.log.read_text()

    for feature in (
        "transaction.version=2",
        "group.version=1",
        "share.version=",
        "metadata.version=",
    ):
        assert feature in text.partition("finalizedFeatures={")[2].partition("}")[0]


def test_commands_and_a_broker_that_is_killed(tmp_path):
    """What was committed is there after `kill -9`, and after `down` and `up` with the same data."""
    name = f"try-{uuid.uuid4().hex[:8]}"
    asked = ("dev", "up", "kafka", "--name", name, "--port", 0, "--data", tmp_path, "-o", "json")
    try:
        told = json.loads(mainstem(*asked))
        kafka = attach(name)
        assert told["client"] == kafka.client == {"bootstrap.servers": told["address"]}
        listed = {one["name"]: one for one in json.loads(mainstem("dev", "ls", "-o", "json"))}
        assert (listed[name]["state"], listed[name]["nodes"][0]["pid"]) == (
            "up",
            kafka.nodes[0].pid,
        )
        topic = topic_of(kafka)
        commit(kafka, topic, ["before"])
        # A broker that is alone and is killed before it has written the marker of a transaction never
        # writes it: when it is back it takes partitions without a leader for deleted ones.
        wait_until_settled(kafka, topic)
        kafka.nodes[0].kill()
        assert kafka.state == "dead"
        kafka.nodes[0].start()
        commit(kafka, topic, ["after"])

        assert mainstem("dev", "down", name).startswith(f"{name} is down; its data stay in ")
        json.loads(mainstem(*asked))

        assert committed(attach(name), topic, 2) == ["before", "after"]
    finally:
        if left := attach(name):
            left.down()
    assert not any(one.name == name for one in running())


def test_three_brokers_lose_one_and_then_their_owner(tmp_path):
    """Transactions go on with two; when the owner is killed with -9, nothing is left."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as owner:
        try:
            kafka = attach(owner.stdout.readline().strip())
            topic = topic_of(kafka)
            commit(kafka, topic, ["three"])
            kafka.nodes[1].kill()
            assert kafka.state == "degraded"
            commit(kafka, topic, ["two"])
            kafka.nodes[1].start()
            assert kafka.state == "up"
            assert committed(kafka, topic, 2) == ["three", "two"]
            processes = [Process.of(node.pid) for node in kafka.nodes]
            supervisor = kafka.entry.supervisor
        finally:
            owner.send_signal(signal.SIGKILL)

    wait_for(lambda: not supervisor.is_alive)
    assert not any(process.is_alive for process in processes)
    assert not kafka.data.exists()
    assert not kafka.is_alive


def test_a_broker_that_demands_a_password_and_encryption():
    """Who has neither, or the wrong one, is not let in."""
    with server("kafka", security="sasl_tls") as kafka:
        topic = topic_of(kafka)
        commit(kafka, topic, ["secret"])
        assert committed(kafka, topic, 1) == ["secret"]
        for wrong in (
            {"bootstrap.servers": kafka.address},
            kafka.client | {"sasl.password": "wrong"},
            kafka.client | {"ssl.ca.location": "/dev/null"},
        ):
            with pytest.raises(KafkaException):
                AdminClient(wrong | QUIET).list_topics(timeout=2)
        for node in kafka.nodes:
            settings = Path(node.log).with_name("server.properties")
            assert settings.stat().st_mode & 0o077 == 0
