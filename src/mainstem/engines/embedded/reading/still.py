"""Files that somebody changes while they are read.

A file that grows, shrinks or goes between two looks at it gives rows that were never all there at one
time, the last of them maybe cut in the middle of a number. Size and modification time are compared
before and after; what is read in place is compared when the last step has been computed.
"""

from __future__ import annotations

from collections.abc import Iterable

from mainstem.errors import BusyError, listing
from mainstem.filesystems import file_system
from mainstem.record import record


@record
class Stamps:
    """Sizes and modification times of a source's files, as they were before they were read."""

    source: str
    facts: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, source: str, paths: Iterable[str]) -> Stamps:
        """Look at the files; those that are not there have no stamp."""
        found = {path: _stamp(path) for path in paths}
        return cls(source, {path: stamp for path, stamp in found.items() if stamp})

    def check(self) -> None:
        """Check that no file has changed since.

        Raises
        ------
        BusyError
            Naming the files that have.
        """
        moving = [path for path, stamp in self.facts.items() if _stamp(path) != stamp]
        if moving:
            raise BusyError(
                f"source {self.source!r}: {listing(moving, limit=5)} changed while being read",
                code="FileInWriting", fix="write files beside and rename them into place when they "
                "are whole; run again", source=self.source, files=moving,
            )  # fmt: skip


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = file_system(path).status(path)
    except OSError:
        return None
    return status.size_bytes, status.mtime_ns
