"""Partitions of topics that are read from one offset to another by others than who runs the stream."""

import json
import random

import pytest

import mainstem as ms
from mainstem.engines.spec import StreamSettings
from mainstem.errors import DataError
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from tests.servers.kafka_reading import new_topic, transaction, wait_until_settled, write
from tests.unit.embedded_stream.aside import aside

__all__ = ["aside"]


def caught_up(folder, server, topic, epoch_rows):
    """Read everything that is there; give the ledger and the numbers that the table holds."""
    p = ms.Pipeline("p")
    p.source("s", ms.kafka(topic, servers=server.address), schema="n bigint", on_bad="dead_letter")
    p.table("t", "SELECT n FROM s")
    options = RunOptions(folder, stream=StreamSettings("caught_up", None, epoch_rows))
    *_, last = run(p.plan(), options)
    rows = query(folder / ".mainstem/p", "SELECT n FROM t").rows
    return last.facts["ledger"], sorted(n for (n,) in rows)


@pytest.mark.parametrize("seed", range(3))
def test_every_record_is_read_once(kafka, tmp_path, aside, seed):
    """Committed and aborted transactions, bad records, cuts anywhere, a second run behind the first."""
    rng = random.Random(seed)
    topic, wanted, n_bad, first = new_topic(kafka, 3), [], 0, 0
    for _ in range(2):
        for _ in range(6):
            is_committed = rng.random() < 0.6
            with transaction(kafka, is_committed=is_committed) as producer:
                for n in range(first, first + rng.randint(1, 40)):
                    is_bad = rng.random() < 0.1
                    text = b"{" if is_bad else json.dumps({"n": n}).encode()
                    producer.produce(topic, text, partition=rng.randrange(3))
                    if is_committed and is_bad:
                        n_bad += 1
                    elif is_committed:
                        wanted.append(n)
                first += 40
        wait_until_settled(kafka, topic, 3)
        ledger, found = caught_up(tmp_path, kafka, topic, rng.choice([7, 31, 10_000]))

        assert found == wanted
        assert ledger["sources"]["s"]["dead"] + ledger["sources"]["s"]["admitted"] > 0
    assert sum(r.loaded.dead for r in aside.results) == n_bad
    assert sum(r.loaded.rows for r in aside.results) == len(wanted) + n_bad
    # A shard is of one partition, so that as many tasks as there are partitions can read at once.
    assert all(len(r.loaded.latest) == 1 for r in aside.results)


def test_a_source_that_cannot_be_read_there_ends_the_run_here(kafka, tmp_path, aside):
    """What ends a task ends the run in its own words: a bad record where none is allowed."""
    topic = new_topic(kafka)
    write(kafka, topic, [(0, b'{"n": 1}'), (0, b'{"n": "many"}')])
    p = ms.Pipeline("p")
    p.source("s", ms.kafka(topic, servers=kafka.address), schema="n bigint", on_bad="fail")
    p.table("t", "SELECT n FROM s")
    options = RunOptions(tmp_path, stream=StreamSettings("caught_up", None, 100))

    with pytest.raises(DataError, match="many"):
        list(run(p.plan(), options))
