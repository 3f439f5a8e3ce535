"""`verify`: one pipeline on several engines, its rows and counts laid side by side.

Nothing of the user's is written: each engine has a state directory of its own in a temporary folder,
and the plan has the state file in place of every sink.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from mainstem.definition.pipeline import Pipeline
from mainstem.definition.resolve import Resolved, resolve
from mainstem.engines.spec import Engine, Event
from mainstem.errors import (
    DataError,
    Findings,
    InternalError,
    MainstemError,
    SettingsError,
    Stopped,
)
from mainstem.plan.nodes import Plan
from mainstem.record import record
from mainstem.runtime.query import connect
from mainstem.runtime.run import load_engine, run
from mainstem.runtime.signals import ending
from mainstem.runtime.start import base_of, run_options
from mainstem.runtime.verify_compare import Part, compared
from mainstem.runtime.verify_plan import Whole, refuse_gaps, refuse_streams, whole

# What is compared when nobody says.
ENGINES = ("embedded", "spark")

Watch = Callable[[str, Plan], AbstractContextManager[Callable[[Event], object]]]


@record
class EngineRun:
    """How an engine fared: its name in the answer, seconds, its ledger, or what ended it."""

    name: str
    engine: str
    seconds: float = 0.0
    ledger: dict[str, Any] | None = None
    error: MainstemError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        found = [finding.to_dict() for finding in self.error.findings] if self.error else []
        return {
            "name": self.name, "engine": self.engine, "seconds": self.seconds,
            "status": "failed" if self.error else "succeeded", "findings": found,
        }  # fmt: skip


@record
class Verification:
    """What `verify` has found.

    Parameters
    ----------
    pipeline : str
        Its name.
    engines : tuple of EngineRun
        In the order in which they were named; the first that succeeded is what the others are
        compared with.
    parts : tuple of Part
        Sources, views and tables in the order of the plan; none when fewer than two engines
        succeeded.
    notes : tuple of str
        What to know when reading it.
    """

    pipeline: str
    engines: tuple[EngineRun, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Give the engines that succeeded, as the answer calls them."""
        return tuple(one.name for one in self.engines if one.error is None)

    @property
    def failed(self) -> tuple[EngineRun, ...]:
        """Give the engines that failed."""
        return tuple(one for one in self.engines if one.error is not None)

    @property
    def first(self) -> Part | None:
        """Give the first part in the order of the plan that differs: where the difference arose."""
        return next((part for part in self.parts if not part.is_equal), None)

    @property
    def is_equal(self) -> bool:
        """Say whether every engine succeeded, with the same rows and the same counts."""
        return not self.failed and self.first is None

    @property
    def exit_code(self) -> int:
        """Give how the command line ends: 0, the code of an engine's failure, or that of data."""
        if self.failed:
            return cast("MainstemError", self.failed[0].error).exit_code
        return 0 if self.is_equal else DataError.exit_code

    def raise_difference(self) -> None:
        """Raise when the engines do not agree; for tests.

        Raises
        ------
        DataError
            Naming the first part that differs.
        MainstemError
            What ended an engine, when one has failed.
        """  # noqa: DOC501 - errors of any class
        for one in self.failed:
            raise cast("MainstemError", one.error)
        first = self.first
        if first is not None:
            others = sum(not part.is_equal for part in self.parts) - 1
            more = f", and {others} more after it" if others else ""
            raise DataError(
                f"{' and '.join(self.names)} do not agree in {first.kind} {first.name!r}{more}",
                where=first.where, step=first.name, code="EnginesDiffer",
                fix=_advice(first),
            )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data; values are Python's."""
        first = self.first
        return {
            "pipeline": self.pipeline, "equal": self.is_equal,
            "first": first.name if first is not None else None,
            "engines": [one.to_dict() for one in self.engines],
            "parts": [part.to_dict() for part in self.parts], "notes": list(self.notes),
        }  # fmt: skip

    def to_html(self) -> str:
        """Give it as one HTML page that loads nothing from anywhere."""
        from mainstem.runtime.verify_page import page

        return page(self)

    def _repr_html_(self) -> str:
        from mainstem.runtime.verify_page import fragment

        return fragment(self)


def _advice(part: Part) -> str:
    if part.kind == "source":
        return f"compare what the engines read of {part.name}, and whether it changed meanwhile"
    return f"look at {part.name}: what it is made of is the same on all of them"


