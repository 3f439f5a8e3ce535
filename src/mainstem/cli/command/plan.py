"""`mainstem plan`: what a run would do, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.cli import target
from mainstem.cli.command.runs import given
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import aligned
from mainstem.cli.values import text
from mainstem.runtime.start import state_of

if TYPE_CHECKING:
    from mainstem.definition.binding import Row
    from mainstem.plan.nodes import Binding, Plan, Step
    from mainstem.runtime.compare import Change, Comparison

SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def plan(
    file: Path | None = None, /, *, chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS
) -> int:
    """Say what a run would read, write and keep, what has changed, and who set each option.

    Nothing is read but the definition, the settings and the journal.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    """
    from mainstem.runtime.compare import compare

    common.start_log()
    resolved = target.resolve(file, chosen)
    found = resolved.checked_plan()
    compared = compare(found, state_of(resolved))
    rows = [row for row in resolved.config() if row.origin != "default"]
    if common.is_json:
        say_json(_document(found, compared, resolved.config(), state_of(resolved)))
        return 0
    parts = [
        _heading(found), _reads(found), _steps(found), _rules(found), _changes(compared),
        _section("settings", [(f"{r.section}.{r.option}", text(r.value), r.origin) for r in rows]),
    ]  # fmt: skip
    say("\n\n".join(part for part in parts if part))
    return 0


def _heading(plan: Plan) -> str:
    head = f"pipeline {plan.name}" + (f" ({plan.file})" if plan.file else "")
    params = [
        (f":{p.name}", str(p.type), f"default {text(p.default)}" if p.has_default else "required")
        for p in plan.params
    ]
    return "\n\n".join([head, _section("parameters", params)]) if params else head


def _section(title: str, rows: list[tuple[Any, ...]]) -> str:
    return f"{title}\n{aligned(rows)}" if rows else ""


def _reads(plan: Plan) -> str:
    rows = []
    for source in plan.sources:
        readers = ", ".join(step.name for step in plan.readers(source.name)) or "nothing"
        kind = "lookup" if source.is_lookup else "source"
        rows.append((source.name, kind, bound(source.binding), f"read by {readers}"))
    return _section("reads", rows)


def _steps(plan: Plan) -> str:
    rows = [
        (step.name, "table" if step.is_table else "view", f"from {', '.join(step.inputs) or '-'}",
         _kept(step))
        for step in plan.steps
    ]  # fmt: skip
    return _section("steps", rows)


def _rules(plan: Plan) -> str:
    rows = []
    for rule in plan.expectations:
        most = "" if rule.max_bad is None else f"max_bad {rule.max_bad}"
        rows.append((f"{rule.on}.{rule.name}", rule.text, rule.on_fail, most))
    return _section("expectations", rows)


def _kept(step: Step) -> str:
    if step.sink is None:
        return "not kept"
    return "kept in the state file" if step.sink.type == "state" else f"writes {bound(step.sink)}"


def bound(binding: Binding) -> str:
    """Give a binding in words: its connector, path and what else was set."""
    options = binding.as_dict()
    first = [options.pop(name) for name in ("path", "table") if name in options]
    rest = [f"{name}={_plain(value)}" for name, value in options.items()]
    return " ".join([binding.type, *map(_plain, first), *rest])


def _plain(value: Any) -> str:
    return ", ".join(map(text, value)) if isinstance(value, tuple) else text(value)


def _changes(compared: Comparison) -> str:
    if compared.last is None:
        return "since the last run\n  nothing has run yet"
    with_ = given(compared.last)
    title = f"since run {compared.last.run_id} of {compared.last.started_at[:19]}Z"
    title += f" with {with_}" if with_ else ""
    rows = [_change(c) for c in compared.changes if c.change != "same"]
    return _section(title, rows) if rows else f"{title}\n  the definition is the same"


def _change(change: Change) -> tuple[str, ...]:
    what = f"{change.change}: {', '.join(change.fields)}" if change.fields else change.change
    return f"{SIGNS[change.change]} {change.name}", change.part, what


def _document(plan: Plan, compared: Comparison, config: list[Row], state: Path) -> dict[str, Any]:
    return {
        "pipeline": plan.name, "file": plan.file, "state_dir": state,
        "params": [
            {"name": p.name, "type": str(p.type), "required": not p.has_default,
             "default": p.default}
            for p in plan.params
        ],
        "sources": [
            {"name": s.name, "type": s.binding.type, "options": s.binding.as_dict(),
             "schema": str(s.schema), "lookup": s.is_lookup,
             "read_by": [step.name for step in plan.readers(s.name)]}
            for s in plan.sources
        ],
        "steps": [
            {"name": s.name, "kind": "table" if s.is_table else "view", "inputs": s.inputs,
             "schema": str(s.schema), "file": s.where.file, "line": s.where.line,
             "sink": None if s.sink is None else {"type": s.sink.type, **s.sink.as_dict()}}
            for s in plan.steps
        ],
        "expectations": [
            {"on": e.on, "name": e.name, "kind": e.kind, "rule": e.text, "on_fail": e.on_fail,
             "max_bad": e.max_bad, "file": e.where.file, "line": e.where.line}
            for e in plan.expectations
        ],
        "last_run": compared.last.run_id if compared.last else None,
        "last_params": compared.last.params if compared.last else {},
        "changes": [change.to_dict() for change in compared.changes],
        "settings": [row.to_dict() for row in config],
    }  # fmt: skip
