"""Apache Kafka: how brokers are started, and when they do their work."""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mainstem.dev.certificates import Authority, Key
from mainstem.dev.ports import HOST
from mainstem.dev.servers.kafka import wire
from mainstem.dev.servers.kafka.properties import PROTOCOLS, NodePorts, Secrets, client, properties
from mainstem.dev.spec import Ask, Layout, Node, ServerSpec, formatted, needed
from mainstem.errors import SettingsError
from mainstem.settings.java import Java

_HERE = Path(__file__).parent
# One compiler and one collector thread: starting is most of what a broker on a laptop computes, and
# three of them share its cores.
_JVM = (
    "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true",
    f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}",
)  # fmt: skip
_FEATURES = "__cluster_metadata-0"


class KafkaSpec(ServerSpec):
    """Brokers that are controllers too, one or three."""

    name = "kafka"
    does = "Apache Kafka"
    least_java = 17
    has_class_archive = True
    is_killed_when_thrown_away = True
    node_counts = (1, 3)
    securities = tuple(PROTOCOLS)
    usual_port = 9092

    def prepare(self, folder: Path, java: Java | None) -> None:
        """Keep the feature levels of a formatted broker, to begin each broker with."""
        with tempfile.TemporaryDirectory() as scratch:
            log = Path(scratch, "log")
            text = properties(1, [NodePorts(1, 2, 1)], security="", secrets=Secrets(), log=log,
                              settings={})  # fmt: skip
            Path(scratch, "server.properties").write_text(text, "utf-8")
            command = [*_java(java, folder), "kafka.tools.StorageTool", "format",
                       "-t", _new_id(), "-c", f"{scratch}/server.properties"]  # fmt: skip
            formatted("Kafka", command)
            shutil.copytree(log / _FEATURES, folder / _FEATURES)

    def n_ports(self, ask: Ask) -> int:
        """Give one for the quorum, and one without security where clients need it."""
        return 2 if ask.security else 1

    def lay_out(
        self, ask: Ask, data: Path, ports: Sequence[Sequence[int]], *, cache: Path,
        java: Java | None,
    ) -> Layout:  # fmt: skip
        """Write settings, features and identity of each broker."""
        _check_data(data, ask.nodes)
        listening = [NodePorts(own[0], own[1], own[2] if ask.security else own[0]) for own in ports]
        keys = _secrets(ask.security, data)
        cluster = _kept(data / "cluster.id", _new_id())
        nodes = []
        for number in range(1, ask.nodes + 1):
            folder = data / str(number)
            _format(folder / "log", number, cluster, cache)
            text = properties(number, listening, security=ask.security, secrets=keys,
                              log=folder / "log", settings=ask.settings)  # fmt: skip
            _write_private(folder / "server.properties", text)
            argv = (*_java(java, cache), "kafka.Kafka", str(folder / "server.properties"))
            nodes.append(Node(str(number), argv, str(folder), listening[number - 1].to_dict()))
        address = ",".join(f"{HOST}:{own.client}" for own in listening)
        return Layout(tuple(nodes), address, client(address, security=ask.security, secrets=keys))

    def not_ready(self, layout: Layout, alive: Sequence[str], asked: Sequence[str]) -> str:
        """Ask each broker for those that it knows to take part."""
        ports = {node.name: node.ports["inside"] for node in layout.nodes}
        for name in asked:
            try:
                known = {str(broker.node_id) for broker in wire.brokers(ports[name])}
            except wire.NoAnswer as reason:
                return f"broker {name} does not answer: {reason}"
            if missing := sorted(set(alive) - known):
                return f"broker {name} does not know broker {', '.join(missing)}"
        return ""


def _java(java: Java | None, cache: Path) -> list[str]:
    return [*needed(java).command, *_JVM, "-cp", str(cache / "jars" / "*")]


def _check_data(data: Path, n_nodes: int) -> None:
    """Refuse the data of a cluster of another size: its topics have replicas that are not there."""
    n_before = len(list(data.glob("[0-9]*/log/meta.properties")))
    if n_before not in (0, n_nodes):
        raise SettingsError(
            f"{data} holds the data of {n_before} brokers, not of {n_nodes}",
            code="Usage", fix=f"give --nodes {n_before}, or another folder",
        )  # fmt: skip


def _new_id() -> str:
    """Give 16 random bytes in the form that Kafka has for ids."""
    # An id that begins with a dash would be read as an option.
    return "m" + base64.urlsafe_b64encode(secrets.token_bytes(16)).decode("ascii")[1:22]


def _kept(file: Path, value: str) -> str:
    """Give what an earlier start has written, else write `value`."""
    if file.exists():
        return file.read_text("utf-8").strip()
    file.write_text(f"{value}\n", "utf-8")
    return value


def _write_private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, "utf-8")


def _format(log: Path, number: int, cluster: str, cache: Path) -> None:
    """Do what the format step does, without its Java: it would be a third of the starting time.

    With `meta.properties` alone a broker starts too, but in the manner of old ones: transactions
    of the first version, no new group protocol. The snapshot beside it sets the feature levels.
    """
    if (log / "meta.properties").exists():
        return
    shutil.rmtree(log, ignore_errors=True)
    shutil.copytree(cache / _FEATURES, log / _FEATURES)
    text = f"version=1\ncluster.id={cluster}\nnode.id={number}\ndirectory.id={_new_id()}\n"
    # Last: a folder that has it counts as formatted.
    (log / "meta.properties").write_text(text, "utf-8")


def _secrets(security: str, data: Path) -> Secrets:
    """Give password, key and certificates; new ones at each start."""
    if not security:
        return Secrets()
    found = Secrets(secrets.token_urlsafe(12), str(data / "server.pem"), str(data / "ca.pem"))
    if "tls" in security:
        authority, key = Authority(Key.new()), Key.new()
        _write_private(Path(found.keystore), key.to_pem() + authority.issue("kafka", key))
        Path(found.truststore).write_text(authority.certificate(), "utf-8")
    return found


SPEC = KafkaSpec()
