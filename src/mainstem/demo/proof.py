"""Lays the answer of a stream beside the answer of a batch over the same records: what is lost, what is doubled.

Pure: rows in, counts and text out. Rows are compared as bags, whole, so that a row that was changed is
one lost and one doubled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from mainstem.record import record

SHOWN = 3


@record
class Compared:
    """One table: how many rows the batch and the stream have, and in which they differ.

    Parameters
    ----------
    name : str
        What is compared.
    batch, stream : int
        Rows of each.
    lost : tuple
        Rows of the batch that the stream does not have, each as often as it is missing.
    doubled : tuple
        Rows of the stream that the batch does not have, or not so often.
    """

    name: str
    batch: int
    stream: int
    lost: tuple[Hashable, ...] = ()
    doubled: tuple[Hashable, ...] = ()


@record
class Proof:
    """All tables of a demo, compared."""

    tables: tuple[Compared, ...]

    @property
    def lost(self) -> int:
        """Give how many rows are missing in the stream."""
        return sum(len(one.lost) for one in self.tables)

    @property
    def doubled(self) -> int:
        """Give how many rows the stream has too much."""
        return sum(len(one.doubled) for one in self.tables)

    @property
    def is_exact(self) -> bool:
        """Say whether the stream gave the answer of the batch; nothing compared proves nothing."""
        return not self.lost and not self.doubled and all(one.batch for one in self.tables)


def compared(name: str, batch: Iterable[Hashable], stream: Iterable[Hashable]) -> Compared:
    """Compare the rows of a table as bags.

    >>> compared("t", [1, 1, 2], [1, 2, 2])
    Compared(name='t', batch=3, stream=3, lost=(1,), doubled=(2,))
    """
    wanted, found = Counter(batch), Counter(stream)
    lost, doubled = wanted - found, found - wanted
    return Compared(
        name, wanted.total(), found.total(), tuple(lost.elements()), tuple(doubled.elements())
    )


def proof_text(proof: Proof) -> str:
    """Give the comparison as a table of text, the rows that differ, and the sentence that counts."""
    head = ("", "batch", "stream", "lost", "doubled")
    lines = [
        (one.name, f"{one.batch:,}", f"{one.stream:,}", f"{len(one.lost):,}", f"{len(one.doubled):,}")
        for one in proof.tables
    ]  # fmt: skip
    text = [*_aligned([head, *lines]), *_differences(proof)]
    empty = [one.name for one in proof.tables if not one.batch]
    if empty:
        text.append(f"nothing to compare in {', '.join(empty)}")
    return "\n".join([*text, "", f"{proof.lost:,} lost, {proof.doubled:,} doubled"])


def _aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  " + "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]  # fmt: skip


def _differences(proof: Proof) -> list[str]:
    found = []
    for one in proof.tables:
        for word, rows in (("lost", one.lost), ("doubled", one.doubled)):
            found += [f"  {word} in {one.name}: {row}" for row in rows[:SHOWN]]
            if len(rows) > SHOWN:
                found.append(f"  and {len(rows) - SHOWN:,} more {word} in {one.name}")
    return found
