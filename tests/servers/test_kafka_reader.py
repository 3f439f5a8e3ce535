"""The Kafka reader at a real broker: every test in Python and, where there is a compiler, compiled."""

import random
from time import sleep

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import NewPartitions

from mainstem.errors import OutsideError, SettingsError
from tests.servers.kafka_reading import (
    MOST_S,
    PATHS,
    Read,
    admin,
    delete,
    make,
    new_reader,
    new_topic,
    numbered,
    opened,
    read_to_end,
    transaction,
    use,
    wait_until_settled,
    write,
)


@pytest.fixture(autouse=True, params=PATHS)
def path(request, monkeypatch):
    """How records are taken."""
    use(request.param, monkeypatch)
    return request.param


def test_the_way_is_told(kafka, path):
    """Whoever reads the facts of a run knows which reader it had."""
    with opened(new_reader(kafka, new_topic(kafka))) as reader:
        assert reader.facts == {"reader": path}


def test_records_come_whole(kafka):
    """Absent is not empty, in values, keys and headers; times are the record's."""
    topic = new_topic(kafka)
    records = [
        (b"x" * 200_000, b"k", [("a", b"1"), ("a", None), ("b", b"")], 1_700_000_000_123),
        (b"", b"", [], 1),
        (None, None, [], 1_700_000_000_000),
        ("é\x00".encode(), None, [("", b"\xff")], 1_700_000_000_001),
    ]
    write(kafka, topic, [(0, record) for record in records])

    with opened(new_reader(kafka, topic)) as reader:
        read = read_to_end(reader)

    assert read.rows == [
        (f"{topic}/0", i, value, key, time, [{"key": k, "value": v} for k, v in headers])
        for i, (value, key, headers, time) in enumerate(records)
    ]


def test_what_nobody_asked_for_is_not_there(kafka):
    """Keys and headers cost time, and are not taken without a column for them."""
    topic = new_topic(kafka)
    write(kafka, topic, [(0, (b"v", b"k", [("a", b"1")], 5))])

    with opened(new_reader(kafka, topic, schema="v bytes", metadata={})) as reader:
        read = read_to_end(reader)

    assert read.rows == [(f"{topic}/0", 0, b"v", None, 5, [])]


def test_an_empty_topic_is_at_its_end_with_its_first_positions(kafka):
    """Where a partition begins is to be committed, or a later run would begin somewhere else."""
    topic = new_topic(kafka, 2)
    with opened(new_reader(kafka, topic, start="latest")) as reader:
        first = read_to_end(reader)
        assert first.offsets == {0: 0, 1: 0}
        assert set(reader.silences()) == {f"{topic}/0", f"{topic}/1"}
    write(kafka, topic, numbered(3))
    with opened(new_reader(kafka, topic, start="latest"), first.positions) as reader:
        assert read_to_end(reader, Read(first.positions)).values == {0: [b"0", b"1", b"2"]}


def test_small_slices_and_restarts_lose_and_double_nothing(kafka):
    """Reading behind a part's end gives the next record."""
    topic, n = new_topic(kafka, 3), 2000
    wanted = [(i % 3, b"%d" % i) for i in range(n)]
    write(kafka, topic, wanted)
    chance, read = random.Random(5), Read()
    for _ in range(6):
        with opened(new_reader(kafka, topic), read.positions) as reader:
            for _ in range(chance.randrange(1, 6)):
                found = reader.read(chance.randrange(1, 150), 5.0)
                if found is not None:
                    read.take(found)
    with opened(new_reader(kafka, topic), read.positions) as reader:
        read_to_end(reader, read, most=777)

    assert read.values == {p: [v for q, v in wanted if q == p] for p in range(3)}
    assert all(slice_.rows <= 777 for slice_ in read.slices)


