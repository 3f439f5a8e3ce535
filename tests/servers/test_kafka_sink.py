"""A stream into a topic: rows, positions and token in one transaction, against a real broker."""

import json

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from mainstem.engines.embedded.stream.sinks import kafka as sink_module
from mainstem.errors import OutsideError, StateError
from mainstem.storage.local import points
from tests.servers.kafka_reading import MOST_S, QUIET, wait_until_settled
from tests.servers.kafka_writing import (
    N_EPOCHS,
    feed,
    killed,
    name,
    records,
    rows_of,
    sink_of,
)
from tests.unit.stream_sinks.epochs import write

EVERY = [json.dumps(dict(zip(("id", "k"), row, strict=True)), separators=(",", ":")).encode()
         for epoch in range(1, N_EPOCHS + 1) for row in rows_of(epoch)]  # fmt: skip


def values(kafka, topic, **more):
    """The values of a topic's records."""
    return [value for _, value in records(kafka, topic, **more)]


def opened(kafka, topic, **more):
    """A sink that is open."""
    sink = sink_of(kafka.address, topic, **more)
    sink.open()
    return sink


def test_epochs_are_written_and_the_token_is_the_last_one(kafka):
    """Also an epoch that is there is not written again, and one without rows moves the token."""
    topic = name()
    first = sink_of(kafka.address, topic)
    assert first.open() is None
    assert write(first, 1, rows_of(1)) == {"rows": 2, "already_there": 0}
    write(first, 3, rows_of(2))
    first.close()

    again = sink_of(kafka.address, topic, run_id="run-2")
    token = again.open()

    assert (token["epoch"], token["positions"]) == (3, {"rows": 3})
    assert write(again, 3, rows_of(2)) == {"rows": 0, "already_there": 2}
    write(again, 4, [])
    again.close()
    assert values(kafka, topic) == EVERY[:4]
    assert sink_of(kafka.address, topic, run_id="run-3").open()["epoch"] == 4


def test_an_updating_table_writes_tombstones(kafka):
    """Folded by key the topic is the table."""
    topic = name()
    sink = opened(kafka, topic, kind="updating", key_of_table=("k",))
    write(sink, 1, [(1, "a", "upsert"), (1, "b", "upsert")], operations=True)
    write(sink, 2, [(1, "b", "delete"), (2, "a", "upsert")], operations=True)

    found = records(kafka, topic)
    assert found == [
        (b"a", b'{"id":1,"k":"a"}'), (b"b", b'{"id":1,"k":"b"}'), (b"b", None),
        (b"a", b'{"id":2,"k":"a"}'),
    ]  # fmt: skip


def test_the_older_of_two_writers_is_shut_out(kafka):
    """And says which run took over, without shutting out that one in turn."""
    topic = name()
    older = opened(kafka, topic)
    write(older, 1, rows_of(1))
    newer = opened(kafka, topic, run_id="run-2")

    with pytest.raises(StateError, match=r"SinkTakenOver.*run-2"):
        write(older, 2, [(9, "z")])
    write(newer, 2, rows_of(2))

    assert values(kafka, topic) == EVERY[:4]


def test_an_open_transaction_of_an_older_writer_is_ended(kafka):
    """It was killed with rows on the broker: they are never seen by who reads committed rows."""
    topic = name()
    killed(kafka.address, topic, f"{points.SINK_PREPARED}:2")
    assert len(values(kafka, topic, isolation="read_uncommitted")) == 4
    sink = opened(kafka, topic, run_id="run-2")

    assert values(kafka, topic) == EVERY[:2]
    write(sink, 2, rows_of(2))
    assert values(kafka, topic) == EVERY[:4]


def test_a_token_of_another_pipeline_is_no_token_of_this_one(kafka):
    """Two pipelines may write one topic: each has its own records, and its own token."""
    topic = name()
    write(opened(kafka, topic), 5, rows_of(1))

    assert sink_of(kafka.address, topic, pipeline="other").open() is None


def test_the_positions_of_kafka_sources_are_shown_to_its_tools(kafka):
    """Under a group of the sink's own, in the transaction of the rows."""
    topic = name()
    sink = opened(kafka, topic)
    sink._sources = ("rows",)
    sink.close()
    sink.open()
    from contextlib import closing

    import duckdb

    from mainstem.engines.embedded.stream.spec import Batch

    token = {"epoch": 1, "positions": {"rows": {f"{topic}/0": {"offset": 7, "topic_id": ""}}}}
    select = sink.wire("SELECT 1::BIGINT AS id, 'a' AS k")
    with closing(duckdb.connect()) as engine:
        sink.write(engine.cursor(), Batch(1, select, 1, token))

    group = Consumer({**kafka.client, **QUIET, "group.id": "mainstem.shop.out"})
    (found,) = group.committed([TopicPartition(topic, 0)], MOST_S)
    group.close()
    assert found.offset == 7


