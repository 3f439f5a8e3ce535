"""The plan that `verify` runs: that of the pipeline, with every step a whole table of the state file."""

from __future__ import annotations

from dataclasses import replace

from mainstem.connectors.state import state
from mainstem.engines.spec import Engine
from mainstem.errors import Finding, UnsupportedError
from mainstem.plan import tree as t
from mainstem.plan.nodes import Binding, Expectation, Plan, Source, Step
from mainstem.plan.selection import below
from mainstem.record import record

# What makes a source one of which each run reads only what is new.
_NEWS = frozenset({"incremental", "changed", "cursor"})
APPROXIMATE = frozenset({"approx_count_distinct"})


@record
class Whole:
    """A plan for `verify`; `unlimited` has the steps that lost a LIMIT, `notes` what to know of it."""

    plan: Plan
    unlimited: tuple[str, ...]
    notes: tuple[str, ...]


def whole(plan: Plan, *, views: bool = True) -> Whole:
    """Give the plan with the state file in place of every sink, read and computed as a whole.

    Parameters
    ----------
    plan : Plan
        A checked plan whose sources end.
    views : bool, optional
        Whether views are kept too, so that the one that differs can be told.
    """
    unlimited = tuple(step.name for step in plan.steps if _is_cut(step))
    grown = below(plan, unlimited) | set(unlimited)
    steps = tuple(_kept(step, views=views) for step in plan.steps)
    changed = replace(
        plan,
        sources=tuple(_all_of(source) for source in plan.sources),
        steps=steps,
        expectations=tuple(_mild(e) if e.on in grown else e for e in plan.expectations),
    )
    return Whole(changed, unlimited, tuple(_notes(plan, unlimited)))


def refuse_streams(plan: Plan) -> None:
    """Refuse a plan with sources that never end, naming them.

    Raises
    ------
    UnsupportedError
        Streams are compared by a later version.
    """  # noqa: DOC501 - built by a function
    endless = [source for source in plan.sources if not source.bounded]
    if endless:
        gaps = [Finding(
            "StreamNotYet", f"source {source.name!r} never ends, and verify compares what ends",
            source.where, "bind it to files without stream=True, or to the generator with count=",
            step=source.name,
        ) for source in endless]  # fmt: skip
        raise refused(gaps)


def refuse_gaps(plan: Plan, engines: dict[str, Engine]) -> None:
    """Refuse a plan that one of the engines cannot run, naming everything that each of them lacks.

    Raises
    ------
    UnsupportedError
        Nothing has run.
    """  # noqa: DOC501 - built by a function
    gaps = [
        replace(gap, what=f"engine {engine.name}: {gap.what}")
        for engine in {one.name: one for one in engines.values()}.values()
        for gap in engine.gaps(plan)
    ]
    if gaps:
        raise refused(gaps)


def refused(gaps: list[Finding]) -> UnsupportedError:
    """Give one error with every gap: the first in its place, the others below it."""
    first, rest = gaps[0], gaps[1:]
    more = "".join(f"\n  also: {f.what} ({f.where})" for f in rest)
    return UnsupportedError(
        first.what + more, where=first.where, fix=first.fix, code=first.code, step=first.step,
        gaps=tuple(gaps),
    )  # fmt: skip


def _is_cut(step: Step) -> bool:
    query = step.query
    has_cut = query.limit is not None or query.offset is not None
    return has_cut and not step.is_total_order


def _kept(step: Step, *, views: bool) -> Step:
    if _is_cut(step):
        # Which of the tied rows come through is anybody's choice (V6); all of them are compared.
        step = replace(step, query=replace(step.query, order=(), limit=None, offset=None))
    if step.sink is None and not views:
        return step
    return replace(step, sink=state(), delete_test=None)


def _all_of(source: Source) -> Source:
    binding = source.binding
    options = tuple(pair for pair in binding.options if pair[0] not in _NEWS)
    if options == binding.options:
        return source
    origins = tuple(pair for pair in binding.origins if pair[0] not in _NEWS)
    return replace(source, binding=Binding(binding.type, options, origins))


def _mild(rule: Expectation) -> Expectation:
    # Written for the rows that the LIMIT lets through: more of them must not end the run.
    on_fail = "warn" if rule.on_fail == "fail" else rule.on_fail
    return replace(rule, on_fail=on_fail, max_bad=None)


def _notes(plan: Plan, unlimited: tuple[str, ...]) -> list[str]:
    found = [
        f"{name}: compared without its LIMIT, as its ORDER BY leaves ties (V6)"
        for name in unlimited
    ]
    found += [
        f"{step.name}: {call.name} may differ between engines (X1)"
        for step in plan.steps
        for call in {n.name: n for n in t.walk(step.query) if isinstance(n, t.Call)}.values()
        if call.name in APPROXIMATE
    ]
    return found + [
        f"function {one.name!r} is declared as not deterministic: two runs may differ"
        for one in plan.functions if not one.is_deterministic
    ]  # fmt: skip
