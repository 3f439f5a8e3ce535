"""Runs a pipeline in a test: on rows that are given, in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mainstem.connectors.files.listing import format_of
from mainstem.connectors.state import state
from mainstem.definition.load import load
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.resolve import Resolved, resolve
from mainstem.errors import Finding, SettingsError, listing, nearest
from mainstem.formats.coercion import coerce_text
from mainstem.formats.records import Misfit
from mainstem.plan.nodes import Binding, Plan, Step, is_stream
from mainstem.plan.selection import chosen_tables, narrowed
from mainstem.plan.types import TIMESTAMP
from mainstem.record import record
from mainstem.runtime.query import Answer, connect
from mainstem.runtime.run import RunOptions
from mainstem.runtime.run import run as run_plan
from mainstem.runtime.start import base_of, run_options
from mainstem.testing.arrivals import Sections, arrivals_of, sections_of
from mainstem.testing.given import Given, bound_plan
from mainstem.testing.ran import Ran, content

if TYPE_CHECKING:
    from mainstem.testing.script import Script
    from mainstem.testing.snapshot import Album


# pytest shows the line of the test, not those here.
__tracebackhide__ = True


@record
class Words:
    """How a test runs a pipeline.

    Parameters
    ----------
    params, env, flags, run_key, select, resume, engine
        As `Pipeline.run` has them.
    now : datetime or str
        What ``now()`` and rules of freshness take for the start of the run; of a stream the time at
        which its clock begins.
    real : list of str
        Sources that are read as the pipeline binds them.
    views : list of str
        Views whose rows are kept, so that the test can look at them.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    env: str = ""
    flags: Sequence[str] = ()
    run_key: str = ""
    select: str | Sequence[str] = ()
    resume: bool = False
    engine: str = "embedded"
    now: datetime | str | None = None
    real: Sequence[str] = ()
    views: Sequence[str] = ()


