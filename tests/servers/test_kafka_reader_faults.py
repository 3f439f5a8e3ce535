"""The Kafka reader and brokers that go away, come back, or do not let everybody in."""

import logging
import random
from contextlib import ExitStack
from threading import Timer

import pytest

from mainstem.dev import server
from mainstem.errors import OutsideError, SettingsError, Stopped
from mainstem.settings.secret import Secret
from tests.servers.kafka_reading import (
    PATHS,
    Read,
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

PASSWORD = "wrong-Pa55word-of-nobody"


@pytest.fixture(params=PATHS)
def path(request, monkeypatch):
    """How records are taken."""
    use(request.param, monkeypatch)
    return request.param


@pytest.fixture(scope="module")
def own():
    """A broker that may be hurt; every test leaves it running."""
    with server("kafka", nodes=1) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def guarded():
    """A broker that asks for a password over an encrypted line."""
    with server("kafka", nodes=1, security="sasl_tls") as kafka:
        yield kafka


def test_while_the_broker_is_away_nothing_is_silent_and_then_reading_goes_on(own, path, caplog):
    """Away is not silent: an idle partition would let the watermark pass what is to come."""
    topic = new_topic(own)
    write(own, topic, numbered(3))
    with opened(new_reader(own, topic)) as reader:
        read = read_to_end(reader)
        own.nodes[0].kill()
        with caplog.at_level(logging.WARNING, "mainstem.kafka"):
            while not caplog.records:
                reader.read(10, 0.1)
            silent = reader.silences()
            for _ in range(15):
                reader.read(10, 0.1)
            assert reader.silences() == silent
            assert reader.lag() == {f"{topic}/0": 0}
            own.nodes[0].start()
            write(own, topic, numbered(3, prefix=b"b"))
            read_to_end(reader, read, until=lambda read: len(read.rows) == 6)
            while len(caplog.records) < 2:
                reader.read(10, 0.1)
    assert read.values == {0: [b"0", b"1", b"2", b"b0", b"b1", b"b2"]}
    away, again = [record.getMessage() for record in caplog.records]
    assert "does not answer" in away
    assert "answers again" in again


def test_a_broker_that_does_not_come_ends_the_run(own, path):
    """After the time-out, by its address."""
    reader = new_reader(own, "any", servers="127.0.0.1:1", timeout="1 second")
    with pytest.raises(OutsideError) as away:
        reader.open({})
    reader.close()
    assert away.value.finding.code == "KafkaAway"
    assert "127.0.0.1:1" in away.value.finding.what


def test_a_broker_that_stays_away_ends_the_run(own, path):
    """Also in the middle of reading."""
    with opened(new_reader(own, new_topic(own), timeout="2 seconds")) as reader:
        read_to_end(reader)
        own.nodes[0].kill()
        try:
            with pytest.raises(OutsideError) as away:
                read_to_end(reader, until=lambda read: False)
        finally:
            own.nodes[0].start()
    assert away.value.finding.code == "KafkaAway"


def test_one_of_three_brokers_is_lost(monkeypatch):
    """Its partitions get other leaders, and no record is lost or read twice."""
    records = [record for p in range(3) for record in numbered(20, p)]
    more = [record for p in range(3) for record in numbered(20, p, prefix=b"b")]
    with server("kafka", nodes=3) as cluster, ExitStack() as open_:
        topic = new_topic(cluster, 3, replicas=3)
        write(cluster, topic, records)
        readers = []
        for path in PATHS:
            use(path, monkeypatch)
            readers.append(open_.enter_context(opened(new_reader(cluster, topic))))
        reads = [read_to_end(reader) for reader in readers]
        cluster.nodes[-1].kill()
        write(cluster, topic, more, acks="all")
        for reader, read in zip(readers, reads, strict=True):
            read_to_end(reader, read, until=lambda read: len(read.rows) >= len(records + more))
    wanted = [b"%d" % i for i in range(20)] + [b"b%d" % i for i in range(20)]
    assert [read.values for read in reads] == [dict.fromkeys(range(3), wanted)] * len(PATHS)


def test_waiting_for_a_broker_can_be_stopped(own, path):
    """Ctrl-C does not wait for the time-out."""
    reader = new_reader(own, "t", servers="127.0.0.1:1", timeout="10 minutes")
    timer = Timer(0.5, reader.stop)
    timer.start()
    with pytest.raises(Stopped):
        reader.open({})
    timer.join()
    reader.close()


def secure(kafka, monkeypatch, **more):
    """Give the options by which a source gets in."""
    client = kafka.client
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", client["sasl.password"])
    return {
        "mechanism": client["sasl.mechanism"], "username": client["sasl.username"],
        "password": Secret(env="TEST_KAFKA_PASSWORD"), "tls": True,
        "tls_ca": client["ssl.ca.location"], **more,
    }  # fmt: skip


def test_a_password_over_an_encrypted_line(guarded, path, monkeypatch):
    """SASL over TLS, at a broker that demands them."""
    topic = new_topic(guarded)
    write(guarded, topic, numbered(5))
    with opened(new_reader(guarded, topic, **secure(guarded, monkeypatch))) as reader:
        assert len(read_to_end(reader).rows) == 5


def test_a_wrong_password_is_refused_and_shown_nowhere(guarded, path, monkeypatch, caplog, capfd):
    """Not in the error, not in a log, not on stderr."""
    options = secure(guarded, monkeypatch)
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", PASSWORD)
    with caplog.at_level(logging.DEBUG), pytest.raises(OutsideError) as refused:
        new_reader(guarded, "any", **options).open({})
    assert refused.value.finding.code == "KafkaRefused"
    shown = [refused.value, caplog.text, *capfd.readouterr()]
    assert not any(PASSWORD in str(text) for text in shown)


def test_a_certificate_that_nobody_vouches_for_is_refused(guarded, path, monkeypatch):
    """Certificates are always checked."""
    options = secure(guarded, monkeypatch, tls_ca=None)
    with pytest.raises(OutsideError) as refused:
        new_reader(guarded, "any", **options).open({})
    assert refused.value.finding.code == "KafkaRefused"


def test_a_file_of_certificates_that_is_none_is_named(guarded, path, monkeypatch, tmp_path):
    """Before anybody is asked."""
    options = secure(guarded, monkeypatch, tls_ca=str(tmp_path / "none.pem"))
    with pytest.raises(SettingsError) as refused:
        new_reader(guarded, "any", **options).open({})
    assert refused.value.finding.code == "OptionFile"
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(SettingsError) as refused:
        new_reader(guarded, "any", **options).open({})
    assert refused.value.finding.code == "KafkaOptions"


def random_traffic(kafka, topic, chance):
    """Write runs of records to partitions, some of them in transactions that are aborted."""
    for _ in range(12):
        partition, kind = chance.randrange(3), chance.randrange(3)
        records = [
            (partition, (
                chance.choice([None, b"", chance.randbytes(chance.randrange(300))]),
                chance.choice([None, b"", b"key"]),
                [("h", chance.choice([None, b"x"]))] * chance.randrange(3),
                chance.randrange(1, 1_700_000_000_000),
            ))
            for _ in range(chance.randrange(1, 120))
        ]  # fmt: skip
        if kind == 0:
            write(kafka, topic, records)
            continue
        with transaction(kafka, is_committed=kind == 1) as producer:
            for at, (value, key, headers, time) in records:
                producer.produce(topic, value, key, partition=at, headers=headers, timestamp=time)


def test_both_ways_give_the_same(kafka, monkeypatch):
    """Random records, gaps and cuts: equal rows, equal ends."""
    chance = random.Random(11)
    topic = new_topic(kafka, 3)
    random_traffic(kafka, topic, chance)
    wait_until_settled(kafka, topic, 3)
    found = []
    for path in (*PATHS, "python"):
        use(path, monkeypatch)
        read = Read()
        with opened(new_reader(kafka, topic)) as reader:
            read_to_end(reader, read, most=chance.randrange(20, 300))
        found.append((sorted(read.rows, key=lambda row: row[:2]), read.positions))
    assert len(found[0][0]) > 100
    assert all(one == found[0] for one in found)
