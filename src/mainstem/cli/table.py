"""Aligned columns of text: the same on a terminal and in a file, so that both can be searched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mainstem.cli.terminal import harmless
from mainstem.cli.values import text

GAP = "  "


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[int] = (),
    null: str = "NULL",
) -> str:  # fmt: skip
    """Give a table with a rule below its head.

    Parameters
    ----------
    columns : sequence of str
        The head.
    rows : iterable of sequences
        Any values.
    right : iterable of int
        Columns, from 0, that are set flush right.
    null : str
        What stands for None.
    """
    cells = [[_cell(text(value, null=null)) for value in row] for row in rows]
    head = [_cell(column) for column in columns]
    widths = _widths([head, *cells], len(head))
    rule = GAP.join("─" * width for width in widths)
    flush_right = frozenset(right)
    lines = (_line(row, widths, flush_right) for row in cells)
    return "\n".join([_line(head, widths, flush_right), rule, *lines])


def aligned(rows: Iterable[Sequence[Any]], *, indent: str = "  ", right: Iterable[int] = ()) -> str:
    """Give rows in columns without a head."""
    cells = [[_cell(text(value, null="")) for value in row] for row in rows]
    if not cells:
        return ""
    widths = _widths(cells, len(cells[0]))
    return "\n".join(indent + _line(row, widths, frozenset(right)) for row in cells)


def fitted(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, order: Sequence[int]
) -> list[list[str]]:
    """Give rows whose table is not wider than the terminal, as far as cutting some columns helps.

    Parameters
    ----------
    columns, rows
        As for `table`, as text.
    width : int
        Of the terminal.
    order : sequence of int
        Which columns may be cut, to 10 signs at least, the first one first.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    widths = _widths([list(columns), *cells], len(columns))
    for at in order:
        over = sum(widths) + len(GAP) * (len(widths) - 1) - width
        most = max(10, widths[at] - over)
        if over > 0 and most < widths[at]:
            for row in cells:
                row[at] = _cut(row[at], most)
            widths[at] = most
    return cells


def _cut(cell: str, width: int) -> str:
    if _width(cell) <= width:
        return cell
    while _width(cell) > width - 1:
        cell = cell[:-1]
    return f"{cell}…"


def _cell(value: str) -> str:
    # One row is one line: a text of several lines would look like several rows.
    return harmless(value.replace("\n", "\\n").replace("\t", "\\t"))


def _widths(rows: Sequence[Sequence[str]], n_columns: int) -> list[int]:
    return [max(_width(row[at]) for row in rows) for at in range(n_columns)]


def _line(row: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> str:
    padded = []
    for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
        pad = " " * (width - _width(cell))
        padded.append(pad + cell if at in right else cell + pad)
    return GAP.join(padded).rstrip()


def _width(cell: str) -> int:
    """Give how many columns of a terminal a text takes; Chinese characters take two."""
    if cell.isascii():
        return len(cell)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in cell)
    return len(cell) + wide - sum(unicodedata.combining(c) > 0 for c in cell)
