"""Which tables a run commits, when it is told: ``orders``, ``orders+``, ``+orders``, ``+orders+``.

A ``+`` in front means all that it is made of, a ``+`` behind all that is made of it. What a chosen
table reads and is not chosen itself is computed and not written: what an earlier run has left at
its sink could be of another day, and nobody would see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mainstem.errors import SettingsError, listing, nearest
from mainstem.plan import tree as t
from mainstem.plan.nodes import Expectation, Plan


def chosen_tables(plan: Plan, words: Sequence[str]) -> frozenset[str]:
    """Give the tables that a selection means; all of them for no words.

    Parameters
    ----------
    plan : Plan
        The whole plan.
    words : sequence of str
        Names of sources, views or tables, each with a ``+`` in front or behind or neither; one text
        may hold several, with blanks or commas between.

    Raises
    ------
    SettingsError
        For a name that the plan does not have, and when no table is among what is meant.
    """
    if not words:
        return frozenset(step.name for step in plan.tables)
    single = [word for text in words for word in text.replace(",", " ").split()]
    if not single:
        # A variable of a script that is empty must not mean everything.
        raise SettingsError(
            f"--select names nothing (tables: {listing(s.name for s in plan.tables)})",
            code="SelectEmpty", fix="name a table, or leave --select out for all",
        )  # fmt: skip
    found: set[str] = set()
    for word in single:
        name = _known(plan, word.strip("+"))
        found.add(name)
        if word.startswith("+"):
            found |= above(plan, [name])
        if word.endswith("+"):
            found |= below(plan, [name])
    tables = frozenset(step.name for step in plan.tables if step.name in found)
    if not tables:
        raise SettingsError(
            f"--select {' '.join(single)} means no table (tables: "
            f"{listing(s.name for s in plan.tables)})", code="SelectEmpty",
            fix=f"write {single[0].strip('+')}+ for all tables that are made of it",
        )  # fmt: skip
    return tables


def _known(plan: Plan, name: str) -> str:
    names = [s.name for s in plan.sources] + [s.name for s in plan.steps]
    found = {known.lower(): known for known in names}.get(name.lower())
    if found is None:
        close = nearest(name, names)
        raise SettingsError(
            f"--select names {name!r}, which the pipeline does not have (names: {listing(names)})",
            code="SelectNotFound", fix=f"write {close}" if close else f"write {names[0]}",
        )  # fmt: skip
    return found


def above(plan: Plan, names: Iterable[str]) -> frozenset[str]:
    """Give everything that `names` are made of, sources included, and not `names` themselves."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        step = plan.step(waiting.pop())
        for name in step.inputs if step else ():
            if name not in found:
                found.add(name)
                waiting.append(name)
    return frozenset(found)


def below(plan: Plan, names: Iterable[str]) -> frozenset[str]:
    """Give everything that is made of `names`, and not `names` themselves."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        for step in plan.readers(waiting.pop()):
            if step.name not in found:
                found.add(step.name)
                waiting.append(step.name)
    return frozenset(found)


def narrowed(plan: Plan, tables: Iterable[str]) -> Plan:
    """Give the plan that commits just these tables: the others are views in it, or gone."""
    wanted = frozenset(tables)
    if wanted == {step.name for step in plan.tables}:
        return plan
    # A rule about a kept relation may look into another one, as a foreign key does.
    kept = _closed(plan, wanted)
    rules = [e for e in plan.expectations if e.on in kept]
    while not {n for e in rules for n in _read_by(e)} <= kept:
        kept = _closed(plan, kept | {n for e in rules for n in _read_by(e)})
        rules = [e for e in plan.expectations if e.on in kept]
    return replace(
        plan,
        sources=tuple(s for s in plan.sources if s.name in kept),
        steps=tuple(
            s if s.name in wanted else replace(s, sink=None, sink_schema=None)
            for s in plan.steps if s.name in kept
        ),
        expectations=tuple(rules),
    )  # fmt: skip


def replay_needs(plan: Plan, name: str, tables: Iterable[str]) -> frozenset[str]:
    """Give what has to be there for `tables` when the rows of `name` are given; itself included."""
    found = {name, *tables}
    waiting = list(found)
    while waiting:
        at = waiting.pop()
        step = plan.step(at)
        read = set() if step is None or at == name else set(step.inputs)
        for rule in plan.expected_of(at):
            read |= _read_by(rule)
        waiting += read - found
        found |= read
    return frozenset(found)


def replayed(plan: Plan, name: str, tables: Iterable[str], judged_whole: Iterable[str]) -> Plan:
    """Give the plan of a run in which `name` is given, and just `tables` are committed.

    Rules about a whole relation, and bounds on bad rows, are about the rows of a run: they stay only
    for what is the same in every run.

    Parameters
    ----------
    plan : Plan
        The whole plan.
    name : str
        The relation whose rows are given.
    tables : iterable of str
        Tables that are committed; the others are views.
    judged_whole : iterable of str
        Relations that hold all of their rows in every run.
    """
    wanted, whole = frozenset(tables), frozenset(judged_whole) - {name}
    needed = replay_needs(plan, name, wanted)
    rules = [
        e if e.on in whole else replace(e, max_bad=None)
        for e in plan.expectations
        if e.on in needed and (e.on in whole or e.test is not None or e.kind == "unique")
    ]
    return replace(
        plan,
        steps=tuple(
            s if s.name in wanted else replace(s, sink=None, sink_schema=None) for s in plan.steps
        ),
        expectations=tuple(rules),
    )


def _closed(plan: Plan, names: Iterable[str]) -> frozenset[str]:
    return frozenset(names) | above(plan, names)


def _read_by(rule: Expectation) -> set[str]:
    if rule.test is None:
        return set()
    return {n.name for n in t.walk(rule.test) if isinstance(n, t.Table) and not n.is_cte}
