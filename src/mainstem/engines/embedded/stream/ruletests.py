"""Rules about rows as SQL: of each row, which rule stops it, and which rules only warn."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.engines.embedded.compile import expression_sql
from mainstem.engines.embedded.fallible import can_fail
from mainstem.engines.embedded.judging.expect import STOPPING, alias_of, condition
from mainstem.engines.embedded.types import quoted
from mainstem.plan import tree as t
from mainstem.plan.nodes import Expectation
from mainstem.plan.types import Schema
from mainstem.record import record

# In place of the number of a rule: a rule's condition failed on the row, which is a dead letter (V10).
DEAD = -1
# A row's number in the table that is judged, and the number of the rule that stops it.
AT, STOP = "__at", "__stop"


@record
class Tests:
    """The SQL that tells of each row which rule stops it, and which rules only warn.

    Parameters
    ----------
    alias : str
        What conditions call the row.
    layers : tuple of str
        Columns to be computed first, one after the other.
    passes : str
        TRUE of a row that no rule says anything about.
    arms : tuple of str
        Of a CASE that gives the first rule that stops a row.
    warned : dict
        Number of a rule that warns, to what is TRUE of a row that breaks it.
    """

    alias: str
    layers: tuple[str, ...]
    passes: str
    arms: tuple[str, ...]
    warned: dict[int, str]

    @property
    def stop(self) -> str:
        """Give the rule that stops a row, NULL for none."""
        return f"CASE {' '.join(self.arms)} END" if self.arms else "CAST(NULL AS INTEGER)"

    def layered(self, table: str) -> str:
        """Give the rows of a table, each with its number and the columns that tests need."""
        relation = f"(SELECT rowid AS {AT}, * FROM {table})"
        for layer in self.layers:
            relation = f"(SELECT *, {layer} FROM {relation} AS {quoted(self.alias)})"
        return relation

    def found(self, table: str) -> str:
        """Give the numbers of the rows that any rule speaks of, each with what stops it."""
        relation = self.layered(table)
        warned = "".join(f", {sql} AS __w{index}" for index, sql in self.warned.items())
        return (
            f"SELECT {AT}, {self.stop} AS {STOP}{warned} FROM {relation} AS {quoted(self.alias)} "
            f"WHERE NOT ({self.passes})"
        )


def tests_of(name: str, schema: Schema, rules: Sequence[Expectation]) -> Tests:
    """Give the tests of rules, in declared order: each speaks of rows that no earlier one stops."""
    alias = next((alias_of(rule.test) for rule in rules if rule.test), name)
    layers: list[str] = []
    passes: list[str] = []
    arms: list[str] = []
    warned: dict[int, str] = {}
    for index, rule in enumerate(rules):
        column = f"__v{index}"
        if rule.test is None:
            stop = f"CASE {' '.join(arms)} END IS NULL" if arms else "TRUE"
            layers += [f"{stop} AS __left{index}", f"{_repeats(index, rule, schema)} AS {column}"]
            passing = f"(NOT {column})"
        else:
            expr = condition(rule.test)
            sql = expression_sql(expr)
            passing = f"coalesce({sql}, FALSE)"
            if can_fail(expr):
                # In a lambda: what a rule shares with another one is else computed before TRY, and fails.
                layers.append(
                    f"list_extract(list_transform([0], lambda _o: TRY([{sql}])), 1) AS {column}"
                )
                arms.append(f"WHEN {column} IS NULL THEN {DEAD}")
                passing = f"coalesce({column}[1], FALSE)"
            elif any(isinstance(node, t.Query) for node in t.walk(expr)):
                # A look into another relation is a join: made once, and not for each mention.
                layers.append(f"{passing} AS {column}")
                passing = column
        passes.append(passing)
        if rule.on_fail in STOPPING:
            arms.append(f"WHEN NOT {passing} THEN {index}")
        else:
            warned[index] = f"NOT {passing}"
    return Tests(alias, tuple(layers), " AND ".join(passes), tuple(arms), warned)


def _repeats(index: int, rule: Expectation, schema: Schema) -> str:
    """Give what is TRUE of a row whose key an earlier row has, among those that are left."""
    keys = [quoted(name) for name in rule.columns]
    known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    # Rows that a step computed have no position: the first is told by the values, as in a batch.
    order = ", ".join(quoted(name) for name in schema.names)
    left = f"__left{index}"
    return (
        f"({left} AND {known} AND row_number() OVER (PARTITION BY {left}, {', '.join(keys)} "
        f"ORDER BY {order}) > 1)"
    )
