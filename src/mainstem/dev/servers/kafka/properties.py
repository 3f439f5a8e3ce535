"""What stands in the settings file of a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mainstem.dev.ports import HOST
from mainstem.record import record

PROTOCOLS = {"": "PLAINTEXT", "sasl": "SASL_PLAINTEXT", "tls": "SSL", "sasl_tls": "SASL_SSL"}
USER = "mainstem"
_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")


@record
class NodePorts:
    """Where a broker listens.

    Parameters
    ----------
    client : int
        For clients, with the security that was asked for.
    controller : int
        For the quorum.
    inside : int
        For the other brokers and for us, without security; that of clients when there is none.
    """

    client: int
    controller: int
    inside: int

    def to_dict(self) -> dict[str, int]:
        """Give them by name."""
        return {"client": self.client, "controller": self.controller, "inside": self.inside}


@record
class Secrets:
    """What a client needs to be let in; empty where nothing is asked.

    Parameters
    ----------
    password : str
        Password of the user `USER`.
    keystore, truststore : str
        Files with the key and certificate of the server, and with that of the authority.
    """

    password: str = ""
    keystore: str = ""
    truststore: str = ""


def properties(
    number: int, ports: Sequence[NodePorts], *, security: str, secrets: Secrets, log: Path,
    settings: Mapping[str, str],
) -> str:  # fmt: skip
    """Give the settings file of broker `number`, counted from 1."""
    found = {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "log.dirs": str(log),
        **_listeners(number, ports, security),
        **_replicas(len(ports)),
        **_QUICK,
        **(_sasl(secrets) if "sasl" in security else {}),
        **(_tls(secrets) if "tls" in security else {}),
        **settings,
    }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in found.items())


def _escaped(value: str) -> str:
    """Give a value as the format of Java wants it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _listeners(number: int, ports: Sequence[NodePorts], security: str) -> dict[str, str]:
    own = ports[number - 1]
    open_to_clients = f"CLIENT://{HOST}:{own.client}"
    names = [open_to_clients, *([f"INSIDE://{HOST}:{own.inside}"] if security else [])]
    voters = [f"{at}@{HOST}:{other.controller}" for at, other in enumerate(ports, 1)]
    return {
        "controller.quorum.voters": ",".join(voters),
        "listeners": ",".join([*names, f"CONTROLLER://{HOST}:{own.controller}"]),
        "advertised.listeners": ",".join(names),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INSIDE" if security else "CLIENT",
        "listener.security.protocol.map":
            f"CLIENT:{PROTOCOLS[security]},INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }  # fmt: skip


def _replicas(n_nodes: int) -> dict[str, str]:
    # With three brokers everything survives the loss of one, and is lost to nobody who asks for all.
    least = str(max(1, n_nodes - 1))
    return {
        "default.replication.factor": str(n_nodes),
        "min.insync.replicas": least,
        "offsets.topic.replication.factor": str(n_nodes),
        "transaction.state.log.replication.factor": str(n_nodes),
        "transaction.state.log.min.isr": least,
        "share.coordinator.state.topic.replication.factor": str(n_nodes),
        "share.coordinator.state.topic.min.isr": least,
    }


# Nothing here takes from a client what it may rely on: waiting time, memory, and records that stay.
_QUICK = {
    "group.initial.rebalance.delay.ms": "0",
    # Records of past years, as tests and replays write them, would be deleted after five minutes.
    "log.retention.ms": "-1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    # A transaction that timed out is aborted within a second of it, in place of ten.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # 128 MB of the heap when not given.
    "log.cleaner.dedupe.buffer.size": "4194304",
    # A broker that was killed is noticed after 3 s in place of 9: its next start has to wait for that, as
    # a broker of its number is still known.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


def _sasl(secrets: Secrets) -> dict[str, str]:
    name = "listener.name.client"
    login = "org.apache.kafka.common.security"
    return {
        f"{name}.sasl.enabled.mechanisms": ",".join(("PLAIN", *_SCRAM)),
        f"{name}.plain.sasl.jaas.config":
            f'{login}.plain.PlainLoginModule required user_{USER}="{secrets.password}";',
        # Users of these are kept by the brokers; there are none before somebody makes them.
        **{f"{name}.{kind.lower()}.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;"
           for kind in _SCRAM},
    }  # fmt: skip


def _tls(secrets: Secrets) -> dict[str, str]:
    name = "listener.name.client"
    return {
        f"{name}.ssl.keystore.type": "PEM",
        f"{name}.ssl.keystore.location": secrets.keystore,
        f"{name}.ssl.truststore.type": "PEM",
        f"{name}.ssl.truststore.location": secrets.truststore,
    }


def client(address: str, *, security: str, secrets: Secrets) -> dict[str, str]:
    """Give the settings with which librdkafka, and so confluent-kafka, connects."""
    found = {"bootstrap.servers": address}
    if security:
        found["security.protocol"] = PROTOCOLS[security]
    if "sasl" in security:
        found |= {"sasl.mechanism": "PLAIN", "sasl.username": USER,
                  "sasl.password": secrets.password}  # fmt: skip
    if "tls" in security:
        found["ssl.ca.location"] = secrets.truststore
    return found
