"""What one run commits: the chosen tables, without those that a run with its key has written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstem.engines.spec import Engine, Written
from mainstem.errors import (
    NOWHERE,
    Findings,
    Place,
    SettingsError,
    StateError,
    UnsupportedError,
    listing,
)
from mainstem.plan.nodes import Plan, Source, fingerprint, is_stream
from mainstem.plan.selection import above, below, narrowed, replayed
from mainstem.record import record
from mainstem.sql.delta import STATIC, growths, is_incremental, needs_key, refusals


@record
class Scope:
    """The part of a plan that a run computes; `already` has the tables that its key has written."""

    plan: Plan
    already: dict[str, Written]


def prints(described: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, str]:
    """Give what each source and step of a described plan is a function of, besides the data."""
    given = sorted((name, str(value)) for name, value in params.items())
    parts = {**described["sources"], **described["steps"]}
    return {name: fingerprint([part["fingerprint"], given]) for name, part in parts.items()}


def refuse_unsafe(plan: Plan, tables: frozenset[str], run_key: str) -> None:
    """Refuse what would write rows twice, or lose them; nothing has been opened yet.

    Raises
    ------
    CheckFailed
        When a table appends what is not final.
    SettingsError
        When a table appends full sources and the run has no key; when an incremental source feeds
        tables that are not chosen.
    """
    Findings([f for f in refusals(plan) if f.severity == "error"]).raise_errors()
    keyless = [name for name in needs_key(plan) if name in tables] if not run_key else []
    if keyless:
        raise SettingsError(
            f"table {keyless[0]!r} appends all rows of full sources: a second run would write them "
            "again", code="AppendNeedsKey", fix="add --run-key, such as --run-key 2026-01-31",
            step=keyless[0], where=_place(plan, keyless[0]),
        )  # fmt: skip
    _refuse_left_behind(
        plan, tables, ("is not selected", "are not selected"), ("select it too", "select them too")
    )


def _place(plan: Plan, table: str) -> Place:
    step = plan.step(table)
    return NOWHERE if step is None else step.where


def scope(
    plan: Plan, tables: frozenset[str], given: Mapping[str, str], key: tuple[Engine, Path, str]
) -> Scope:
    """Give what is left to do of the chosen tables; only called under the state's lock.

    Parameters
    ----------
    plan : Plan
        The whole plan.
    tables : frozenset of str
        The chosen ones.
    given : mapping
        `prints` of this run.
    key : tuple
        The engine, the state directory, and the run's key or "".

    Raises
    ------
    StateError
        When a run with this key was one of another plan, or of other parameters.
    """
    engine, folder, run_key = key
    written = engine.written(folder, run_key) if run_key else {}
    already = {name: found for name, found in written.items() if name in tables}
    for name, found in already.items():
        if found.plan != given[name]:
            raise StateError(
                f"run {found.run_id} wrote table {name!r} with the key {run_key!r}, by another "
                "definition or with other parameters", code="RunKeyTaken", step=name,
                where=_place(plan, name),
                fix="give this run a key of its own",
            )  # fmt: skip
    left = tables - already.keys()
    if already and left:
        before = f"written under the key {run_key!r} before"
        _refuse_left_behind(
            plan, left, (f"was {before}", f"were {before}"), ("give the run a new key",) * 2
        )
    return Scope(narrowed(plan, left), already)


def replay_tables(plan: Plan, name: str) -> frozenset[str]:
    """Give the tables that a replay of a relation writes: all that is made of it, itself included.

    Raises
    ------
    SettingsError
        When there are none.
    UnsupportedError
        When the rows are of a stream.
    CheckFailed
        When one of them would hold wrong rows afterwards.
    """
    from mainstem.sql.replay import replay_faults

    refuse_stream_replay(plan)
    names = below(plan, [name]) | {name}
    tables = frozenset(step.name for step in plan.tables if step.name in names)
    if not tables:
        raise SettingsError(
            f"no table is made of {name!r}, so its rows would go nowhere", code="ReplayNowhere",
            fix="drop the rows: mainstem quarantine drop", step=name,
        )  # fmt: skip
    Findings(replay_faults(plan, name, tables)).raise_errors()
    return tables


def refuse_stream_replay(plan: Plan) -> None:
    """Refuse to replay rows that a stream has kept aside.

    Raises
    ------
    UnsupportedError
        The windows that such rows belong to have mostly closed.
    """
    if is_stream(plan):
        raise UnsupportedError(
            "rows that a stream has kept aside are not replayed by this version: the windows that they "
            "belong to may have closed", code="StreamNotYet",
            fix="export them (mainstem quarantine export), correct them, write them where the source "
            "reads, and drop them here (mainstem quarantine drop)",
        )  # fmt: skip


def replay_plan(plan: Plan, name: str, tables: frozenset[str]) -> Plan:
    """Give the plan of a replay: rules about a whole stay where all rows are there in every run."""
    whole = [relation for relation, grown in growths(plan).items() if grown.kind == STATIC]
    return replayed(plan, name, tables, whole)


def _refuse_left_behind(
    plan: Plan, tables: frozenset[str], why: tuple[str, str], fix: tuple[str, str]
) -> None:
    """Refuse to mark new rows as read while a table that needs them does not get them.

    `why` and `fix` are said of one table and of several.

    Raises
    ------
    SettingsError
        Which names the tables.
    """
    read = above(plan, tables)
    for source in plan.sources:
        if source.name in read and is_incremental(source):
            left = [s.name for s in _fed(plan, source) if s.name not in tables]
            if left:
                several = len(left) > 1
                raise SettingsError(
                    f"new rows of source {source.name!r} would be lost for {listing(left)}, which "
                    f"{why[several]}", code="SelectLosesRows",
                    fix=f"{fix[several]}: --select {source.name}+", step=left[0],
                )  # fmt: skip


def _fed(plan: Plan, source: Source) -> list[Any]:
    names = below(plan, [source.name])
    return [step for step in plan.tables if step.name in names]