def test_aborted_transactions_leave_gaps_that_end_reading_like_any_end(kafka):
    """Aborted records and markers are passed, also as the last thing there is."""
    topic = new_topic(kafka)
    write(kafka, topic, numbered(2, prefix=b"a"))
    with transaction(kafka, is_committed=False) as producer:
        producer.produce(topic, b"never")
    with transaction(kafka, is_committed=True) as producer:
        producer.produce(topic, b"b0")
    with transaction(kafka, is_committed=False) as producer:
        for _ in range(50):
            producer.produce(topic, b"never")

    # a0 a1 | aborted, marker | b0, marker | 50 aborted, marker
    # The broker writes the last marker a moment after it has said that the transaction is aborted;
    # a reader that comes before tells of the rows at once, and of the end with the next ones.
    wait_until_settled(kafka, topic)

    with opened(new_reader(kafka, topic)) as reader:
        read = read_to_end(reader)
        assert reader.lag() == {f"{topic}/0": 0}
    assert read.values == {0: [b"a0", b"a1", b"b0"]}
    assert [row[1] for row in read.rows] == [0, 1, 4]
    assert read.offsets == {0: 2 + 2 + 2 + 51}


def test_an_open_transaction_is_not_read_and_not_passed(kafka):
    """What stands behind it waits for it too."""
    topic = new_topic(kafka)
    write(kafka, topic, numbered(1, prefix=b"a"))
    with opened(new_reader(kafka, topic)) as reader:
        with transaction(kafka, is_committed=True) as producer:
            producer.produce(topic, b"b0")
            assert producer.flush(MOST_S) == 0
            write(kafka, topic, [(0, b"c0")])
            read = read_to_end(reader, until=lambda read: read.rows)
            assert read.values == {0: [b"a0"]}
            assert read.offsets == {0: 1}
        read_to_end(reader, read, until=lambda read: len(read.rows) == 3)
    assert read.values == {0: [b"a0", b"b0", b"c0"]}


def test_a_slice_is_cut_at_its_bytes(kafka, monkeypatch):
    """Large records do not make a slice of any size."""
    topic = new_topic(kafka)
    write(kafka, topic, [(0, b"x" * 100_000)] * 30)
    monkeypatch.setattr("mainstem.engines.embedded.stream.readers.kafka.reader.MOST_BYTES", 1 << 20)

    with opened(new_reader(kafka, topic)) as reader:
        read = read_to_end(reader)

    assert len(read.rows) == 30
    # A megabyte is passed by one call of librdkafka at most: 11 records in C, 500 in Python.
    assert read.offsets == {0: 30}


def test_partitions_that_appear_are_read_from_their_beginning(kafka):
    """Also with start=latest: they came after the start."""
    topic = new_topic(kafka)
    write(kafka, topic, numbered(2))
    with opened(new_reader(kafka, topic, start="latest")) as reader:
        read = read_to_end(reader)
        assert read.rows == []
        for future in admin(kafka).create_partitions([NewPartitions(topic, 2)]).values():
            future.result(MOST_S)
        write(kafka, topic, numbered(3, partition=1))
        read_to_end(reader, read, until=lambda read: len(read.rows) == 3)
        assert f"{topic}/1" in reader.silences()
    assert read.values == {1: [b"0", b"1", b"2"]}


def test_a_partition_that_appeared_between_runs_begins_at_its_beginning(kafka):
    """It has no position, and others have."""
    topic = new_topic(kafka)
    with opened(new_reader(kafka, topic, start="latest")) as reader:
        read = read_to_end(reader)
    for future in admin(kafka).create_partitions([NewPartitions(topic, 2)]).values():
        future.result(MOST_S)
    write(kafka, topic, numbered(3, partition=1))
    with opened(new_reader(kafka, topic, start="latest"), read.positions) as reader:
        read_to_end(reader, read, until=lambda read: len(read.rows) == 3)
    assert read.values == {1: [b"0", b"1", b"2"]}


def test_topics_of_a_pattern_are_found_when_they_appear(kafka):
    """A topic that is made while the source is read is part of it."""
    first = new_topic(kafka, prefix="pat")
    with opened(new_reader(kafka, f"^{first}.*")) as reader:
        read = read_to_end(reader)
        make(kafka, f"{first}-b")
        write(kafka, f"{first}-b", numbered(2))
        write(kafka, first, numbered(1, prefix=b"a"))
        read_to_end(reader, read, until=lambda read: len(read.rows) == 3)
    found = sorted((name, value) for name, _, value, *_ in read.rows)
    assert found == [(f"{first}-b/0", b"0"), (f"{first}-b/0", b"1"), (f"{first}/0", b"a0")]