class Bench:
    """A folder in which a pipeline runs, once or several times.

    Parameters
    ----------
    pipeline : Pipeline, str or Path
        The definition, or its file.
    folder : Path
        Empty; takes the rows that are given, the state, and what sinks write.
    base_dir : Path
        What relative paths of the test start at.
    name : str, optional
        Which pipeline, when the file has several.
    """

    def __init__(
        self, pipeline: Pipeline | str | Path, folder: Path, base_dir: Path, *, name: str = ""
    ) -> None:
        self.folder = folder
        self.base_dir = base_dir
        if not isinstance(pipeline, Pipeline):
            with redirect_stdout(sys.stderr):  # what the file prints is no part of an answer
                pipeline = load(base_dir / pipeline, name)
        self.pipeline = pipeline
        self.warnings: tuple[Finding, ...] = ()
        self.words = Words()
        self.album: Album | None = None
        self._bindings: dict[str, Binding] = {}
        self._number = 0
        # Of a stream: what was given so far, and whether its windows are closed.
        self._script: Script | None = None
        self._is_over = False

    @property
    def state_dir(self) -> Path:
        """Give the state directory of its runs."""
        return self.folder / "state"

    def run(self, given: Mapping[str, Given] | Sections, **words: Any) -> Ran:
        """Check and run the pipeline; words that are not given are those of the run before."""
        self.take(words)
        return self.finish(self.resolved(), given)

    def take(self, words: Mapping[str, Any]) -> None:
        """Take the words of a run.

        Raises
        ------
        SettingsError
            For a word that there is not.
        """
        known = [one.name for one in fields(cast("Any", Words))]
        for word in words:
            if word not in known:
                close = nearest(word, known)
                raise SettingsError(
                    f"a run in a test has no word {word!r} (words: {listing(known)})",
                    code="GivenUnknown", fix=f"write {close}" if close else "remove it",
                )  # fmt: skip
        one = {
            name: (words[name],) if isinstance(words[name], str) else words[name]
            for name in ("flags", "select", "real", "views") if name in words
        }  # fmt: skip
        self.words = replace(self.words, **{**words, **one})

    def resolved(self) -> Resolved:
        """Check the pipeline with its settings; nothing is raised."""
        with redirect_stdout(sys.stderr):
            return resolve(self.pipeline, env=self.words.env, flags=self.words.flags)

    def finish(self, resolved: Resolved, given: Mapping[str, Given] | Sections) -> Ran:
        """Run the pipeline that was checked."""
        sections = sections_of(given)
        whole = resolved.checked_plan()
        self.warnings = tuple(f for f in resolved.findings.items if f.severity == "warning")
        plan = redirected(whole, self.folder / "sinks", self.words.views)
        part = narrowed(plan, chosen_tables(plan, self.words.select))
        self._number += 1
        bound = bound_plan(
            plan, _firsts(plan, sections), self.folder / "given", number=self._number, base_dir=self.base_dir,
            needed=[source.name for source in part.sources], real=self.words.real,
            earlier=self._bindings,
        )  # fmt: skip
        declared = {source.name: source.binding for source in plan.sources}
        self._bindings = {s.name: s.binding for s in bound.sources if s.binding != declared[s.name]}
        return Ran(self, bound, self._end(resolved, bound, sections))

    def _end(self, resolved: Resolved, bound: Plan, sections: Sections) -> Mapping[str, Any]:
        words = self.words
        options = run_options(
            resolved, params=words.params, engine=words.engine, base_dir=base_of(self.pipeline),
            state_dir=self.state_dir, run_key=words.run_key, select=words.select,
            resume=words.resume,
        )  # fmt: skip
        options = replace(options, now=instant(words.now))
        if is_stream(bound):
            return self._play(bound, sections, options)
        with redirect_stdout(sys.stderr), closing(cast("Any", run_plan(bound, options))) as events:
            end = [event for event in events if event.kind == "run_ended"][-1]
        return cast("Mapping[str, Any]", end.facts)

    def _play(self, bound: Plan, sections: Sections, options: RunOptions) -> Mapping[str, Any]:
        """Run a stream as its marks say; another run goes on where the one before has stopped."""
        from mainstem.testing.play import play
        from mainstem.testing.script import Script, epochs_of, is_stopped

        if self._is_over:
            raise SettingsError(
                "the run before has closed every window: its sources had ended", code="GivenForm",
                fix="end what it is given with -- stop",
            )  # fmt: skip
        real = [s.name for s in bound.sources if not s.bounded and s.name in self.words.real]
        if real:
            raise SettingsError(
                f"{real[0]!r} never ends: a test cannot read all of it", code="GivenForm",
                fix="give it rows",
            )  # fmt: skip
        if self._script is None:
            self._script = Script(bound, self.folder / "arrived", options.now)
        self._script.plan = bound
        named = {source.name.lower(): source for source in bound.sources}
        lookups = frozenset(s.name for s in bound.sources if s.is_lookup)
        arrivals = [
            one for name, given in sections if (source := named[name.lower()]).is_lookup
            or not source.bounded for one in arrivals_of(source, given)
        ]  # fmt: skip
        epochs = epochs_of(arrivals, lookups)
        facts = play(bound, self._script, epochs, options)
        self._is_over = not is_stopped(epochs)
        return facts

    @property
    def clock(self) -> datetime | None:
        """Give the time of a stream's clock; None of a pipeline that has none."""
        return self._script.clock if self._script is not None else None

    @property
    def watermarks(self) -> dict[str, datetime | None]:
        """Give the watermark of each endless source."""
        return dict(self._script.watermarks) if self._script is not None else {}

    def ask(self, sql: str) -> Answer:
        """Answer a question, in DuckDB's SQL, to the tables in the state file."""
        with connect(self.state_dir) as tables:
            return tables.query(sql)

    def sink_rows(self, step: Step, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Give the rows that runs have written to a sink, as a pipeline reads them."""
        sink = cast("Binding", step.sink)
        options = sink.as_dict()
        if sink.type == "duckdb":
            read = Binding.of("duckdb", "test", path=options["path"], table=options["table"])
        else:
            of_text = {k: options[k] for k in ("header", "delimiter", "null") if k in options}
            read = Binding.of(
                "files", "test", path=options["path"], format=options["format"],
                hive=True if options.get("partition_by") else None, **of_text,
            )  # fmt: skip
        reader = Pipeline("reader", where=step.where)
        reader.source("written", read, schema=content(step))
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        reader.table("found", f"SELECT {names} FROM written")
        folder = self.folder / "reader" / step.name
        reader.run(base_dir=self.folder, state_dir=folder, engine=self.words.engine)
        with connect(folder) as tables:
            return list(tables.query("SELECT * FROM found").rows)


def _firsts(plan: Plan, sections: Sections) -> dict[str, Given]:
    """Give by source what is given for it; of a lookup of a stream its first version.

    Raises
    ------
    SettingsError
        When a source that ends is given rows twice.
    """
    versioned = {s.name.lower() for s in plan.sources if s.is_lookup or not s.bounded}
    found: dict[str, Given] = {}
    for name, given in sections:
        if name.lower() not in {one.lower() for one in found}:
            found[name] = given
        elif name.lower() not in versioned or not is_stream(plan):
            raise SettingsError(
                f"rows of {name!r} are given twice", code="GivenForm",
                fix="give them once: this source ends",
            )  # fmt: skip
    return found


def redirected(plan: Plan, folder: Path, views: Sequence[str]) -> Plan:
    """Give the plan with sinks in a folder of the test: nothing outside of it is written.

    A table that is replaced by each run goes into the state file. One that grows keeps how it does,
    as the next run meets what this one has written.

    Raises
    ------
    SettingsError
        For a view that is none.
    """
    for name in views:
        if plan.step(name) is None:
            known = [step.name for step in plan.steps]
            close = nearest(name, known)
            raise SettingsError(
                f"the pipeline has no view {name!r} (it has: {listing(known)})",
                code="GivenUnknown", fix=f"write {close}" if close else "name one of them",
            )  # fmt: skip
    steps = tuple(
        replace(step, sink=_sink(step, folder))
        if step.sink is not None
        else replace(step, sink=state() if step.name in views else None)
        for step in plan.steps
    )
    return replace(plan, steps=steps)


def _sink(step: Step, folder: Path) -> Binding:
    sink = cast("Binding", step.sink)
    options = sink.as_dict()
    if sink.type not in ("files", "duckdb") or options.get("mode", "overwrite") == "overwrite":
        return state()
    own = folder / step.name
    own.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {"path": str(own / (Path(str(options["path"])).name or step.name))}
    if sink.type == "files":
        given["format"] = options.get("format") or format_of(str(options["path"]))
    return sink.overridden(given, "test")


def instant(now: datetime | str | None) -> datetime | None:
    """Give the clock of a run in a test as an instant.

    Raises
    ------
    SettingsError
        For a text that is no instant, and a time without a zone.
    """
    if isinstance(now, str):
        try:
            return cast("datetime", coerce_text(now, TIMESTAMP))
        except Misfit as misfit:
            what = f"now is {now!r}: {misfit}"
    elif now is None or now.tzinfo is not None:
        return now
    else:
        what = f"now is {now}, which has no zone"
    raise SettingsError(what, code="GivenForm", fix='write now="2026-01-31T12:00:00Z"')