def verify_pipeline(
    pipeline: Pipeline, *, engines: Sequence[str] = ENGINES,
    params: Mapping[str, Any] | None = None, env: str = "", flags: Sequence[str] = (),
    base_dir: str | Path | None = None, views: bool = True, memory_limit: str = "",
    threads: int = 0,
) -> Verification:  # fmt: skip
    """Run a pipeline on several engines and compare what they make of it.

    Parameters
    ----------
    pipeline : Pipeline
        The definition; its sources have to end.
    engines : sequence of str, optional
        Their names, at least two; one may stand there twice.
    params, env, flags, base_dir, memory_limit, threads
        As for `Pipeline.run`.
    views : bool, optional
        Whether views are computed as tables and compared too, which tells the step that differs.

    Returns
    -------
    Verification
        Whether they agree, and where not.

    Raises
    ------
    UnsupportedError
        When a source never ends, or an engine cannot run the pipeline; nothing has run.
    MainstemError
        What ended the run on every engine.
    """
    resolved = resolve(pipeline, env=env, flags=flags)
    return verify_resolved(
        resolved, engines, params=params or {}, base_dir=base_dir, views=views,
        memory_limit=memory_limit, threads=threads,
    )  # fmt: skip


def verify_resolved(
    resolved: Resolved, engines: Sequence[str], *, params: Mapping[str, Any],
    base_dir: str | Path | None = None, views: bool = True, memory_limit: str = "",
    threads: int = 0, watch: Watch | None = None,
) -> Verification:  # fmt: skip
    """Compare engines on a pipeline that was checked; see `verify_pipeline`.

    `watch` is given the name of an engine and its plan; what it yields takes the events of the run.
    """
    by_name = _engines(engines)
    plan = resolved.checked_plan()
    refuse_streams(plan)
    given = whole(plan, views=views)
    refuse_gaps(given.plan, by_name)
    base = base_of(resolved.pipeline, base_dir).absolute()
    for engine in by_name.values():
        Findings(engine.faults(given.plan, base)).raise_errors()
    now = datetime.now(UTC)
    with ending(), tempfile.TemporaryDirectory(prefix="mainstem-verify-") as folder:
        runs = []
        for number, (name, engine) in enumerate(by_name.items()):
            options = run_options(
                resolved, engine=engines[number].strip(), base_dir=base,
                state_dir=Path(folder) / str(number), params=params,
                memory_limit=memory_limit, threads=threads,
            )  # fmt: skip
            # The same start for all: now() and rules of freshness see one instant.
            options = replace(options, now=now, backups=None)
            with (watch or _unwatched)(name, given.plan) as show:
                runs.append(_run(EngineRun(name, engine.name), given.plan, options, show))
        return _verification(plan, given, runs, Path(folder))


def _unwatched(_name: str, _plan: Plan) -> AbstractContextManager[Callable[[Event], object]]:
    return nullcontext(lambda event: None)


def _engines(words: Sequence[str]) -> dict[str, Engine]:
    """Give the engines by their name in the answer: a second one of a name is ``name#2``.

    Raises
    ------
    SettingsError
        When there are not two, or there is none of a name.
    """
    names = [word.strip() for word in words]
    if len(names) < 2 or not all(names):
        raise SettingsError(
            f"the engines to compare are {', '.join(names)!r}: two are needed", code="Usage",
            fix="name them as in --engines embedded,spark",
        )  # fmt: skip
    found: dict[str, Engine] = {}
    for at, name in enumerate(names):
        n_before = names[:at].count(name)
        found[f"{name}#{n_before + 1}" if n_before else name] = load_engine(name)
    return found


def _run(one: EngineRun, plan: Plan, options: Any, show: Callable[[Event], object]) -> EngineRun:
    try:
        with closing(cast("Any", run(plan, options))) as events:
            for event in events:
                show(event)
                if event.kind == "run_ended":
                    facts = event.facts
                    one = replace(one, seconds=facts["seconds"], ledger=facts["ledger"])
    except Stopped:
        raise
    except MainstemError as error:
        return replace(one, error=error)
    except Exception as error:  # noqa: BLE001 - what the others have found is worth telling all the same
        return replace(one, error=_crashed(one, error))
    return one


def _crashed(one: EngineRun, error: Exception) -> InternalError:
    found = InternalError(
        f"engine {one.name}: {type(error).__name__}: {error}", code="EngineCrashed",
        fix="report it with the whole message; --debug shows where it was",
    )  # fmt: skip
    found.__cause__ = error
    return found


def _verification(plan: Plan, given: Whole, runs: list[EngineRun], folder: Path) -> Verification:
    good = [(number, one) for number, one in enumerate(runs) if one.error is None]
    if not good:
        # The pipeline itself fails: that is no difference between engines.
        raise cast("MainstemError", runs[0].error)
    parts: tuple[Part, ...] = ()
    if len(good) > 1:
        with ExitStack() as stack:
            tables = {
                one.name: stack.enter_context(connect(folder / str(number))) for number, one in good
            }
            ledgers = {one.name: one.ledger or {} for _, one in good}
            kinds = {step.name: "table" if step.is_table else "view" for step in plan.steps}
            parts = compared(given.plan, tables, ledgers, kinds)
    return Verification(plan.name, tuple(runs), parts, given.notes)
