"""The rows of one table as several engines have it, compared as bags (contract V5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from mainstem.plan.nodes import Step
from mainstem.plan.types import Type
from mainstem.record import record
from mainstem.runtime.bags import unpaired
from mainstem.sql.text import quoted

if TYPE_CHECKING:
    from mainstem.runtime.query import Tables

Row = tuple[Any, ...]

# Rows of each side that are shown.
SHOWN = 5
# About so many rows are compared at a time. A table with more is parted, and of its portions only those are
# fetched that a digest does not show to be equal: Python takes 8 s for a million rows of five columns.
AT_ONCE = 100_000


@record
class Rows:
    """Rows that only one of two engines has: how many, and the first ones of each side.

    `engines` are the one that the others are compared with, and the other one. `said` stands there
    instead when the tables have not even the same columns.
    """

    engines: tuple[str, str]
    counts: tuple[int, int] = (0, 0)
    only: tuple[tuple[Row, ...], tuple[Row, ...]] = ((), ())
    said: str = ""


def differences(step: Step, tables: Mapping[str, Tables], n_rows: int) -> tuple[Rows, ...]:
    """Give what the tables of a step have alone, the first engine beside each of the others."""
    (first, one), *others = tables.items()
    found = (_rows(step, (first, name), (one, other), n_rows) for name, other in others)
    return tuple(rows for rows in found if rows.said or any(rows.counts))


def _rows(
    step: Step, engines: tuple[str, str], sides: tuple[Tables, Tables], n_rows: int
) -> Rows:  # fmt: skip
    heads = [_columns(side, step.name) for side in sides]
    if heads[0] != heads[1]:
        said = "; ".join(
            f"{engine} has {', '.join(' '.join(c) for c in head)}"
            for engine, head in zip(engines, heads, strict=True)
        )
        return Rows(engines, said=f"the columns differ: {said}")
    counts = [0, 0]
    only: list[list[Row]] = [[], []]
    for where in _portions(step, sides, n_rows):
        asked = f"SELECT * FROM {quoted(step.name)}{where}"
        for at, left in enumerate(_unpaired(*(side.query(asked).rows for side in sides))):
            counts[at] += len(left)
            # In one order on both sides, so that rows that nearly agree stand in the same place.
            only[at] = nsmallest(SHOWN, only[at] + [tuple(row) for row in left], key=repr)
    return Rows(engines, (counts[0], counts[1]), (tuple(only[0]), tuple(only[1])))


def _columns(tables: Tables, name: str) -> list[tuple[str, str]]:
    head = tables.query(f"SELECT * FROM {quoted(name)} LIMIT 0")
    return list(zip(head.columns, head.types, strict=True))


def _portions(step: Step, sides: tuple[Tables, Tables], n_rows: int) -> list[str]:
    """Give conditions for the portions of two tables that are not known to be equal.

    Rows that may be paired stand in one portion: it is a hash of their exact values that parts them.
    """
    parts = n_rows // AT_ONCE + 1
    if parts == 1:
        return [""]
    exact = [quoted(f.name) for f in step.schema.fields if not _has_float(f.type)]
    portion = f"hash({', '.join(exact)}) % {parts}" if exact else "0"
    digests = [_digests(side, step.name, portion) for side in sides]
    at = sorted({number for number, *_ in digests[0] ^ digests[1]})
    return [f" WHERE {portion} = {number}" for number in at]


def _digests(tables: Tables, name: str, portion: str) -> set[tuple[Any, ...]]:
    """Give rows and a sum of 128 bits of each portion: bags with one sum are equal.

    Of the rows as JSON, which tells a NULL from the text and writes every digit. Sums, not XOR: two
    equal rows would be nothing in that.
    """
    sql = (
        "SELECT __portion, count(*), sum(md5_number_lower(__row)), sum(md5_number_upper(__row)) "
        f"FROM (SELECT {portion} AS __portion, CAST(to_json(q) AS VARCHAR) AS __row "
        f"FROM {quoted(name)} AS q) GROUP BY __portion"
    )
    return set(tables.query(sql).rows)


def _has_float(type_: Type) -> bool:
    return type_.kind == "double" or any(map(_has_float, type_.items))


def _unpaired(
    a: Sequence[Row], b: Sequence[Row]
) -> tuple[Sequence[Sequence[Any]], Sequence[Sequence[Any]]]:
    try:
        if Counter(a) == Counter(b):
            return (), ()
    except TypeError:  # lists and maps have no hash
        pass
    return unpaired(a, b)
