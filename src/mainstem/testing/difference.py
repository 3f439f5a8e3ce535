"""Says in which rows and cells two tables differ, in lines that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mainstem.testing.compare import same, unpaired
from mainstem.testing.text import cell_text, table_text

# Rows of each kind that are shown; thousands of them say no more.
SHOWN = 20
# More rows than this on both sides are not paired, which compares each with each.
PAIRED = 300


def difference(
    what: str, columns: Sequence[str], found: Sequence[Sequence[Any]],
    expected: Sequence[Sequence[Any]], *, is_ordered: bool = False,
) -> str:  # fmt: skip
    """Give what is wrong with a table, "" when it holds the expected rows (contract V5).

    Rows that only one side has are paired where most of their cells agree: of those the cells that
    differ are shown. The others are missing, or one too many; they are shown as `read_table` reads
    them, so that right ones can be copied into the test.
    """
    extra, missing = unpaired(found, expected)
    if not extra and not missing:
        return _order(what, columns, found, expected) if is_ordered else ""
    changed, extra, missing = _pairs(extra, missing)
    parts = [f"{what}: {_rows(len(found))} found, {len(expected)} expected"]
    if changed:
        parts += [f"{_rows(len(changed))} changed (found → expected):", _changed(columns, changed)]
    if missing:
        parts += [f"{_rows(len(missing))} missing:", _shown(columns, missing)]
    if extra:
        parts += [f"{_rows(len(extra))} not expected:", _shown(columns, extra)]
    return "\n".join(parts)


def _rows(number: int) -> str:
    return f"{number} row{'' if number == 1 else 's'}"


def _order(
    what: str, columns: Sequence[str], found: Sequence[Sequence[Any]],
    expected: Sequence[Sequence[Any]],
) -> str:  # fmt: skip
    for number, (row, wanted) in enumerate(zip(found, expected, strict=True), 1):
        if not same(tuple(row), tuple(wanted)):
            cells = [[cell_text(value) for value in one] for one in (row, wanted)]
            shown = _indented(columns, cells, 2)
            return f"{what}: the right rows in another order; row {number} found, and expected:\n{shown}"
    return ""


def _pairs(
    extra: list[Sequence[Any]], missing: list[Sequence[Any]]
) -> tuple[list[tuple[Sequence[Any], Sequence[Any]]], list[Sequence[Any]], list[Sequence[Any]]]:
    """Pair rows of which at least half of the cells agree, the most alike first."""
    if not extra or not missing or max(len(extra), len(missing)) > PAIRED:
        return [], extra, missing
    likeness = [
        (sum(map(same, row, wanted)), -i, -j)
        for i, row in enumerate(extra) for j, wanted in enumerate(missing)
    ]  # fmt: skip
    taken_extra: set[int] = set()
    taken_missing: set[int] = set()
    pairs = []
    for alike, minus_i, minus_j in sorted(likeness, reverse=True):
        i, j = -minus_i, -minus_j
        is_free = i not in taken_extra and j not in taken_missing
        if is_free and 2 * alike >= len(extra[i]) and alike:
            taken_extra.add(i)
            taken_missing.add(j)
            pairs.append((extra[i], missing[j]))
    rest_extra = [row for i, row in enumerate(extra) if i not in taken_extra]
    return pairs, rest_extra, [row for j, row in enumerate(missing) if j not in taken_missing]


def _changed(columns: Sequence[str], pairs: Sequence[tuple[Sequence[Any], Sequence[Any]]]) -> str:
    rows = [
        [
            cell_text(a) if same(a, b) else f"{cell_text(a)} → {cell_text(b)}"
            for a, b in zip(row, wanted, strict=True)
        ]
        for row, wanted in pairs[:SHOWN]
    ]
    return _indented(columns, rows, len(pairs))


def _shown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = [[cell_text(value) for value in row] for row in rows]
    return _indented(columns, sorted(cells)[:SHOWN], len(rows))


def _indented(columns: Sequence[str], rows: Sequence[Sequence[str]], number: int) -> str:
    lines = [f"  {line}" for line in table_text(columns, rows).splitlines()]
    if number > len(rows):
        lines.append(f"  … and {number - len(rows)} more")
    return "\n".join(lines)
