"""Raw messages to the typed, checked table of an epoch (contract V8, T2).

A reader makes one `Records` for a source and calls `Records.load` for each slice; `arrow.Messages` hands
over messages that are Python lists. The exact rules are those of `mainstem.formats`; most messages are
proved in vectors (`forms`, `reading`), a row in doubt is judged by `judge`.
"""

from __future__ import annotations

from mainstem.engines.embedded.stream.records.loading import Records

__all__ = ["Records"]