def test_several_topics_with_the_same_partitions_are_told_apart(kafka):
    """A partition is a topic and a number."""
    topics = [new_topic(kafka, 2) for _ in range(3)]
    for topic in topics:
        write(kafka, topic, [(p, f"{topic}/{p}".encode()) for p in (0, 1) for _ in range(200)])
    with opened(new_reader(kafka, topics)) as reader:
        read = read_to_end(reader)
    assert len(read.rows) == 1200
    assert all(name.encode() == value for name, _, value, *_ in read.rows)


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("earliest", {0: [b"0", b"1", b"2"], 1: [b"0", b"1", b"2"]}),
        ("latest", {}),
        ("1970-01-01T00:00:02Z", {0: [b"2"], 1: [b"2"]}),
        ("1970-01-01T00:00:09Z", {}),
        ({"1": 1}, {0: [b"0", b"1", b"2"], 1: [b"1", b"2"]}),
        ({"0": 3, "1": 2}, {1: [b"2"]}),
    ],
)
def test_start(kafka, start, wanted):
    """Where a run begins that was never committed."""
    topic = new_topic(kafka, 2)
    times = (1, 1001, 2001)
    write(kafka, topic, [(p, (b"%d" % i, None, [], times[i])) for p in (0, 1) for i in range(3)])
    with opened(new_reader(kafka, topic, start=start)) as reader:
        read = read_to_end(reader)
    assert read.values == wanted
    assert read.offsets == {0: 3, 1: 3}


def test_a_start_that_is_not_there_is_refused(kafka):
    """An offset that is not there would be another one silently."""
    topic = new_topic(kafka)
    with pytest.raises(SettingsError) as refused, opened(new_reader(kafka, topic, start={"7": 0})):
        pass
    assert refused.value.finding.code == "PartitionMissing"
    with pytest.raises(OutsideError) as refused, opened(new_reader(kafka, topic, start={"0": 9})):
        pass
    assert refused.value.finding.code == "OffsetMissing"


def test_until_reads_exactly_so_far(kafka):
    """Also where the place falls into a gap, or nothing is to be read of a partition."""
    topic = new_topic(kafka, 3)
    write(kafka, topic, numbered(10) + numbered(10, partition=1) + numbered(4, partition=2))
    with transaction(kafka, is_committed=False) as producer:
        for _ in range(5):
            producer.produce(topic, b"never", partition=1)
    until = {f"{topic}/0": {"offset": 7}, f"{topic}/1": {"offset": 12}, f"{topic}/2": 0}
    write(kafka, topic, numbered(5, partition=1, prefix=b"later"))
    with opened(new_reader(kafka, topic), until=until) as reader:
        read = read_to_end(reader)
        again = reader.read(10, 0.1)
        assert again.is_end
        assert again.rows == 0
    assert read.values == {0: [b"%d" % i for i in range(7)], 1: [b"%d" % i for i in range(10)]}
    assert read.offsets == {0: 7, 1: 12, 2: 0}


def test_the_ends_of_now_are_what_until_takes(kafka):
    """A bounded run stops at what was there when it began."""
    topic = new_topic(kafka)
    write(kafka, topic, numbered(5))
    with opened(new_reader(kafka, topic)) as reader:
        ends = reader.ends()
    write(kafka, topic, numbered(5))
    with opened(new_reader(kafka, topic), until=ends) as reader:
        assert len(read_to_end(reader).rows) == 5


def test_silence_is_what_the_broker_confirms(kafka):
    """It grows where nothing comes, and begins anew with a record."""
    topic = new_topic(kafka, 2)
    with opened(new_reader(kafka, topic)) as reader:
        read = read_to_end(reader, until=lambda read: min(reader.silences().values()) > 0.2)
        write(kafka, topic, numbered(1))
        read_to_end(reader, read, until=lambda read: read.rows)
        silences = reader.silences()
        assert silences[f"{topic}/0"] < silences[f"{topic}/1"]


