"""A topic of Kafka: each epoch is one transaction of its rows, the positions and the token.

Whatever fails in a transaction, the rule is one: when it was aborted cleanly it is tried again; when
nobody knows (a time-out, a producer that the broker has shut out), a new producer takes the
transactional id, which ends whatever was open, and then the token says whether the epoch is there.
The mark in the topic of tokens names the run that may write. So a run that was asleep while another
one took over sees that before it shuts out the other one in turn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb

from mainstem.connectors.kafka.options import KafkaSink
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.counting import unbalanced
from mainstem.engines.embedded.stream.readers.kafka.client import (
    PASSING,
    Log,
    connection,
    is_refusal,
    new,
    package,
    refusal,
)
from mainstem.engines.embedded.stream.sinks.kafka_tokens import Mark, last_mark
from mainstem.engines.embedded.stream.sinks.kafka_topics import make_topics
from mainstem.engines.embedded.stream.sinks.kafka_wire import Records
from mainstem.engines.embedded.stream.sinks.token import Owner, already_there, epoch_of
from mainstem.engines.embedded.stream.spec import Batch
from mainstem.engines.spec import RunSettings
from mainstem.errors import InternalError, MainstemError, OutsideError
from mainstem.plan.nodes import Plan, Step
from mainstem.settings.secret import masked
from mainstem.storage.local import points

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

# Longest that one call may take before its outcome counts as not known.
CALL_S = 15.0
# Longest that an epoch is tried before the run ends; brokers come back in that time.
PATIENCE_S = 90.0
_PAUSE_S = 0.1
_FETCH = 10_000

PRODUCING = {
    "enable.idempotence": "true", "acks": "all",
    # The second and later transactions wait for this long; the default of 100 ms is seen in each.
    "retry.backoff.ms": "10", "retry.backoff.max.ms": "500",
    "linger.ms": "5", "queue.buffering.max.messages": "1000000",
    "queue.buffering.max.kbytes": "262144", "allow.auto.create.topics": "false",
    # As the clients in Java do, so that a key is in the partition where others look for it.
    "partitioner": "murmur2_random",
}  # fmt: skip


def kafka_sink(step: Step, plan: Plan, settings: RunSettings, key: tuple[str, ...]) -> KafkaTable:
    """Give the sink of a table whose binding is ``ms.kafka``."""
    if step.sink is None:
        raise InternalError(f"{step.name!r} has no sink")
    options = read_options(KafkaSink, step.sink, step.where)
    owner = Owner(plan.name, step.name, f"topic {options.topic!r} at {options.bootstrap}",
                  where=step.where)  # fmt: skip
    sources = tuple(s.name for s in plan.sources if s.binding.type == "kafka")
    return KafkaTable(options, owner, settings, Records(step, options, key), sources)


class _Unknown(Exception):
    """Nobody knows whether a transaction was committed."""


class _Aborted(Exception):
    """A transaction was aborted; nothing of it can be seen."""


class KafkaTable:
    """One table of a stream in a topic."""

    def __init__(
        self, options: KafkaSink, owner: Owner, settings: RunSettings, records: Records,
        sources: tuple[str, ...],
    ) -> None:  # fmt: skip
        self._options = options
        self._owner = owner
        self._settings = settings
        self._records = records
        self._sources = sources
        self._producer: Any = None
        self._group: Any = None
        self._client: dict[str, str] = {}
        self._last: str | None = None
        self._name = f"mainstem.{owner.pipeline}.{owner.table}"
        self._key = f"{owner.pipeline}/{owner.table}/{options.topic}".encode()

    def wire(self, select: str) -> str:
        """Give the records as SQL."""
        return self._records.select(select)

    def open(self) -> dict[str, Any] | None:
        """Shut out earlier writers, and give the token that was committed last."""
        package(self._owner.where)
        self._client = connection(self._options, self._settings.base_dir)
        from confluent_kafka import KafkaException

        end = time.monotonic() + PATIENCE_S
        try:
            make_topics(self._client, self._options, self._owner)
            self._renew(end)
            mark = self._mark(end)
            token = self._owner.token(mark.token)
            self._last = mark.token
            self._claim(end)
        except KafkaException as error:
            raise self._failed(error.args[0], "opening") from error
        return token

    def write(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> dict[str, Any]:
        """Commit an epoch's records, positions and token."""
        if self._last is None:
            raise InternalError(f"the sink of {self._owner.table!r} is not open")
        if batch.epoch <= epoch_of(self._owner.token(self._last)):
            return already_there(batch.rows)
        text = self._owner.text(batch.token)
        self._until_committed(cursor, batch, text)
        self._last = text
        points.reached(points.SINK_DECIDED)
        return {"rows": batch.rows, "already_there": 0}

    def close(self) -> None:
        """Let go of the producer; an open transaction is aborted by the next one or by time."""
        self._producer, self._group = None, None

    def _until_committed(
        self, cursor: duckdb.DuckDBPyConnection | None, batch: Batch | None, text: str
    ) -> None:
        """Try until the token is there or it is clear that it cannot be."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._transact(cursor, batch, text)
                return
            except _Aborted as error:
                if time.monotonic() > end:
                    raise self._failed(error.args[0], "writing") from error
            except _Unknown as error:
                if self._is_committed(text, end):
                    return
                if time.monotonic() > end:
                    raise self._failed(error.args[0], "writing") from error
            time.sleep(_PAUSE_S)

    def _claim(self, end: float) -> None:
        """Say in the topic of tokens that this run writes from now on."""
        self._until_committed(None, None, self._last or "")

    def _transact(
        self, cursor: duckdb.DuckDBPyConnection | None, batch: Batch | None, text: str
    ) -> None:
        from confluent_kafka import KafkaException

        producer = self._producer
        if producer is None:
            raise _Unknown("the producer is gone")
        try:
            producer.begin_transaction()
            if cursor is not None and batch is not None:
                self._send(cursor, batch)
                self._send_positions(batch)
                points.reached(points.SINK_SENT)
            mark = Mark(self._settings.run_id, text)
            self._produce(self._options.token_topic, mark.value(), self._key, partition=0)
            if producer.flush(CALL_S):
                raise _Unknown("the brokers did not take all records in time")
            if batch is not None:
                points.reached(points.SINK_PREPARED)
            producer.commit_transaction(CALL_S)
        except KafkaException as error:
            self._look_at(error.args[0])
        except MainstemError:
            self._abort()
            raise

    def _look_at(self, error: KafkaError) -> None:
        """Abort what can be aborted; raise what is to be done."""
        if error.fatal() or not error.txn_requires_abort():
            if not error.fatal() and not error.retriable() and not _passes(error):
                # Refused here, such as a record that is too large: nothing was sent for commit.
                self._abort()
                raise self._failed(error, "writing")
            raise _Unknown(error)
        self._abort()
        if error.retriable() or _passes(error):
            raise _Aborted(error)
        raise self._failed(error, "writing")

    def _abort(self) -> None:
        from confluent_kafka import KafkaException

        try:
            self._producer.abort_transaction(CALL_S)
        except KafkaException as error:
            raise _Unknown(error.args[0]) from error

    def _is_committed(self, text: str, end: float) -> bool:
        """Find out whether the token is there, once nothing of ours can be on its way any more."""
        from confluent_kafka import KafkaException

        self._producer = None
        while True:
            try:
                # First a look: who was asleep must not shut out the run that took over. Not to the
                # very end: our own transaction may be open there until the next producer ends it.
                self._refuse_other(self._mark(end, is_complete=False), text)
                self._renew(end)
                mark = self._mark(end)
                self._refuse_other(mark, text)
                return mark == Mark(self._settings.run_id, text)
            except (KafkaException, _Unknown) as error:
                if time.monotonic() > end:
                    raise self._failed(error.args[0], "writing") from error
            time.sleep(_PAUSE_S)

    def _refuse_other(self, mark: Mark, text: str) -> None:
        own = (Mark(self._settings.run_id, text), Mark(self._settings.run_id, self._last or ""))
        # While the claim is being written, the mark is still that of the run before.
        is_claim = text == self._last and mark.token == text
        if mark not in own and not is_claim:
            raise self._owner.taken_over(f"run {mark.run_id}")

    def _mark(self, end: float, *, is_complete: bool = True) -> Mark:
        # Another sink's transaction may stay open at the end of the topic for its whole time-out.
        patience = max(end - time.monotonic(), CALL_S)
        return last_mark(
            self._client, self._options.token_topic, self._key, patience_s=patience,
            is_complete=is_complete,
        )  # fmt: skip

    def _renew(self, end: float) -> None:
        """Make a producer and let it take the transactional id: what was open is ended."""
        from confluent_kafka import Consumer, KafkaException, Producer

        timeout_ms = int(self._options.timeout.total_seconds() * 1000)
        settings = {
            **self._client, **PRODUCING, "compression.type": self._options.compression,
            "transactional.id": self._options.transactional_id or self._name,
            "transaction.timeout.ms": str(timeout_ms),
        }  # fmt: skip
        while True:
            log = Log(self._owner.table)
            producer = new(Producer, settings, self._owner.where, logger=log)
            try:
                producer.init_transactions(CALL_S)
                break
            except KafkaException as error:
                found = error.args[0]
                is_hopeless = is_refusal(found.code()) or not (found.retriable() or _passes(found))
                if is_hopeless or time.monotonic() > end:
                    raise
            time.sleep(_PAUSE_S)
        self._producer = producer
        if self._group is None and self._sources:
            # Never subscribed: it only knows under which group the positions are shown.
            # Silent: while a broker is away it would fill stderr, a hundred lines a second.
            self._group = Consumer({**self._client, "group.id": self._name, "log_level": 0})

    def _send(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
        """Give the producer every record of the epoch."""
        topic, rows = self._options.topic, 0
        for key, value, *rest in _rows(cursor, batch.select):
            more = dict(zip(self._records.more, rest, strict=True))
            given = {name: found for name, found in more.items() if found is not None}
            if "headers" in given:
                given["headers"] = list(given["headers"].items())
            self._produce(topic, value, key, **given)
            rows += 1
        if rows != batch.rows:
            raise unbalanced(
                f"epoch {batch.epoch} of {self._owner.table!r} was to have {batch.rows} rows, and "
                f"its outbox gave {rows}"
            )

    def _produce(self, topic: str, value: bytes | None, key: bytes | None, **more: Any) -> None:
        end = time.monotonic() + CALL_S
        while True:
            try:
                self._producer.produce(topic, value, key, **more)
                return
            except BufferError as error:
                # The queue is full: wait until the brokers have taken some of it.
                if time.monotonic() > end:
                    raise _Unknown("the brokers did not take all records in time") from error
            self._producer.poll(0.05)

    def _send_positions(self, batch: Batch) -> None:
        """Commit the positions of Kafka sources with the rows, for whoever looks at lags."""
        from confluent_kafka import TopicPartition

        positions = batch.token.get("positions", {})
        offsets = []
        for source in self._sources:
            found = positions.get(source)
            if isinstance(found, Mapping):
                for name, at in found.items():
                    topic, _, number = name.rpartition("/")
                    offsets.append(TopicPartition(topic, int(number), int(at["offset"])))
        if offsets:
            metadata = self._group.consumer_group_metadata()
            self._producer.send_offsets_to_transaction(offsets, metadata, CALL_S)

    def _failed(self, error: Any, doing: str) -> MainstemError:
        text = error.str() if hasattr(error, "str") else str(error)
        if hasattr(error, "code") and is_refusal(error.code()):
            return refusal(text, self._owner.where, self._options.bootstrap)
        return OutsideError(
            f"{doing} {self._owner.place}: {masked(text)}", where=self._owner.where,
            step=self._owner.table, code="KafkaSink",
            fix="see that the brokers run; the next run goes on where this one stopped",
        )  # fmt: skip


def _passes(error: KafkaError) -> bool:
    return error.code() in PASSING or "TIMED_OUT" in error.name()


def _rows(cursor: duckdb.DuckDBPyConnection, select: str) -> Iterator[tuple[Any, ...]]:
    result = cursor.execute(select)
    with suppress(StopIteration):
        while rows := result.fetchmany(_FETCH):
            yield from rows
