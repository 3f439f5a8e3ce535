"""Random whole queries over two small random tables, in the order of clauses in which a user thinks."""

from __future__ import annotations

from mainstem.sql.text import Printer
from mainstem.testing.generator import Generator

LEFT = {
    "k": "bigint",
    "n": "bigint",
    "s": "string",
    "d": "decimal(10,2)",
    "b": "boolean",
    "t": "date",
}
RIGHT = {"k": "bigint", "m": "bigint", "u": "string", "e": "decimal(6,3)"}
_SHAPES = ("plain", "grouped", "windowed", "combined", "nested")


class QueryGenerator:
    """Makes the texts of random queries over ``l`` and ``r``; small keys, so that joins and groups meet."""

    def __init__(self, seed: int) -> None:
        self.left = Generator(seed, LEFT, "l")
        self.right = Generator(seed + 1_000_003, RIGHT, "r")
        self.both = Generator(seed + 2_000_003, {}, "")
        self.pick, self.chance = self.left.pick, self.left.chance

    def tables(self) -> dict[str, list[tuple[object, ...]]]:
        """Give the rows of both tables."""
        made = {"l": self.left.table(9), "r": self.right.table(6)}
        for rows in made.values():
            rows[:] = [(self.pick((1, 2, 3, None)), *row[1:]) for row in rows]
        return made

    def query(self) -> str:
        """Give the text of a random query."""
        shape = self.pick(_SHAPES)
        return str(getattr(self, shape)())

    def expr(self, kind: str, depth: int = 2) -> str:
        """Give the text of a random expression over the left table."""
        return Printer().expr(self.left.expr(kind, self.left.random.randrange(depth + 1)))

    def column(self, *, is_joined: bool) -> str:
        """Give a column of the tables in FROM."""
        own = [f"l.{n}" for n in LEFT] + ([f"r.{n}" for n in RIGHT] if is_joined else [])
        return str(self.pick(own))

    def source(self) -> tuple[str, bool]:
        """Give FROM and WHERE, and whether the right table's columns are there."""
        kind = self.pick(
            ("", "", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN")
        )
        text = "FROM l"
        if kind:
            more = (
                f" AND {self.expr('boolean', 1)}"
                if self.chance(0.3) and kind in ("JOIN", "LEFT JOIN")
                else ""
            )
            text += f" {kind} r ON l.k = r.k{more}"
        if self.chance(0.5):
            text += " WHERE " + self.pick((
                self.expr("boolean"), "l.n IN (SELECT r.m FROM r)", "EXISTS (SELECT 1 FROM r WHERE r.k = l.k AND r.m > l.n)",
                "l.n > (SELECT avg(r.m) FROM r)", "l.k NOT IN (SELECT r.k FROM r)", "l.n IS NOT NULL AND l.d > 0",
            ))  # fmt: skip
        return text, bool(kind) and kind not in ("SEMI JOIN", "ANTI JOIN")

    def plain(self) -> str:
        """Give a query of rows."""
        source, is_joined = self.source()
        columns = [self.column(is_joined=is_joined) for _ in range(2)]
        distinct = "DISTINCT " if self.chance(0.4) else ""
        items = [f"{c} AS c{i}" for i, c in enumerate(columns)]
        if not is_joined:
            items.append(
                f"{self.expr(self.pick(('bigint', 'string', 'boolean', 'decimal')))} AS c2"
            )
        text = f"SELECT {distinct}{', '.join(items)} {source}"
        if self.chance(0.4):
            ways = [
                f"c{i} {self.pick(('ASC', 'DESC', 'DESC NULLS FIRST'))}" for i in range(len(items))
            ]
            text += f" ORDER BY {', '.join(ways)} LIMIT {self.pick((1, 3, 5))}"
        return text

    def aggregates(self, *, is_joined: bool) -> list[str]:
        """Give three aggregates."""
        numbers = ["l.n % 1000", "l.d"] + (["r.m % 1000", "r.e"] if is_joined else [])
        some = [
            "count(*)", f"count({self.column(is_joined=is_joined)})", f"count(DISTINCT {self.column(is_joined=is_joined)})",
            f"sum({self.pick(numbers)})", f"avg({self.pick(numbers)})", f"min({self.column(is_joined=is_joined)})",
            f"max({self.column(is_joined=is_joined)})", f"sum(l.n % 100) FILTER (WHERE {self.expr('boolean', 1)})",
        ]  # fmt: skip
        return [str(self.pick(some)) for _ in range(3)]

    def grouped(self) -> str:
        """Give a query with aggregates."""
        source, is_joined = self.source()
        values = [f"{a} AS a{i}" for i, a in enumerate(self.aggregates(is_joined=is_joined))]
        how = self.pick(("none", "keys", "keys", "rollup", "sets"))
        if how == "none":
            return f"SELECT {', '.join(values)} {source}"
        one, two = "l.k", self.pick(("l.b", "l.s"))
        having = self.pick(("", " HAVING count(*) > 1", " HAVING sum(l.n % 10) IS NOT NULL"))
        group = {
            "keys": f"{one}, {two}",
            "rollup": f"ROLLUP ({one}, {two})",
            "sets": f"GROUPING SETS (({one}), ({two}))",
        }[how]
        return (
            f"SELECT {one} AS g, {two} AS h, {', '.join(values)} {source} GROUP BY {group}{having}"
        )

    def windowed(self) -> str:
        """Give a query with windows."""
        source, is_joined = self.source()
        partition = self.pick(("", "PARTITION BY l.k ", "PARTITION BY l.b, l.k "))
        order = self.pick(("ORDER BY l.n", "ORDER BY l.t DESC", "ORDER BY l.s NULLS FIRST, l.n"))
        frame = self.pick(("", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
                           " ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING"))  # fmt: skip
        calls = [
            f"row_number() OVER ({partition}{order})", f"rank() OVER ({partition}{order})", f"dense_rank() OVER ({partition}{order})",
            f"sum(l.n % 1000) OVER ({partition}{order}{frame})", f"count(l.n) OVER ({partition}{order}{frame})",
            f"lag(l.n) OVER ({partition}{order})", f"min(l.d) OVER ({partition}{order}{frame})", f"sum(l.d) OVER ({partition.strip()})",
        ]  # fmt: skip
        qualify = (
            f" QUALIFY row_number() OVER ({partition}{order}) <= 2" if self.chance(0.3) else ""
        )
        items = [self.column(is_joined=is_joined), "l.n", self.pick(calls), self.pick(calls)]
        return f"SELECT {', '.join(f'{x} AS c{i}' for i, x in enumerate(items))} {source}{qualify}"

    def combined(self) -> str:
        """Give a set operation."""
        word = self.pick(
            ("UNION", "UNION ALL", "EXCEPT", "EXCEPT ALL", "INTERSECT", "INTERSECT ALL")
        )
        left = self.pick(
            (
                "SELECT l.k AS x, l.s AS y FROM l",
                "SELECT l.k AS x, NULL AS y FROM l",
                "SELECT l.n % 3 AS x, 'a' AS y FROM l",
            )
        )
        right = self.pick(
            ("SELECT r.k, r.u FROM r", "SELECT r.e, r.u FROM r", "SELECT l.k, l.s FROM l WHERE l.b")
        )
        return f"{left} {word} {right}"

    def nested(self) -> str:
        """Give a query over a common table expression."""
        inner = self.plain() if self.chance(0.5) else self.grouped()
        name = "c0" if " AS c0" in inner else "a0"
        return f"WITH q AS ({inner}) SELECT {name} AS x, count(*) AS n FROM q GROUP BY {name}"