def test_records_that_the_broker_dropped_unread_are_an_error(kafka):
    """Only those that were not read yet; the message has the numbers."""
    topic = new_topic(kafka)
    write(kafka, topic, numbered(10))
    with opened(new_reader(kafka, topic)) as reader:
        read = Read()
        while not read.rows:
            found = reader.read(3, 5.0)
            if found is not None:
                read.take(found)
    before = [TopicPartition(topic, 0, 3), TopicPartition(topic, 0, 7)]
    drop(kafka, before[0])
    with opened(new_reader(kafka, topic), read.positions) as reader:
        assert len(read_to_end(reader).rows) == 7
    drop(kafka, before[1])
    with pytest.raises(OutsideError) as gone, opened(new_reader(kafka, topic), read.positions):
        pass
    assert gone.value.finding.code == "RecordsGone"
    assert gone.value.attributes == {"partition": f"{topic}/0", "offset": 3, "oldest": 7}


def drop(kafka, before):
    """Have the broker drop records."""
    for future in admin(kafka).delete_records([before]).values():
        future.result(MOST_S)


def test_a_topic_that_was_made_again_is_another_one(kafka):
    """Also when it has more records than were read of the old one."""
    topic = new_topic(kafka)
    write(kafka, topic, numbered(3))
    with opened(new_reader(kafka, topic)) as reader:
        read = read_to_end(reader)
    delete(kafka, topic)
    with pytest.raises(OutsideError) as refused:
        open_until_refused(kafka, topic, read.positions)
    assert refused.value.finding.code == "TopicGone"
    remake(kafka, topic)
    write(kafka, topic, numbered(9))
    with pytest.raises(OutsideError) as refused, opened(new_reader(kafka, topic), read.positions):
        pass
    assert refused.value.finding.code == "TopicRecreated"
    assert topic in refused.value.finding.what


def open_until_refused(kafka, topic, positions):
    """Open again and again: a broker may know a deleted topic for a moment."""
    for _ in range(100):
        with opened(new_reader(kafka, topic), positions):
            pass


def remake(kafka, topic):
    """Make a topic whose name may still be taken for a moment."""
    for attempt in range(100):
        try:
            return make(kafka, topic)
        except KafkaException:
            assert attempt < 99
    return None


def test_a_topic_that_is_deleted_while_it_is_read_ends_the_run(kafka):
    """It never just falls silent."""
    topic = new_topic(kafka)
    with opened(new_reader(kafka, topic)) as reader:
        read_to_end(reader)
        delete(kafka, topic)
        with pytest.raises(OutsideError) as gone:
            read_to_end(reader, until=lambda read: False)
    assert gone.value.finding.code == "TopicGone"


def test_a_topic_that_is_not_there_is_named(kafka):
    """It is not made by asking for it."""
    with pytest.raises(OutsideError) as missing, opened(new_reader(kafka, "no-such-topic")):
        pass
    assert missing.value.finding.code == "TopicMissing"
    assert "no-such-topic" in missing.value.finding.what


def test_close_may_be_called_twice_and_before_open(kafka):
    """A run that fails early closes what it has."""
    reader = new_reader(kafka, new_topic(kafka))
    reader.close()
    reader = new_reader(kafka, new_topic(kafka))
    reader.open({})
    reader.close()
    reader.close()


def test_a_group_shows_where_the_pipeline_is(kafka):
    """For tools of Kafka: the offset of the next record, though no group is joined."""
    topic = new_topic(kafka, 2)
    write(kafka, topic, numbered(5))
    group = f"shown-{topic}"
    with opened(new_reader(kafka, topic, group=group)) as reader:
        read = read_to_end(reader)
        reader.committed({})
        reader.committed(read.positions)
    consumer = Consumer({**kafka.client, "group.id": group})
    wanted = [TopicPartition(topic, partition) for partition in (0, 1)]
    for _ in range(100):
        shown = [at.offset for at in consumer.committed(wanted, timeout=MOST_S)]
        if shown == [5, 0]:
            break
        sleep(0.1)
    consumer.close()
    assert shown == [5, 0]