def test_a_topic_that_is_not_there_is_refused(kafka):
    """Without `partitions` nobody says how it should be made."""
    with pytest.raises(OutsideError, match="TopicNotFound"):
        sink_of(kafka.address, name(), partitions=None).open()


def test_a_record_that_is_too_large_is_told_and_leaves_nothing(kafka):
    """The transaction is aborted, and the next epoch is written all the same."""
    topic = name()
    sink = opened(kafka, topic)
    with pytest.raises(OutsideError, match="KafkaSink"):
        write(sink, 1, [(1, "x" * 2_000_000)])
    write(sink, 2, rows_of(1))
    assert values(kafka, topic) == EVERY[:2]


class Deaf:
    """A producer whose commit is done, or not, and in both cases says that time was up."""

    def __init__(self, real, *, is_done):
        self.real, self.is_done = real, is_done

    def __getattr__(self, word):
        return getattr(self.real, word)

    def commit_transaction(self, *words):
        """Commit or not, and do not say which."""
        from confluent_kafka import KafkaError, KafkaException

        if self.is_done:
            self.real.commit_transaction(*words)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "nobody knows", retriable=True))


@pytest.mark.parametrize("is_done", [True, False])
def test_after_a_time_out_the_token_says_whether_the_epoch_is_there(kafka, is_done):
    """A commit that timed out may have been done: to send the rows again would double them."""
    topic = name()
    sink = opened(kafka, topic)
    write(sink, 1, rows_of(1))
    deaf = Deaf(sink._producer, is_done=is_done)
    sink._producer = deaf

    write(sink, 2, rows_of(2))
    assert sink._producer is not deaf
    write(sink, 3, rows_of(3))

    assert values(kafka, topic) == EVERY[:6]


def test_the_token_is_found_among_many(kafka):
    """Behind those of other sinks, farther back than is looked at first."""
    topic = name()
    write(opened(kafka, topic), 6, rows_of(1))
    producer = Producer({**kafka.client, **QUIET})
    for n in range(200):
        producer.produce(f"{topic}.tokens", b"{}", f"other{n}", partition=0)
    assert producer.flush(MOST_S) == 0

    assert sink_of(kafka.address, topic).open()["epoch"] == 6


def test_a_transaction_of_another_sink_at_the_end_of_the_topic_is_waited_for(kafka, monkeypatch):
    """Our token may stand behind it; to take an older one would double an epoch."""
    topic = name()
    write(opened(kafka, topic), 1, rows_of(1))
    other = Producer({**kafka.client, **QUIET, "transactional.id": name()})
    other.init_transactions(MOST_S)
    other.begin_transaction()
    other.produce(f"{topic}.tokens", b"{}", b"other", partition=0)
    assert other.flush(MOST_S) == 0
    # Not shorter: a broker that other tests keep busy takes seconds for a question.
    monkeypatch.setattr(sink_module, "PATIENCE_S", 6.0)

    with pytest.raises(OutsideError, match="KafkaTokens"):
        sink_of(kafka.address, topic, run_id="run-2").open()
    other.abort_transaction(MOST_S)
    monkeypatch.undo()
    assert sink_of(kafka.address, topic, run_id="run-2").open()["epoch"] == 1


@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize("point", [points.SINK_SENT, points.SINK_PREPARED, points.SINK_DECIDED])
def test_kill_loses_and_doubles_no_row(kafka, point, nth):
    """Kill -9 at every named point: each epoch is there once."""
    topic = name()
    killed(kafka.address, topic, f"{point}:{nth}")
    done = nth if point == points.SINK_DECIDED else nth - 1

    facts = feed(kafka.address, topic, "run-next")

    assert values(kafka, topic) == EVERY
    assert [f["already_there"] for f in facts] == [2] * done + [0] * (N_EPOCHS - done)


def test_a_broker_that_is_killed_and_comes_back_costs_no_row():
    """It is away when an epoch is to be committed; the sink waits for it."""
    import threading
    import time

    from mainstem.dev import server

    with server("kafka", nodes=1) as own:
        topic = name()
        sink = opened(own, topic)
        write(sink, 1, rows_of(1))
        # See the test of `mainstem dev up`: a marker that is missing now is missing for ever.
        wait_until_settled(own, topic)
        wait_until_settled(own, f"{topic}.tokens")
        own.nodes[0].kill()
        starter = threading.Thread(target=lambda: (time.sleep(1), own.nodes[0].start()))
        starter.start()
        write(sink, 2, rows_of(2))
        starter.join()
        write(sink, 3, rows_of(3))
        write(sink, 4, rows_of(4))

        assert values(own, topic) == EVERY
        sink.close()
        assert sink_of(own.address, topic, run_id="run-2").open()["epoch"] == 4
