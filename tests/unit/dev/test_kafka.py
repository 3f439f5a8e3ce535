"""Kafka: what is written for a broker, and what is understood of its answers."""

import socket
import struct
import threading

import pytest

from mainstem.dev.servers import load
from mainstem.dev.servers.kafka import wire
from mainstem.dev.servers.kafka.properties import NodePorts, Secrets, client, properties
from mainstem.dev.spec import Ask
from mainstem.errors import SettingsError

THREE = [NodePorts(9092, 1, 9092), NodePorts(9093, 2, 9093), NodePorts(9094, 3, 9094)]


def read(text: str) -> dict[str, str]:
    """A settings file by name."""
    return dict(line.split("=", 1) for line in text.splitlines())


def test_a_broker_of_three(tmp_path):
    """It knows the others, and keeps what two of three have."""
    found = read(properties(2, THREE, security="", secrets=Secrets(), log=tmp_path, settings={}))

    assert found["node.id"] == "2"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:1,2@127.0.0.1:2,3@127.0.0.1:3"
    assert found["listeners"] == "CLIENT://127.0.0.1:9093,CONTROLLER://127.0.0.1:2"
    assert found["advertised.listeners"] == "CLIENT://127.0.0.1:9093"
    for name in ("default", "offsets.topic", "transaction.state.log"):
        assert found[f"{name}.replication.factor"] == "3"
    assert found["min.insync.replicas"] == found["transaction.state.log.min.isr"] == "2"


def test_settings_of_the_user_win(tmp_path):
    """Also over ours; a backslash and a new line do not break the file."""
    settings = {"node.id": "7", "x": "a\\b\nc"}
    text = properties(1, THREE, security="", secrets=Secrets(), log=tmp_path, settings=settings)

    assert read(text)["node.id"] == "7"
    assert read(text)["x"] == "a\\\\b\\nc"


@pytest.mark.parametrize(
    ("security", "protocol", "names"),
    [
        ("sasl", "SASL_PLAINTEXT", {"sasl.mechanism", "sasl.username", "sasl.password"}),
        ("tls", "SSL", {"ssl.ca.location"}),
        ("sasl_tls", "SASL_SSL",
         {"sasl.mechanism", "sasl.username", "sasl.password", "ssl.ca.location"}),
    ],
)  # fmt: skip
def test_security_is_asked_of_clients_only(tmp_path, security, protocol, names):
    """Brokers talk among themselves on a port of their own."""
    keys = Secrets("word", "server.pem", "ca.pem")
    ports = [NodePorts(9092, 1, 5)]
    found = read(properties(1, ports, security=security, secrets=keys, log=tmp_path, settings={}))

    assert found["advertised.listeners"] == "CLIENT://127.0.0.1:9092,INSIDE://127.0.0.1:5"
    assert found["inter.broker.listener.name"] == "INSIDE"
    assert f"CLIENT:{protocol}," in found["listener.security.protocol.map"]
    told = client("a:1", security=security, secrets=keys)
    assert told.keys() == names | {"bootstrap.servers", "security.protocol"}
    assert told["security.protocol"] == protocol
    assert client("a:1", security="", secrets=keys) == {"bootstrap.servers": "a:1"}


def test_data_of_a_cluster_of_another_size_are_refused(tmp_path):
    """Topics have replicas on brokers that would not be there."""
    for number in (1, 2, 3):
        (tmp_path / str(number) / "log").mkdir(parents=True)
        (tmp_path / str(number) / "log" / "meta.properties").touch()

    with pytest.raises(SettingsError, match="holds the data of 3 brokers, not of 1"):
        load("kafka").lay_out(Ask(nodes=1), tmp_path, [[1, 2]], cache=tmp_path, java=None)


VERSIONS = struct.pack(">ihi", 18, 0, 0)
# Two brokers, one with a rack, then the controller and no topics.
METADATA = (
    struct.pack(">ii", 3, 2)
    + struct.pack(">ih", 1, 4) + b"here" + struct.pack(">ih", 9092, -1)
    + struct.pack(">ih", 2, 5) + b"there" + struct.pack(">ih", 9093, 1) + b"r"
    + struct.pack(">ii", 1, 0)
)  # fmt: skip


@pytest.fixture
def answering():
    """Listen, and answer each request with the next of some bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        threads = []

        def begin(*answers: bytes) -> int:
            def answer() -> None:
                connection, _ = server.accept()
                with connection:
                    for data in answers:
                        connection.recv(1000)
                        connection.sendall(data)

            threads.append(threading.Thread(target=answer))
            threads[-1].start()
            return port

        yield begin
        for thread in threads:
            thread.join()


def framed(answer: bytes) -> bytes:
    """An answer with its length."""
    return struct.pack(">i", len(answer)) + answer


def test_brokers_are_read_from_an_answer(answering):
    """With and without a rack."""
    port = answering(framed(VERSIONS), framed(METADATA))

    assert wire.brokers(port) == [wire.Broker(1, "here", 9092), wire.Broker(2, "there", 9093)]


@pytest.mark.parametrize(
    "answers",
    [
        (),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
        (framed(b"\x00" * 40),),
        (framed(struct.pack(">ihi", 18, 35, 0)),),
        (framed(VERSIONS), framed(METADATA[:20])),
        (framed(VERSIONS), framed(METADATA)[:20]),
    ],
    ids=["hangs up", "http", "another question", "refuses", "too short", "cut"],
)
def test_what_is_no_answer_is_no_broker(answering, answers):
    """Whoever listens there: an open port is not enough."""
    with pytest.raises(wire.NoAnswer):
        wire.brokers(answering(*answers))


def test_nobody_there(answering):
    """A reason, not an error."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(wire.NoAnswer, match="refused"):
        wire.brokers(port)
