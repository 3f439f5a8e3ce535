"""Fingerprints: equal for equal meaning, whatever the file, the layout or the comments.

A step's fingerprint covers its own text and those of what it reads, so that a changed view changes
every table that depends on it. Secrets are no part of any: their text is ``***``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem.connectors.spec import find_connector
from mainstem.plan import tree
from mainstem.plan.nodes import PLAN_FORMAT, Binding, Param, Plan, Source, Step, fingerprint
from mainstem.plan.tree import walk
from mainstem.sql.text import to_text


def fingerprints(plan: Plan) -> dict[str, str]:
    """Give the fingerprint of every source and step, by name.

    Parameters
    ----------
    plan : Plan
        A checked plan.

    Returns
    -------
    dict
        16 hex digits by name, sources first, in the order of the plan.
    """
    params = {param.name: str(param.type) for param in plan.params}
    found = {
        source.name: fingerprint([_source(source), *_rules(plan, source.name)])
        for source in plan.sources
    }
    for step in plan.steps:
        # What a reader sees depends on the rules, and so on what the rules look at.
        seen = dict.fromkeys([*step.inputs, *_behind_rules(plan, (step.name, *step.inputs))])
        below = [(name, found[name]) for name in seen if name in found]
        own = {n.name for n in walk(step.query) if isinstance(n, tree.Param)}
        # What a job asks for in its code is known to nobody.
        used = [(name, type_) for name, type_ in params.items() if step.job or name in own]
        rules = [*_rules(plan, step.name), *_functions(plan, step)]
        found[step.name] = fingerprint([_step(step), below, used, *rules])
    return found


def plan_fingerprint(plan: Plan, parts: Mapping[str, str] | None = None) -> str:
    """Give one fingerprint of everything: name, sources, steps, parameters and bindings.

    `parts` are the plan's `fingerprints`, where they are known already.
    """
    parts = fingerprints(plan) if parts is None else parts
    params = [_param(param) for param in plan.params]
    return fingerprint([PLAN_FORMAT, plan.name, sorted(parts.items()), params])


def _source(source: Source) -> list[Any]:
    return [
        source.name, _binding(source.binding), str(source.schema), source.event_time,
        source.watermark, source.idle, source.max_ahead, source.bounded, source.key, source.refresh,
        *([] if source.on_bad == "fail" else [source.on_bad, source.max_bad]),
    ]  # fmt: skip


def _rules(plan: Plan, name: str) -> list[Any]:
    """Give the rules about a relation; nothing without any, so that old fingerprints stay."""
    found = [
        [
            one.name, one.kind, one.on_fail, "" if one.test is None else to_text(one.test),
            one.columns, one.options, one.max_bad,
        ]
        for one in plan.expected_of(name)
    ]  # fmt: skip
    return [found] if found else []


def _functions(plan: Plan, step: Step) -> list[Any]:
    """Give the Python functions that a step calls; nothing without any."""
    called = {n.name for n in walk(step.query) if isinstance(n, tree.Call)}
    found = [
        [
            one.name, list(map(str, one.takes)), str(one.gives), one.is_batch, one.is_deterministic,
            one.on_error or "fail", one.null, one.digest,
        ]
        for one in plan.functions if one.name in called
    ]  # fmt: skip
    return [["functions", found]] if found else []


def _behind_rules(plan: Plan, names: tuple[str, ...]) -> list[str]:
    tests = [e.test for name in names for e in plan.expected_of(name) if e.test is not None]
    tables = (n for test in tests for n in walk(test) if isinstance(n, tree.Table))
    return [table.name for table in tables if not table.is_cte and table.name not in names]


def _step(step: Step) -> list[Any]:
    sink_schema = None if step.sink_schema is None else str(step.sink_schema)
    sink = None if step.sink is None else _binding(step.sink)
    # What `mode` asserts and `state` allows changes no answer. Nothing without the other words, so
    # that old fingerprints stay.
    spans = [step.allowed_lateness, step.ttl]
    return [
        step.name, to_text(step.query), str(step.schema), sink, sink_schema, step.kind,
        step.outputs, *([spans] if any(span is not None for span in spans) else []),
        *([] if step.job is None else [step.job.to_facts()]),
    ]  # fmt: skip


def _binding(binding: Binding) -> list[Any]:
    """Give type and options, without those that say how to get there."""
    row = find_connector(binding.type)
    access = () if row is None else row.access
    return [binding.type, [pair for pair in binding.options if pair[0] not in access]]


def _param(param: Param) -> list[Any]:
    return [param.name, str(param.type), param.has_default, param.default]
