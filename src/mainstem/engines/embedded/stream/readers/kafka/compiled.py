"""What takes records in C: about twice the speed of Python for a core, and other threads run meanwhile.

librdkafka is the one that the package confluent-kafka has loaded, called by its public C interface.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.native.arrow import TIME, Column, Table
from mainstem.engines.embedded.stream.readers.kafka.client import Log
from mainstem.engines.embedded.stream.readers.kafka.poll import (
    Failure,
    Slot,
    Taken,
    no_key,
)
from mainstem.errors import NOWHERE, InternalError, Place, SettingsError
from mainstem.settings.secret import masked

_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_CONSUMER, _OK, _TEXT = 1, 0, 256
_MOST_FAILURES = 32


class _Functions(ctypes.Structure):
    # In the order of `functions` in the C source.
    _fields_ = [
        (name, _P) for name in (
            "consume_batch_queue", "message_destroy", "message_timestamp", "topic_name",
            "message_errstr", "message_headers", "header_get_all",
        )
    ]  # fmt: skip


class _Slot(ctypes.Structure):
    _fields_ = [
        ("topic", ctypes.c_char_p), ("partition", ctypes.c_int32), ("is_active", ctypes.c_int32),
        ("part", ctypes.c_int32), ("is_at_end", ctypes.c_int32), ("next", _L), ("stop", _L),
        ("rows", _L), ("known_as", _P),
    ]  # fmt: skip


class _Texts(ctypes.Structure):
    _fields_ = [
        ("ends", _P), ("data", _P), ("valid", _P), ("size", _L), ("room", _L), ("rows", _L),
        ("most", _L), ("nulls", _L),
    ]  # fmt: skip


class _Batch(ctypes.Structure):
    _fields_ = [
        ("rows", _L), ("timeless", _L), ("offset", _P), ("time", _P), ("part", _P),
        ("header_ends", _P), ("timed", _P),
        ("value", _Texts), ("key", _Texts), ("header_name", _Texts), ("header_value", _Texts),
    ]  # fmt: skip


class _Failure(ctypes.Structure):
    _fields_ = [
        ("offset", _L), ("error", ctypes.c_int32), ("slot", ctypes.c_int32),
        ("text", ctypes.c_char * _TEXT),
    ]  # fmt: skip


class _Reader(ctypes.Structure):
    # Its beginning; the rest is of no concern here.
    _fields_ = [
        ("slots", ctypes.POINTER(_Slot)), ("failures", _Failure * _MOST_FAILURES),
        ("n_slots", ctypes.c_int32), ("n_failures", ctypes.c_int32),
    ]  # fmt: skip


_STRUCTS = {1: _Slot, 2: _Batch, 3: _Failure}


class Library:
    """The compiled reader beside the librdkafka that it calls.

    Parameters
    ----------
    built : Path
        The shared library that `build.build` made.
    kafka : Path
        That of librdkafka; it must be the one that is loaded already.
    """

    def __init__(self, built: Path, kafka: Path) -> None:
        self.own, self.kafka = ctypes.CDLL(str(built)), ctypes.CDLL(str(kafka))
        self.version = int(self.kafka.rd_kafka_version())
        self._declare_own()
        self._declare_kafka()
        sizes: dict[int, Any] = dict(_STRUCTS)
        for of, struct in sizes.items():
            if self.own.kr_size(of) != ctypes.sizeof(struct):
                raise InternalError(
                    f"the compiled Kafka reader has another {struct.__name__} than this version",
                    fix="run: mainstem doctor --build",
                )  # fmt: skip
        names = [row[0] for row in _Functions._fields_]
        self.functions = _Functions(
            *(ctypes.cast(getattr(self.kafka, f"rd_kafka_{name}"), _P) for name in names)
        )

    def _declare_own(self) -> None:
        own = self.own
        own.kr_size.restype, own.kr_size.argtypes = ctypes.c_size_t, (_I,)
        own.kr_new.restype = ctypes.POINTER(_Reader)
        own.kr_new.argtypes = (ctypes.POINTER(_Functions), _P, _I, _I)
        own.kr_add.restype = ctypes.c_int32
        own.kr_add.argtypes = (ctypes.POINTER(_Reader), ctypes.c_char_p, ctypes.c_int32, _L, _L)
        own.kr_read.restype = _L
        own.kr_read.argtypes = (
            ctypes.POINTER(_Reader), _L, _L, _L, _L, ctypes.POINTER(ctypes.POINTER(_Batch)),
        )  # fmt: skip
        own.kr_batch_free.restype, own.kr_free.restype = None, None
        own.kr_batch_free.argtypes = (ctypes.POINTER(_Batch),)
        own.kr_free.argtypes = (ctypes.POINTER(_Reader),)

    def _declare_kafka(self) -> None:
        text = ctypes.c_char_p
        declared: tuple[tuple[Any, ...], ...] = (
            ("conf_new", _P), ("conf_set", _I, _P, text, text, text, ctypes.c_size_t),
            ("conf_destroy", None, _P), ("new", _P, _I, _P, text, ctypes.c_size_t),
            ("destroy", None, _P), ("poll_set_consumer", _I, _P), ("consumer_close", _I, _P),
            ("queue_get_consumer", _P, _P), ("queue_new", _P, _P), ("queue_destroy", None, _P),
            ("queue_poll", _P, _P, _I), ("set_log_queue", _I, _P, _P), ("event_destroy", None, _P),
            ("event_log", _I, _P, ctypes.POINTER(text), ctypes.POINTER(text), ctypes.POINTER(_I)),
            ("topic_partition_list_new", _P, _I), ("topic_partition_list_destroy", None, _P),
            ("topic_partition_list_add", _P, _P, text, ctypes.c_int32),
            ("topic_partition_list_set_offset", _I, _P, text, ctypes.c_int32, _L),
            ("incremental_assign", _P, _P, _P), ("error_string", text, _P),
            ("error_destroy", None, _P),
        )  # fmt: skip
        for row in declared:
            name, gives, takes = row[0], row[1], row[2:]
            function = getattr(self.kafka, f"rd_kafka_{name}")
            function.restype, function.argtypes = gives, takes


class CompiledPoll:
    """Takes records in C; the same answers as `PlainPoll`, record by record.

    Parameters
    ----------
    library : Library
        What is called.
    settings : mapping
        Of librdkafka.
    log : Log
        Takes its lines.
    with_key, with_headers : bool
        Whether those columns are wanted.
    where : Place
        The source's declaration, for messages.
    """

    kind = "compiled"

    def __init__(
        self, library: Library, settings: Mapping[str, str], log: Log, *, with_key: bool,
        with_headers: bool, where: Place = NOWHERE,
    ) -> None:  # fmt: skip
        self._library, self._log = library, log
        self._with_key, self._with_headers = with_key, with_headers
        kafka = library.kafka
        # Log lines wait in a queue: a callback would call into Python from threads of librdkafka,
        # which live on while the interpreter ends.
        self._kafka = _client(library, {**settings, "log.queue": "true"}, where)
        self._log_queue = kafka.rd_kafka_queue_new(self._kafka)
        kafka.rd_kafka_set_log_queue(self._kafka, self._log_queue)
        kafka.rd_kafka_poll_set_consumer(self._kafka)
        self._queue = kafka.rd_kafka_queue_get_consumer(self._kafka)
        self._reader = library.own.kr_new(
            ctypes.byref(library.functions), self._queue, with_key, with_headers
        )
        if not self._reader:
            raise MemoryError

    def add(self, slots: Sequence[Slot]) -> None:
        """Begin to read partitions."""
        kafka = self._library.kafka
        listed = kafka.rd_kafka_topic_partition_list_new(len(slots))
        for slot in slots:
            name = slot.topic.encode()
            kafka.rd_kafka_topic_partition_list_add(listed, name, slot.partition)
            kafka.rd_kafka_topic_partition_list_set_offset(listed, name, slot.partition, slot.next)
            if self._library.own.kr_add(
                self._reader, name, slot.partition, slot.next, slot.stop
            ) < 0:  # fmt: skip
                raise MemoryError
        error = kafka.rd_kafka_incremental_assign(self._kafka, listed)
        kafka.rd_kafka_topic_partition_list_destroy(listed)
        if error:
            text = kafka.rd_kafka_error_string(error).decode(errors="replace")
            kafka.rd_kafka_error_destroy(error)
            raise InternalError(f"Kafka's client does not assign partitions: {masked(text)}")

    def read(self, most: int, most_bytes: int, wait_s: float, quiet_s: float) -> Taken:
        """Take records; the GIL is free meanwhile."""
        self._drain_log()
        into = ctypes.POINTER(_Batch)()
        rows = self._library.own.kr_read(
            self._reader, most, most_bytes, int(wait_s * 1000), max(1, int(quiet_s * 1000)),
            ctypes.byref(into),
        )  # fmt: skip
        if rows < 0:
            raise MemoryError
        held = _Held(self._library, into)
        found = self._reader.contents
        slots = [_plain(found.slots[i]) for i in range(found.n_slots)]
        failures = [_failure(found.failures[i]) for i in range(found.n_failures)]
        table = self._table(into.contents, held) if rows else None
        return Taken(rows, table, slots, failures)

    def _table(self, batch: Any, held: _Held) -> Table:
        rows = batch.rows
        timed = batch.timed if batch.timeless else 0
        columns = [
            _texts("value", batch.value), Column("position", "l", rows, (0, batch.offset)),
            Column("time", TIME, rows, (timed, batch.time), batch.timeless),
            Column("part", "i", rows, (0, batch.part)),
            _texts("key", batch.key) if self._with_key else no_key(rows),
        ]  # fmt: skip
        if self._with_headers:
            names = _texts("key", batch.header_name, "u")
            pair = (names, _texts("value", batch.header_value))
            item = Column("item", "+s", names.rows, (0,), children=pair)
            columns.append(Column("headers", "+l", rows, (0, batch.header_ends), children=(item,)))
        return Table(columns, rows, held)

    def _drain_log(self) -> None:
        kafka = self._library.kafka
        while event := kafka.rd_kafka_queue_poll(self._log_queue, 0):
            facility, text, level = ctypes.c_char_p(), ctypes.c_char_p(), _I()
            parts = (ctypes.byref(facility), ctypes.byref(text), ctypes.byref(level))
            if kafka.rd_kafka_event_log(event, *parts) == _OK and text.value:
                self._log.log(20, text.value.decode(errors="replace"))
            kafka.rd_kafka_event_destroy(event)

    def close(self) -> None:
        """Let go of everything."""
        if not self._reader:
            return
        kafka = self._library.kafka
        self._library.own.kr_free(self._reader)
        self._reader = None
        kafka.rd_kafka_consumer_close(self._kafka)
        kafka.rd_kafka_queue_destroy(self._queue)
        kafka.rd_kafka_set_log_queue(self._kafka, None)
        kafka.rd_kafka_queue_destroy(self._log_queue)
        kafka.rd_kafka_destroy(self._kafka)


class _Held:
    """The memory of a batch, freed with the last thing that points into it."""

    def __init__(self, library: Library, batch: Any) -> None:
        self._free, self._batch = library.own.kr_batch_free, batch

    def __del__(self) -> None:
        self._free(self._batch)


def _client(library: Library, settings: Mapping[str, str], where: Place) -> int:
    kafka, said = library.kafka, ctypes.create_string_buffer(512)
    conf = kafka.rd_kafka_conf_new()
    for name, value in settings.items():
        if kafka.rd_kafka_conf_set(conf, name.encode(), value.encode(), said, 512) != _OK:
            kafka.rd_kafka_conf_destroy(conf)
            raise _not_taken(said.value, where)
    made = kafka.rd_kafka_new(_CONSUMER, conf, said, 512)
    if not made:
        kafka.rd_kafka_conf_destroy(conf)
        raise _not_taken(said.value, where)
    return int(made)


def _not_taken(said: bytes, where: Place) -> SettingsError:
    return SettingsError(
        f"Kafka's client does not take the options: {masked(said.decode(errors='replace'))}",
        where=where, code="KafkaOptions", fix="correct tls_ca, tls_cert, tls_key or their password",
    )  # fmt: skip


def _plain(slot: Any) -> Slot:
    return Slot(
        slot.topic.decode(), slot.partition, slot.next, slot.stop, slot.rows, slot.part,
        bool(slot.is_at_end),
    )  # fmt: skip


def _failure(found: Any) -> Failure:
    text = found.text.decode(errors="replace")
    return Failure(found.error, found.slot, found.offset, text)


def _texts(name: str, found: Any, format: str = "z") -> Column:
    valid = found.valid if found.nulls else 0
    return Column(name, format, found.rows, (valid, found.ends, found.data), found.nulls)
