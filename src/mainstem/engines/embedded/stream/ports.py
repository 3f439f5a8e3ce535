"""What a stream is connected to, as one value: a test gives its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.feed import Feed
from mainstem.engines.embedded.stream.spec import Loaded, Sink, Slice
from mainstem.record import mutable

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.job import Job
    from mainstem.engines.embedded.stream.shards.shards import Transport

Loader = Callable[[Session, Slice, str], Loaded]


@mutable
class Ports:
    """What a job is connected to: where slices come from and how they are loaded, and its sinks."""

    feed: Feed
    loaders: Mapping[str, Loader]
    sinks: Mapping[str, Sink]
    # Gives the lookups that are to be loaded again (T13); None goes by their `refresh`.
    due: Callable[[], frozenset[str]] | None = None
    # Called by the engine's thread between two epochs, about ten times a second at least, and at the end.
    on_tick: Callable[[Job], None] | None = None
    on_stop: Callable[[], None] | None = None
    # Gives another feed over the same sources, and its loaders; None when they can be read once only.
    again: Callable[[], tuple[Feed, Mapping[str, Loader]]] | None = None
    # Who loads and computes the shards of an epoch; None when the engine's thread does. Loaders can be
    # pickled then.
    transport: Transport | None = None
