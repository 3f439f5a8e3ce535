"""Where a row of a file stood: columns that only sources with expectations pay for."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.engines.embedded.stream.spec import PART, PATH, ROW
from mainstem.engines.embedded.types import literal, quoted


def placed(select: str, files: Sequence[tuple[str, int, int]], part: int) -> str:
    """Give rows with their part, their file, and their number in it.

    Parameters
    ----------
    select : str
        Gives the columns, and ``__row``: the row's number over all the files.
    files : sequence of (path, first row, shift)
        In order, with the number of each one's first row in `select`, and in the file itself.
    part : int
        Index of the part.
    """
    # Empty files have no rows, and the number of their first is that of the next one's.
    starts = "[" + ", ".join(str(first) for _, first, _ in files) + "]::BIGINT[]"
    shifts = "[" + ", ".join(str(shift - first) for _, first, shift in files) + "]::BIGINT[]"
    paths = "[" + ", ".join(literal(path) for path, _, _ in files) + "]"
    row = quoted(ROW)
    at = f"len(list_filter({starts}, lambda first: first <= {row}))"
    if len(files) == 1:
        at = "1"
    return (
        f"SELECT * EXCLUDE ({row}), CAST({part} AS INTEGER) AS {quoted(PART)}, "
        f"({paths})[{at}] AS {quoted(PATH)}, {row} + ({shifts})[{at}] AS {quoted(ROW)} FROM ({select})"
    )
