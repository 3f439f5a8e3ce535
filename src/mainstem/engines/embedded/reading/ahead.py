"""Loading text files while a thread still looks at their bytes (`guard`).

The pass over the bytes keeps one core busy and the others waiting: a tenth of an ingest on two cores,
more on larger machines. So large files are loaded as their beginnings promise, at the same time. A
promise that is not kept (a carriage return, a control character, bad UTF-8 further down) costs the
time of the load until then: it is stopped, and made again with what is known by then.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mainstem.connectors.files.listing import InputFile
from mainstem.engines.embedded.reading.guard import Scanned
from mainstem.engines.embedded.reading.look import Look

if TYPE_CHECKING:
    from types import TracebackType

    import duckdb

# Files of fewer bytes in all are looked at first: that takes 5 ms.
LEAST_BYTES = 8_000_000


def may_load_ahead(files: Sequence[InputFile]) -> bool:
    """Say whether files are large enough, and can be read as they lie there."""
    is_plain = all(file.is_plain for file in files)
    return is_plain and sum(file.size_bytes for file in files) >= LEAST_BYTES


def is_promising(head: Scanned) -> bool:
    """Say whether the beginning of a file is something that can be loaded."""
    return not head.doubt and not head.is_mixed and bool(head.separators)


def keeps(head: Scanned, whole: Scanned) -> bool:
    """Say whether a file is what its beginning promised: the statement that loads it is the same."""
    return not whole.doubt and _promise(head) == _promise(whole)


def _promise(one: Scanned) -> tuple[bool, bool, bytes, bool]:
    return one.pairs > 0, one.is_mixed, one.separators[:1], one.has_controls


class Looking:
    """Looks at files in a thread; what it finds is there when the block ends.

    Parameters
    ----------
    look : Look
        How.
    heads : sequence of Scanned
        The beginnings of the files.
    connection : DuckDBPyConnection
        What loads them meanwhile.
    """

    def __init__(
        self, look: Look, heads: Sequence[Scanned], connection: duckdb.DuckDBPyConnection
    ) -> None:  # fmt: skip
        self.look = look
        self.heads = heads
        self.connection = connection
        self.found: list[Scanned] = []
        self.error: BaseException | None = None
        # Whether a file is not what its head promised, or cannot be read.
        self.is_broken = False
        self._thread = threading.Thread(target=self._run, name="mainstem-look")

    def __enter__(self) -> Looking:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        where: TracebackType | None,
    ) -> None:  # fmt: skip
        # Nobody waits for it any more when the load was stopped from outside.
        self.look.workspace.is_given_up = kind is not None
        self._thread.join()
        if kind is None and self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            for head in self.heads:
                self.found.append(self.look.whole(head.file))
                if not keeps(head, self.found[-1]) and not self.is_broken:
                    self.is_broken = True
                    self.connection.interrupt()
        except BaseException as error:  # noqa: BLE001 - raised where the block ends
            self.error = error
            self.is_broken = True
            self.connection.interrupt()
