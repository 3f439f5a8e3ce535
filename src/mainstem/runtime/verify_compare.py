"""What several runs of one plan have made, laid side by side: rows by V5, and the counts of the ledgers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from mainstem.errors import Place
from mainstem.plan.nodes import Plan, Source, Step
from mainstem.plan.selection import above
from mainstem.record import record
from mainstem.runtime.verify_rows import Rows
from mainstem.runtime.verify_rows import differences as row_differences
from mainstem.sql.text import quoted

if TYPE_CHECKING:
    from mainstem.runtime.query import Tables

Ledgers = Mapping[str, Mapping[str, Any]]

_COUNTS = {
    "sources": ("read", "admitted", "dead", "skipped", "quarantined", "unknown_fields", "files"),
    "steps": ("rows_out", "dead", "quarantined", "late"),
    "expectations": ("checked", "passed", "failed", "quarantined", "dropped", "warned", "is_met"),
    "kept": ("rows",),
}  # fmt: skip


@record
class Count:
    """A number of the ledgers that is not the same: whose, which, and by engine."""

    of: str
    what: str
    values: dict[str, Any]

    def text(self) -> str:
        """Give it as a line."""
        each = ", ".join(f"{value} on {engine}" for engine, value in self.values.items())
        return f"{self.of}: {self.what.replace('_', ' ')} {each}"


@record
class Part:
    """A source, view or table, as the engines have it.

    Parameters
    ----------
    name, kind : str
        ``source``, ``view`` or ``table``.
    where : Place
        Where it is declared.
    columns : tuple of str
        Of its rows.
    rows : dict
        How many, by engine; a source has none where nobody counts what is scanned in place.
    seconds : dict
        How long it took, by engine.
    differences : tuple of Rows
    counts : tuple of Count
    follows : tuple of str
        Where the differences of what it is made of arose.
    """

    name: str
    kind: str
    where: Place
    columns: tuple[str, ...] = ()
    rows: dict[str, int | None] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    differences: tuple[Rows, ...] = ()
    counts: tuple[Count, ...] = ()
    follows: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Say whether all engines have the same of it."""
        return not self.differences and not self.counts

    @property
    def is_origin(self) -> bool:
        """Say whether it differs and nothing that it is made of does."""
        return not self.is_equal and not self.follows

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data; values are Python's."""
        return {
            "name": self.name, "kind": self.kind, "file": self.where.file, "line": self.where.line,
            "equal": self.is_equal, "rows": self.rows, "seconds": self.seconds,
            "columns": list(self.columns), "follows": list(self.follows),
            "differences": [
                {
                    "between": list(one.engines), "what": one.said,
                    "only": {
                        "first": {"count": one.counts[0], "rows": [list(r) for r in one.only[0]]},
                        "second": {"count": one.counts[1], "rows": [list(r) for r in one.only[1]]},
                    },
                }
                for one in self.differences
            ],
            "counts": [{"of": c.of, "what": c.what, "values": c.values} for c in self.counts],
        }  # fmt: skip


def compared(
    plan: Plan, tables: Mapping[str, Tables], ledgers: Ledgers, kinds: Mapping[str, str]
) -> tuple[Part, ...]:
    """Compare what the engines have, the first one with each of the others.

    Parameters
    ----------
    plan : Plan
        What they ran.
    tables : mapping
        Their open state files, by engine.
    ledgers : mapping
        Those of their runs.
    kinds : mapping
        ``view`` or ``table``, by step.

    Returns
    -------
    tuple of Part
        In the order of the plan, sources first.
    """
    found: dict[str, Part] = {}
    for source in plan.sources:
        found[source.name] = _source(source, ledgers)
    for step in plan.steps:
        made_of = above(plan, [step.name])
        follows = tuple(n for n, part in found.items() if n in made_of and part.is_origin)
        found[step.name] = _step(step, tables, ledgers, (kinds[step.name], follows))
    return tuple(found.values())


def _source(source: Source, ledgers: Ledgers) -> Part:
    rows = {
        engine: ledger["sources"].get(source.name, {}).get("admitted")
        for engine, ledger in ledgers.items()
    }
    return Part(
        source.name, "source", source.where, rows=rows,
        counts=(*_counts("sources", source.name, ledgers), *_rules(source.name, ledgers)),
    )  # fmt: skip


def _step(
    step: Step, tables: Mapping[str, Tables], ledgers: Ledgers, told: tuple[str, tuple[str, ...]]
) -> Part:
    kind, follows = told
    lines = {engine: ledger["steps"].get(step.name, {}) for engine, ledger in ledgers.items()}
    rows: dict[str, int | None] = {e: line.get("rows_out") for e, line in lines.items()}
    differences: tuple[Rows, ...] = ()
    if step.sink is not None:
        name = quoted(step.name)
        rows = {
            e: one.query(f"SELECT count(*) FROM {name}").rows[0][0] for e, one in tables.items()
        }
        differences = row_differences(step, tables, max(n or 0 for n in rows.values()))
    counts = _counts("steps", step.name, ledgers)
    # The books say what the tables have: once is enough.
    counts = [c for c in counts if c.what != "rows_out" or c.values != rows]
    return Part(
        step.name, kind, step.where, step.schema.names, rows,
        {e: line["seconds"] for e, line in lines.items() if "seconds" in line}, differences,
        (*counts, *_rules(step.name, ledgers)), follows,
    )  # fmt: skip


def _counts(group: str, name: str, ledgers: Ledgers) -> list[Count]:
    lines = {engine: ledger[group].get(name) for engine, ledger in ledgers.items()}
    return _unequal(name, _COUNTS[group], lines)


def _rules(name: str, ledgers: Ledgers) -> list[Count]:
    """Compare what the expectations of a relation found, and how many of its rows were kept aside."""
    found = []
    for group in ("expectations", "kept"):
        keys = [
            key for ledger in ledgers.values() for key, line in ledger[group].items()
            if line["on"] == name
        ]  # fmt: skip
        for key in dict.fromkeys(keys):
            # A table of rows kept aside is there when there are such rows.
            empty = {"rows": 0} if group == "kept" else None
            lines = {e: ledger[group].get(key, empty) for e, ledger in ledgers.items()}
            found += _unequal(key, _COUNTS[group], lines)
    return found


def _unequal(of: str, names: Sequence[str], lines: Mapping[str, Any]) -> list[Count]:
    if any(line is None for line in lines.values()):
        there = {engine: line is not None for engine, line in lines.items()}
        return [Count(of, "is told", there)] if any(there.values()) else []
    found = []
    for name in names:
        # None: nobody counts that, as of rows which are scanned in place.
        values = {e: line[name] for e, line in lines.items() if line.get(name) is not None}
        if len(values) > 1 and len({repr(value) for value in values.values()}) > 1:
            found.append(Count(of, name, values))
    return found
