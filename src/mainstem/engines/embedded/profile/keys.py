"""Columns that find one row, and rows that are there twice.

Whether two rows are equal is asked of their hashes first: only rows whose hash another one has are
compared as they are. So the answer is exact, and wide rows need not be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from mainstem.engines.embedded.types import quoted
from mainstem.engines.profile import ColumnProfile

# An estimate of distinct values is off by a few percent.
NEARLY = 0.9
# Pairs are looked for in relations of so many rows; each that is left after a look at the first rows
# costs a pass over two columns.
MOST_ROWS = 20_000_000
FIRST_ROWS = 50_000
MOST_PAIRS = 3
MOST_TRIED = 60
KEY_KINDS = ("bigint", "string", "date", "timestamp", "decimal")
LONGEST_KEY = 64


class Keys:
    """Looks for the keys of a relation; `ask` runs a question."""

    def __init__(
        self, ask: Callable[[str], list[tuple[Any, ...]]], relation: str, n_rows: int,
        columns: Sequence[ColumnProfile],
    ) -> None:  # fmt: skip
        self.ask = ask
        self.relation = relation
        self.n_rows = n_rows
        self.columns = list(columns)

    def find(self) -> tuple[list[ColumnProfile], list[tuple[str, ...]]]:
        """Give the columns, with exact counts where a look showed them, and the keys."""
        if self.n_rows < 2:
            return self.columns, []
        self.columns = [self._settled(column) for column in self.columns]
        single: list[tuple[str, ...]] = [(c.name,) for c in self.columns if self._is_key(c)]
        return self.columns, single or self._pairs()

    def duplicates(self) -> int:
        """Give how many rows are equal to an earlier one."""
        if not self.columns:
            return 0
        names = ", ".join(quoted(c.name) for c in self.columns)
        hashes = f"SELECT hash({names}) AS h FROM {self.relation}"
        twice = f"SELECT h FROM ({hashes}) GROUP BY h HAVING count(*) > 1"
        if not self.ask(f"{twice} LIMIT 1"):
            return 0
        some = f"FROM {self.relation} SEMI JOIN ({twice}) AS t ON hash({names}) = t.h"
        found = self.ask(
            f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n {some} GROUP BY {names})"
        )
        return int(found[0][0])

    def _settled(self, column: ColumnProfile) -> ColumnProfile:
        """Count the distinct values where the estimate says that there may be one for each row."""
        if column.is_distinct_exact or column.nulls or column.kind not in KEY_KINDS:
            return column
        if column.distinct < NEARLY * self.n_rows or self._is_twice([column.name]):
            return column
        return replace(column, distinct=self.n_rows, is_distinct_exact=True)

    def _is_key(self, column: ColumnProfile) -> bool:
        return (
            column.kind in KEY_KINDS and not column.nulls and column.is_distinct_exact
            and column.distinct == self.n_rows
        )  # fmt: skip

    def _is_twice(self, names: Sequence[str], among: str = "") -> bool:
        listed = ", ".join(quoted(name) for name in names)
        return bool(self.ask(
            f"SELECT 1 FROM {among or self.relation} GROUP BY {listed} HAVING count(*) > 1 LIMIT 1"
        ))  # fmt: skip

    def _pairs(self) -> list[tuple[str, ...]]:
        if self.n_rows > MOST_ROWS:
            return []
        able = [c for c in self.columns if self._may_be_part(c)]
        pairs = [(a, b) for a, b in combinations(able, 2) if a.distinct * b.distinct >= self.n_rows]
        # Fewer combinations than others still can tell all rows: those are meant to.
        pairs = sorted(pairs, key=lambda pair: pair[0].distinct * pair[1].distinct)[:MOST_TRIED]
        some = f"(SELECT * FROM {self.relation} LIMIT {FIRST_ROWS})"
        left = [(a.name, b.name) for a, b in pairs if not self._is_twice([a.name, b.name], some)]
        found = (pair for pair in left[:MOST_PAIRS] if not self._is_twice(pair))
        return [pair for pair in [next(found, None)] if pair is not None]

    def _may_be_part(self, column: ColumnProfile) -> bool:
        is_short = not column.length or column.length[1] <= LONGEST_KEY
        is_part = column.kind in KEY_KINDS and column.kind != "decimal" and is_short
        return is_part and column.is_distinct_exact and not column.nulls and column.distinct > 1
