"""Readers of unbounded sources, by the connector of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.engines.embedded.stream.spec import Reader
from mainstem.errors import InternalError

if TYPE_CHECKING:
    from mainstem.engines.spec import RunSettings
    from mainstem.plan.nodes import Source


def reader_of(source: Source, settings: RunSettings) -> Reader:
    """Give what reads an unbounded source; nothing is opened.

    Raises
    ------
    InternalError
        When its connector has no reader: a source of it is bounded.
    """
    kind = source.binding.type
    if kind == "kafka":
        from mainstem.engines.embedded.stream.readers.kafka.reader import kafka_reader

        return kafka_reader(source, settings)
    if kind == "files":
        from mainstem.engines.embedded.stream.readers.files import files_reader

        return files_reader(source, settings)
    if kind == "generator":
        from mainstem.engines.embedded.stream.readers.generator import generator_reader

        return generator_reader(source, settings)
    if kind == "stdin":
        from mainstem.engines.embedded.stream.readers.stdin import stdin_reader

        return stdin_reader(source, settings)
    raise InternalError(f"source {source.name!r} of type {kind} has no reader")


def range_reader_of(source: Source, settings: RunSettings) -> Reader:
    """Give what says which records are there, for others to read them; else what reads them.

    Slices of the first kind have no data.
    """
    if source.binding.type == "kafka":
        from mainstem.engines.embedded.stream.readers.kafka.ranges import RangeReader

        return RangeReader(source, settings)
    return reader_of(source, settings)
