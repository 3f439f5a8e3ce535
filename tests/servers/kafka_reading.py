"""What the tests of the Kafka reader share: topics, records, and reading them to the end."""

import itertools
import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import duckdb
import pytest
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from mainstem.connectors.kafka import kafka as kafka_binding
from mainstem.engines.embedded.native import build as native
from mainstem.engines.embedded.stream.readers.kafka import build
from mainstem.engines.embedded.stream.readers.kafka.reader import KafkaReader
from mainstem.engines.spec import RunSettings
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema

# Where there is no compiler there is no compiled reader, and nobody gets one.
PATHS = ("python", "compiled") if native.compiler() else ("python",)
METADATA = {"k": "key", "h": "headers"}
# Far longer than anything takes; a test that waits so long has failed.
MOST_S = 60.0
# Nobody reads what librdkafka has to say about a broker that was killed on purpose.
QUIET = {"log_level": 0}
_admins = {}


def use(path, monkeypatch):
    """Have records taken by one of the two ways."""
    if path == "python":
        monkeypatch.setenv(native.CHOICE, "no")
    else:
        monkeypatch.delenv(native.CHOICE, raising=False)
        if build.library() is None:
            build.build()


def admin(server):
    """Give the client that makes and deletes topics."""
    # Kept: what it was asked is dropped with it.
    if server.address not in _admins:
        _admins[server.address] = AdminClient({**server.client, **QUIET})
    return _admins[server.address]


def new_topic(server, partitions=1, prefix="t", replicas=1):
    """Make a topic of a name of its own."""
    name = f"{prefix}-{uuid.uuid4().hex[:10]}"
    make(server, name, partitions, replicas)
    return name


def make(server, name, partitions=1, replicas=1):
    """Make a topic of this name."""
    for future in admin(server).create_topics([NewTopic(name, partitions, replicas)]).values():
        future.result(MOST_S)


def delete(server, name):
    """Delete a topic."""
    for future in admin(server).delete_topics([name]).values():
        future.result(MOST_S)


def write(server, topic, records, **settings):
    """Write records: value, or (value, key, headers, time); partition by partition when given so."""
    # Without idempotence a batch that is sent again, since its answer got lost, is there twice.
    given = {"linger.ms": 5, "enable.idempotence": True, **settings}
    producer = Producer({**server.client, **QUIET, **given})
    for partition, record in records:
        value, key, headers, time = record if isinstance(record, tuple) else (record, None, [], 0)
        more = {"timestamp": time} if time else {}
        producer.produce(topic, value, key, partition=partition, headers=headers, **more)
        producer.poll(0)
    assert producer.flush(MOST_S) == 0


@contextmanager
def transaction(server, *, is_committed):
    """Write in a transaction that is committed or aborted at the end."""
    producer = Producer({**server.client, **QUIET, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(MOST_S)
    producer.begin_transaction()
    yield producer
    assert producer.flush(MOST_S) == 0
    (producer.commit_transaction if is_committed else producer.abort_transaction)(MOST_S)


def wait_until_settled(server, topic, partitions=1):
    """Wait until no transaction is open: its marker comes a moment after its end was confirmed.

    Before that a reader of committed rows does not see the last ones, and is right.
    """
    places = [TopicPartition(topic, n) for n in range(partitions)]
    stop = monotonic() + MOST_S
    while True:
        ends = [_ends(server, places, level) for level in IsolationLevel]
        if None not in ends and ends[0] == ends[1]:
            return
        assert monotonic() < stop, f"a transaction is open: {ends}"
        sleep(0.05)


def _ends(server, places, level):
    asked = admin(server).list_offsets(
        dict.fromkeys(places, OffsetSpec.latest()), isolation_level=level, request_timeout=MOST_S
    )
    try:
        return [future.result().offset for future in asked.values()]
    except KafkaException as error:
        # A broker that has come back is known by an older epoch: to this client for minutes.
        del _admins[server.address]
        if error.args[0].retriable() or error.args[0].code() == KafkaError.FENCED_LEADER_EPOCH:
            return None
        raise


def new_reader(
    server, topic, *, schema="k bytes, h map(string, bytes), v bytes", metadata=None, **options
):
    """Give a reader of a topic, not opened."""
    metadata = METADATA if metadata is None else metadata
    options = {"servers": server.address, "format": "bytes", "metadata": metadata, **options}
    binding = kafka_binding(topic, **options)
    source = Source("events", binding, parse_schema(schema), bounded=False)
    return KafkaReader(source, RunSettings("run", Path(os.devnull), Path.cwd()))


@contextmanager
def opened(reader, positions=None, until=None):
    """Open a reader for a block."""
    reader.open(positions or {}, until)
    try:
        yield reader
    finally:
        reader.close()


class Read:
    """What a reader gave, record by record, checked against its parts as it comes."""

    def __init__(self, positions=None):
        self.positions = dict(positions or {})
        self.rows = []
        self.slices = []

    def take(self, slice_):
        self.slices.append(slice_)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            table = slice_.data.table
            headers = "headers" in {column.name for column in table.columns}
            found = connection.execute(
                "SELECT part, position, value, key, epoch_ms(time), "
                f'{"headers" if headers else "[]"} FROM "table"'
            ).fetchall()
        assert len(found) == len(table) == slice_.rows
        names = [part.partition for part in slice_.parts]
        assert len(set(names)) == len(names)
        for i, part in enumerate(slice_.parts):
            self.check(part, [row[1] for row in found if row[0] == i])
        self.rows += [(names[row[0]], *row[1:]) for row in found]

    def check(self, part, offsets):
        before = self.positions.get(part.partition)
        assert before is None or before == part.start
        assert len(offsets) == part.rows
        assert all(a < b for a, b in itertools.pairwise(offsets))
        if offsets:
            assert part.start["offset"] <= offsets[0]
            assert offsets[-1] < part.end["offset"]
        assert part.start["offset"] <= part.end["offset"]
        self.positions[part.partition] = part.end

    @property
    def values(self):
        """Give the values by partition's number, in the order in which they came."""
        found = {}
        for name, _, value, *_ in self.rows:
            found.setdefault(int(name.rpartition("/")[2]), []).append(value)
        return found

    @property
    def offsets(self):
        return {int(name.rpartition("/")[2]): at["offset"] for name, at in self.positions.items()}


def read_to_end(reader, read=None, *, most=200_000, until=lambda read: True):
    """Read until the reader is at its end and `until` holds."""
    read = read or Read()
    stop = monotonic() + MOST_S
    while monotonic() < stop:
        found = reader.read(most, 0.2)
        if found is not None:
            read.take(found)
            if found.is_end and until(read):
                return read
    pytest.fail(f"not at the end: {reader.lag()}, {len(read.rows)} rows")


def numbered(n, partition=0, prefix=b""):
    """Give records with numbers."""
    return [(partition, prefix + b"%d" % i) for i in range(n)]
