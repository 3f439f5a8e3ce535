"""How librdkafka is set up: connections, fetching, its log, and what its errors mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.connectors.kafka.options import KafkaTopic
from mainstem.engines.embedded.stream import package as stream_package
from mainstem.errors import NOWHERE, OutsideError, Place, SettingsError
from mainstem.settings.log import logger
from mainstem.settings.secret import Secret, masked

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.records.registry import Registry

EXTRA = "kafka"
# Codes of librdkafka (negative) and of the protocol that mean something to us.
PARTITION_EOF = -191
# An offset below the oldest record or above the newest; records that were there are other ones now.
OFFSET_GONE = frozenset({-140, -139, 1})
# The broker says no, and will say no again.
_REFUSED = frozenset({29, 31, 33, 34, 58})
# So does this client itself: no certificate, a wrong password. Also seen while a broker goes down.
_UNTRUSTED = frozenset({-169, -181})
# What says that a topic or partition is not there, for the moment or for ever.
UNKNOWN = frozenset({3, -188, -190})

# What passes, or is found out by asking: brokers that are away, leaders that move, groups that we do
# not join. Whatever else is said of a partition ends the run: records may have been left out.
PASSING = UNKNOWN | _UNTRUSTED | frozenset({
    -195, -187, -193, -185, -180, -196, -194, 5, 6, 7, 8, 9, 13, 14, 15, 16, 30, 56, 74, 75, 76, 78,
})  # fmt: skip

# What decides about speed, measured: with the default of 1000 ms a reader that is slower than the
# network stands still for a second each time its queue is full.
FETCH = {
    "fetch.queue.backoff.ms": "1",
    "queued.min.messages": "200000",
    "queued.max.messages.kbytes": "65536",
    "fetch.message.max.bytes": "4194304",
    # How long a broker keeps a request open. A partition that was just assigned or drained waits
    # for the one that is out, so this is latency, and costs a request each time when nothing comes.
    "fetch.wait.max.ms": "10",
}
# Positions are ours: nothing is stored at the broker, and an offset that is gone is an error.
READING = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "allow.auto.create.topics": "false",
    "max.poll.interval.ms": "86400000",
    **FETCH,
}
# A broker that comes back is seen within a second; the default grows to ten.
CONNECTING = {
    "client.id": "mainstem",
    "reconnect.backoff.ms": "20",
    "reconnect.backoff.max.ms": "1000",
    "socket.keepalive.enable": "true",
    # A broker that is lost is one that is asked no more after so long.
    "topic.metadata.refresh.interval.ms": "5000",
}


def package(where: Place = NOWHERE) -> Any:
    """Give the package that reads and writes this."""
    return stream_package.package("confluent_kafka", what="kafka", extra="kafka", where=where)


def connection(options: KafkaTopic, base: Path) -> dict[str, str]:
    """Give the settings by which a client of librdkafka gets to the brokers; resolves the secrets.

    Parameters
    ----------
    options : KafkaTopic
        Of a source or a sink.
    base : Path
        Folder that relative files of certificates start from.
    """
    found = {**CONNECTING, "bootstrap.servers": options.bootstrap}
    parts = ["sasl"] if options.mechanism else []
    found["security.protocol"] = "_".join([*parts, "ssl" if options.tls else "plaintext"])
    if options.mechanism:
        found["sasl.mechanism"] = options.mechanism
        found["sasl.username"] = _plain(options.username, base)
        found["sasl.password"] = _plain(options.password, base)
    files = {
        "ssl.ca.location": options.tls_ca, "ssl.certificate.location": options.tls_cert,
        "ssl.key.location": options.tls_key,
    }  # fmt: skip
    for name, file in files.items():
        if file is not None:
            found[name] = str(_file(base / file, name))
    if options.tls_key_password is not None:
        found["ssl.key.password"] = _plain(options.tls_key_password, base)
    return found


def registry(options: KafkaTopic, base: Path, where: Place) -> Registry | None:
    """Give the schema registry of a topic, None where it has none; resolves its secrets."""
    if options.schema_registry is None:
        return None
    from mainstem.engines.embedded.stream.records.registry import Registry

    return Registry(
        options.schema_registry, username=_plain(options.registry_username, base),
        password=_plain(options.registry_password, base), where=where,
    )  # fmt: skip


def _plain(value: str | Secret | None, base: Path) -> str:
    return value.resolve(base=base) if isinstance(value, Secret) else value or ""


def _file(path: Path, name: str) -> Path:
    # librdkafka would say which call of OpenSSL failed.
    if not path.is_file():
        raise SettingsError(
            f"the file {str(path)!r} ({name}) is not there", code="OptionFile",
            fix="correct tls_ca, tls_cert or tls_key",
        )  # fmt: skip
    return path


class Log:
    """Takes the lines of librdkafka; secrets are masked before any logger sees them."""

    def __init__(self, source: str) -> None:
        self.log_ = logger("kafka")
        self.source = source

    def log(self, level: int, text: str, *args: Any, **_: Any) -> None:
        """Take a line in the form in which confluent-kafka gives it to a logger."""
        # At our warning: what it says while a broker is away is told by us, once and not each second.
        shown = masked(str(text) % args if args else str(text))
        self.log_.log(min(level, 20), "librdkafka: %s", shown, extra={"source": self.source})


def is_refusal(code: int) -> bool:
    """Say whether a broker has refused for good: rights, or a mechanism that it does not know."""
    return code in _REFUSED


def is_untrusted(code: int) -> bool:
    """Say whether the two ends do not trust one another: passwords and certificates."""
    return code in _UNTRUSTED


def refusal(text: str, where: Place, servers: str) -> OutsideError:
    """Give the error of a broker that has refused."""
    return OutsideError(
        f"Kafka at {servers} refuses: {masked(text)}", where=where, code="KafkaRefused",
        fix="check mechanism, username, password, tls and the rights of the user",
    )  # fmt: skip


def new(make: Any, settings: Mapping[str, Any], where: Place, **more: Any) -> Any:
    """Make a client of confluent-kafka.

    Raises
    ------
    SettingsError
        When librdkafka does not take the settings, such as a certificate that is none.
    """
    from confluent_kafka import KafkaException

    try:
        return make(dict(settings), **more)
    except (KafkaException, ValueError) as error:
        detail = error.args[0] if error.args else error
        text = detail.str() if hasattr(detail, "str") else str(detail)
        raise SettingsError(
            f"Kafka's client does not take the options: {masked(text)}", where=where,
            code="KafkaOptions", fix="correct tls_ca, tls_cert, tls_key or their password",
        ) from None  # fmt: skip
