"""Options of Kafka topics, as sources and as sinks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from mainstem.connectors.kafka.metadata import Metadata, wrong_metadata
from mainstem.connectors.spec import Pairs, Problem, column_missing
from mainstem.errors import MainstemError
from mainstem.plan.duration import parse_duration
from mainstem.plan.types import Schema
from mainstem.record import record
from mainstem.settings.secret import Secret

Format = Literal["json", "csv", "text", "bytes", "avro"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

STARTS = ("earliest", "latest")
# What a record of a sink is made of besides its value; a topic and an offset are not chosen by a row.
SINK_WORDS = ("key", "headers", "partition", "timestamp")
SOURCE_WORDS = (*SINK_WORDS, "topic", "offset")
# What brokers allow unless they are told otherwise.
LONGEST_TRANSACTION = timedelta(minutes=15)
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


@record
class KafkaTopic:
    """How to get to a topic, and how its records are spelled; the same for sources and sinks.

    Parameters
    ----------
    topic : str
        Its name.
    servers : str or list of str
        ``host:port`` of some brokers of the cluster.
    format : str
        How a record's value is spelled: ``json`` (one object), ``csv`` (one line without a header),
        ``text`` (one column), ``bytes`` (one column) or ``avro`` (with a schema registry).
    metadata : dict
        Columns that are no part of the value: name of the column to ``key``, ``headers``,
        ``partition`` or ``timestamp``; of a source also to ``topic`` or ``offset``.
    delimiter, null
        How CSV is spelled: one character, and the text that means NULL.
    mechanism, username, password
        SASL: ``PLAIN``, ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``; the password is a reference.
    tls : bool
        Whether connections are encrypted; certificates are always checked.
    tls_ca : str, optional
        File with the certificates that brokers are checked by; those of the system when absent.
    tls_cert, tls_key, tls_key_password : optional
        Files of the client's own certificate and key, for brokers that ask for one.
    schema_registry : str, optional
        URL of a Confluent-compatible schema registry.
    registry_username, registry_password : optional
        Its basic authentication.
    """

    topic: str = ""
    servers: str | tuple[str, ...] = ()
    format: Format = "json"
    metadata: Pairs = ()
    delimiter: str = ","
    null: str = ""
    mechanism: Mechanism | None = None
    username: str | Secret | None = None
    password: Secret | None = None
    tls: bool = False
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_key_password: Secret | None = None
    schema_registry: str | None = None
    registry_username: str | Secret | None = None
    registry_password: Secret | None = None

    @property
    def bootstrap(self) -> str:
        """Give the brokers as the client libraries want them."""
        return self.servers if isinstance(self.servers, str) else ",".join(self.servers)

    @property
    def columns(self) -> dict[str, Metadata]:
        """Give the columns that are no part of the value, each with what it is."""
        return dict(self.metadata)

    def problems(self) -> Iterator[Problem]:
        """Give what is wrong with the options together."""
        if not self.servers:
            yield Problem(
                "OptionMissing", "kafka needs the option 'servers'",
                'add servers="host:9092", or [defaults.kafka] with servers to mainstem.toml',
            )  # fmt: skip
        yield from self._format_problems()
        yield from self._security_problems()

    def _format_problems(self) -> Iterator[Problem]:
        if self.format == "avro" and not self.schema_registry:
            yield Problem(
                "OptionMissing", "format 'avro' of kafka needs the option 'schema_registry'",
                'add schema_registry="http://host:8081"', "format",
            )  # fmt: skip
        if len(self.delimiter) != 1:
            yield Problem(
                "OptionType", f"delimiter of kafka is {self.delimiter!r}, not one character",
                'write delimiter=","', "delimiter",
            )  # fmt: skip

    def _security_problems(self) -> Iterator[Problem]:
        pairs = (
            ("username", "mechanism"), ("password", "mechanism"), ("mechanism", "username"),
            ("mechanism", "password"), ("tls_cert", "tls_key"), ("tls_key", "tls_cert"),
            ("tls_key_password", "tls_key"), ("registry_username", "registry_password"),
            ("registry_password", "registry_username"), ("registry_username", "schema_registry"),
        )  # fmt: skip
        for given, needed in pairs:
            if getattr(self, given) is not None and getattr(self, needed) is None:
                yield Problem(
                    "OptionMissing", f"kafka has {given} and no {needed}", f"add {needed}=", given
                )
        for name in ("tls_ca", "tls_cert", "tls_key"):
            if getattr(self, name) is not None and not self.tls:
                yield Problem(
                    "OptionMissing", f"kafka has {name} and its connections are not encrypted",
                    "add tls=True", name,
                )  # fmt: skip


@record
class KafkaSource(KafkaTopic):
    """A topic, some topics, or all whose names match a pattern, that are read.

    The options of `KafkaTopic`, and these.

    Parameters
    ----------
    topic : str or list of str
        Topics by name; a text that begins with ``^`` is a pattern.
    pattern : str, optional
        A regular expression that the whole name of a topic matches, in place of `topic`; topics
        that appear later are read from their beginning.
    start : str or dict
        Where a run begins that has no position yet: ``earliest``, ``latest``, a timestamp (the
        first record of each partition at or after it), or offsets by partition: ``{"0": 123}``,
        with several topics ``{"payments/0": 123}``; partitions that are not named begin at their
        earliest record.
    group : str, optional
        Consumer group under which committed positions are shown to tools of Kafka; a run never
        reads them back, its own state knows.
    timeout : str
        How long no broker may answer before the run ends; until then it waits and tries again.
    """

    topic: str | tuple[str, ...] = ()  # type: ignore[assignment]  # of a sink it is one
    pattern: str | None = None
    start: str | Pairs = "earliest"
    group: str | None = None
    timeout: str = "2 minutes"

    @property
    def bounded(self) -> bool:
        """Say whether a source of it ends: never."""
        return False

    @property
    def topics(self) -> tuple[str, ...]:
        """Give the topics by name; empty when a pattern says which."""
        if self.regex:
            return ()
        return (self.topic,) if isinstance(self.topic, str) else self.topic

    @property
    def regex(self) -> str:
        """Give the pattern without its ``^``; "" for topics by name."""
        text = self.pattern or ""
        if isinstance(self.topic, str) and self.topic.startswith("^"):
            text = self.topic
        return text.removeprefix("^").removesuffix("$")

    @property
    def start_time(self) -> datetime | None:
        """Give the instant to start at, when `start` is one."""
        is_time = isinstance(self.start, str) and self.start not in STARTS
        return instant(str(self.start)) if is_time else None

    @property
    def patience(self) -> timedelta:
        """Give how long no broker may answer."""
        return parse_duration(self.timeout, "timeout")

    @property
    def start_offsets(self) -> dict[str, int]:
        """Give the offsets to start at by partition, ``topic/number`` or ``number``."""
        return {} if isinstance(self.start, str) else dict(self.start)

    def problems(self) -> Iterator[Problem]:
        """Give what is wrong with the options together."""
        yield from KafkaTopic.problems(self)
        if bool(self.topic) == (self.pattern is not None):
            what = "topic and pattern" if self.topic else "neither topic nor pattern"
            fix = "remove one of them" if self.topic else "name a topic"
            yield Problem("OptionMissing", f"kafka has {what}", fix, "topic")
        yield from _name_problems(self.topics)
        yield from self._pattern_problems()
        yield from self._timeout_problems()
        yield from self._start_problems()
        yield from wrong_metadata(self.metadata, SOURCE_WORDS)

    def _timeout_problems(self) -> Iterator[Problem]:
        try:
            is_right = self.patience > timedelta(0)
        except MainstemError:
            is_right = False
        if not is_right:
            yield Problem("OptionType", f"timeout of kafka is {self.timeout!r}",
                          'write timeout="2 minutes"', "timeout")  # fmt: skip

    def _pattern_problems(self) -> Iterator[Problem]:
        try:
            re.compile(self.regex)
        except re.error as error:
            yield Problem(
                "OptionType", f"pattern of kafka is no regular expression: {error}",
                'write it as "^orders-.*"', "pattern" if self.pattern else "topic",
            )  # fmt: skip

    def _start_problems(self) -> Iterator[Problem]:
        fix = 'write "earliest", "latest", "2026-01-31T00:00:00Z" or {"0": 123}'
        if isinstance(self.start, str):
            if self.start not in STARTS and instant(self.start) is None:
                yield Problem("OptionType", f"start of kafka is {self.start!r}", fix, "start")
            return
        is_one = not self.regex and len(self.topics) == 1
        for name, offset in self.start:
            topic, _, number = str(name).rpartition("/")
            is_right = isinstance(offset, int) and not isinstance(offset, bool) and offset >= 0
            if not is_right or not number.isdecimal():
                yield Problem(
                    "OptionType", f"start of kafka has partition {name!r} at {offset!r}", fix,
                    "start",
                )  # fmt: skip
            elif not topic and not is_one:
                yield Problem(
                    "OptionType", f"start of kafka names partition {name!r} of several topics",
                    f'write {{"topic/{number}": {offset}}}', "start",
                )  # fmt: skip

    def column_problems(self, schema: Schema, event_time: str) -> Iterator[Problem]:
        """Give what is wrong with the columns that the options name."""
        yield from wrong_metadata(self.metadata, SOURCE_WORDS, schema)
        yield from _one_column(self, schema)


@record
class KafkaSink(KafkaTopic):
    """A topic that is written in transactions; the options of `KafkaTopic`, and these.

    Parameters
    ----------
    topic : str
        Its name.
    key : str or list of str
        Columns that make the record's key and stay in the value: of one column its text, of several
        a JSON object. The content of an updating table is kept by its key: a row that leaves it is
        written as a tombstone, a key without a value.
    partitions, replication : int, optional
        A topic that is not there is made with so many partitions and replicas; without `partitions`
        a missing topic is refused.
    compression : str
        ``none``, ``gzip``, ``snappy``, ``lz4`` or ``zstd``.
    transactional_id : str, optional
        Under which name the broker shuts out an earlier writer of this sink; made from the names of
        pipeline and table when absent.
    transaction_timeout : str
        After which the broker aborts a transaction that its writer has left open; at most what the
        broker allows, usually 15 minutes.
    tokens : str, optional
        Topic of the commit tokens, made when it is not there; ``<topic>.tokens`` when absent.
    """

    topic: str = ""
    key: str | tuple[str, ...] = ()
    partitions: int | None = None
    replication: int | None = None
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    transactional_id: str | None = None
    transaction_timeout: str = "1 minute"
    tokens: str | None = None

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Give the columns of the key as a tuple, also when there is one."""
        return (self.key,) if isinstance(self.key, str) else self.key

    @property
    def token_topic(self) -> str:
        """Give the topic of the commit tokens."""
        return self.tokens or f"{self.topic}.tokens"

    @property
    def timeout(self) -> timedelta:
        """Give the time-out of a transaction."""
        return parse_duration(self.transaction_timeout, "transaction_timeout")

    def problems(self) -> Iterator[Problem]:
        """Give what is wrong with the options together."""
        yield from KafkaTopic.problems(self)
        if not self.topic:
            yield Problem("OptionMissing", "kafka needs the option 'topic'", "name a topic")
        else:
            yield from _name_problems((self.topic, self.token_topic))
        yield from wrong_metadata(self.metadata, SINK_WORDS)
        if self.key and "key" in dict(self.metadata).values():
            yield Problem(
                "OptionType", "kafka has key= and a column that is the key by metadata=",
                "remove one of them", "key",
            )  # fmt: skip
        yield from self._number_problems()

    def _number_problems(self) -> Iterator[Problem]:
        for name in ("partitions", "replication"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield Problem("OptionType", f"{name} of kafka is {value}", f"write {name}=1", name)
        if self.replication is not None and self.partitions is None:
            yield Problem(
                "OptionMissing", "kafka has replication and no partitions", "add partitions=",
                "replication",
            )  # fmt: skip
        try:
            is_right = timedelta(seconds=1) <= self.timeout <= LONGEST_TRANSACTION
        except MainstemError:
            is_right = False
        if not is_right:
            yield Problem(
                "OptionType", f"transaction_timeout of kafka is {self.transaction_timeout!r}, not "
                "1 second to 15 minutes", 'write transaction_timeout="1 minute"',
                "transaction_timeout",
            )  # fmt: skip

    def column_problems(self, schema: Schema, event_time: str) -> Iterator[Problem]:
        """Give what is wrong with the columns that the options name."""
        for name in self.key_columns:
            yield from column_missing(name, "key", schema, fix="select it")
        yield from wrong_metadata(self.metadata, SINK_WORDS, schema)
        yield from _one_column(self, schema)


def instant(text: str) -> datetime | None:
    """Give the instant of a timestamp, in UTC when it has no zone; None for other texts."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _name_problems(topics: tuple[str, ...]) -> Iterator[Problem]:
    for topic in topics:
        if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
            yield Problem(
                "OptionType", f"{topic!r} is no name of a topic (letters, digits, '.', '_' and '-')",
                'name one, or write a pattern: "^orders-.*"', "topic",
            )  # fmt: skip


def _one_column(options: KafkaTopic, schema: Schema) -> Iterator[Problem]:
    """Check that what has no fields has one column, of the right type."""
    if options.format not in ("text", "bytes"):
        return
    taken = {name.lower() for name in options.columns}
    rest = [field for field in schema.fields if field.name.lower() not in taken]
    wanted = "string" if options.format == "text" else "bytes"
    if len(rest) != 1 or rest[0].type.kind != wanted:
        shown = ", ".join(map(str, rest)) or "none"
        yield Problem(
            "FormatColumns", f"format {options.format!r} of kafka is one column of type {wanted}; "
            f"the columns of the value are: {shown}",
            f'declare one {wanted} column, or use format="json"', "format",
        )  # fmt: skip
