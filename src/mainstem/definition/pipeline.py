"""`Pipeline`: the Python words in which a pipeline is written.

Declaring opens no file and no connection, starts no thread and reads no clock. What is wrong is
kept with its place, so that `Pipeline.check` can say everything at once.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar, overload

from mainstem.definition.declaration import Ref, SourceDeclaration, StepDeclaration, checked_name
from mainstem.definition.duration import parse_duration
from mainstem.definition.parameter import declared_param
from mainstem.definition.place import caller, function_place
from mainstem.errors import (
    Finding,
    Findings,
    MainstemError,
    Place,
    UnsupportedError,
    listing,
    nearest,
)
from mainstem.plan.nodes import Binding, Param, Plan
from mainstem.plan.types import Schema, parse_schema

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
ResultT = TypeVar("ResultT")

Declared = str | Mapping[str, str] | Schema
Duration = str | timedelta

MODES = ("append", "updating")

# Words that have a meaning in the design and nothing behind them yet.
RESERVED: dict[str, str] = {
    "expect": "expectations arrive in a later version; until then filter in SQL, with IS NOT TRUE "
    "for the rows that fail",
    "iterate": "iteration arrives in a later version; a recursive WITH works today",
    "map_reduce": "map/reduce in Python arrives in a later version; GROUP BY works today",
    "function": "Python functions in SQL arrive in a later version; docs/functions.md has those of "
    "today",
    "map": "Python steps arrive in a later version",
    "map_batches": "Python steps arrive in a later version",
    "process": "stateful Python steps arrive in a later version",
}


class Pipeline:
    """A pipeline: sources, views and tables, each with the place where it was written.

    Parameters
    ----------
    name : str
        Letters, digits, ``_`` and ``-``; also the name of its state directory.
    where : Place, optional
        Where it is declared, when that is not the calling Python file.

    Examples
    --------
    >>> from mainstem.connectors.files import files
    >>> p = Pipeline("big_orders")
    >>> orders = p.source("orders", files("orders.csv"), schema="id bigint, amount decimal(12,2)")
    >>> @p.table(sink=files("big.parquet"))
    ... def big():
    ...     return "SELECT id, amount FROM orders WHERE amount > 1000"
    >>> [table.name for table in p.plan().tables]
    ['big']
    """

    def __init__(self, name: str, *, where: Place | None = None) -> None:
        self.where = caller()[0] if where is None else where
        self.findings = Findings()
        # Declared, but not so that they could be read: what uses them is not a second mistake.
        self.broken: set[str] = set()
        self.name = name
        self.sources: list[SourceDeclaration] = []
        self.steps: list[StepDeclaration] = []
        self.params: list[Param] = []
        self.refs: list[Ref] = []
        self._pending: dict[str, StepDeclaration] = {}
        self.attempt(self.where, "", lambda: checked_name(name, "pipeline", self.where))

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, {len(self.sources)} sources, {len(self.steps)} steps)"

    def __getattr__(self, name: str) -> NoReturn:
        if name in RESERVED:
            raise UnsupportedError(
                f"p.{name} is a reserved word: {RESERVED[name]}", where=caller()[0],
                code="ReservedWord", fix="remove the call",
            )  # fmt: skip
        what = _no_attribute("a pipeline", name, dir(type(self)))
        raise AttributeError(what, name=name, obj=self)

    @property
    def file(self) -> Path | None:
        """Give the file that declares the pipeline, or None outside of a file."""
        name = self.where.file
        return None if not name or name.startswith("<") else Path(name)

    # Declaring

    def source(
        self, name: str, binding: Binding, *, schema: Declared | None = None, event_time: str = "",
        watermark: Duration | None = None, idle: Duration | None = None,
        max_ahead: Duration | None = None,
    ) -> Ref:  # fmt: skip
        """Declare an input.

        Parameters
        ----------
        name : str
            How SQL and `ref` call it.
        binding : Binding
            Where the rows come from, such as ``ms.files("in/*.csv")``.
        schema : str, dict or Schema
            Its columns: ``"id bigint not null, name string"``. `mainstem check --infer` writes it.
        event_time : str, optional
            Column of type TIMESTAMP that says when a row happened.
        watermark : str or timedelta, optional
            Bound on disorder in event time, such as ``"30 seconds"``; needs `event_time`.
        idle : str or timedelta, optional
            Silence after which the source no longer holds the watermark back; needs `event_time`.
        max_ahead : str or timedelta, optional
            How far ahead of its reading an event time may lie; needs `event_time`.

        Returns
        -------
        Ref
            The source by name.
        """
        where, span = caller()
        read = self._reader(where, name)
        declaration = SourceDeclaration(
            name, self._binding(binding, where, name), self._schema(schema, where, name),
            where, span, event_time, read("watermark", watermark), read("idle", idle),
            read("max_ahead", max_ahead),
        )  # fmt: skip
        self.add_source(declaration)
        return Ref(name, where)

    def lookup(
        self, name: str, binding: Binding, *, schema: Declared | None = None,
        key: str | Sequence[str] = (), refresh: Duration | None = None,
    ) -> Ref:  # fmt: skip
        """Declare a small table that rows are completed from, found by its key.

        Parameters
        ----------
        name : str
            How SQL and `ref` call it.
        binding : Binding
            Where the rows come from.
        schema : str, dict or Schema
            Its columns.
        key : str or list of str
            Columns that find a row.
        refresh : str or timedelta, optional
            How often a stream loads it again; a bounded run loads it once.

        Returns
        -------
        Ref
            The lookup by name.
        """
        where, span = caller()
        declaration = SourceDeclaration(
            name, self._binding(binding, where, name), self._schema(schema, where, name), where,
            span, is_lookup=True, key=(key,) if isinstance(key, str) else tuple(key),
            refresh=self._reader(where, name)("refresh", refresh),
        )  # fmt: skip
        self.add_source(declaration)
        return Ref(name, where)

    def param(self, name: str, type: str, *, default: Any = None) -> Param:
        """Declare a value given at the start of a run, used in SQL as ``:name``.

        Parameters
        ----------
        name : str
            Without the colon.
        type : str
            A plain type: boolean, bigint, double, decimal(p,s), string, date or timestamp.
        default : optional
            A value of that type or its text; without one every run has to give it.

        Returns
        -------
        Param
            The parameter.
        """
        where, _ = caller()
        found = self.attempt(where, "", lambda: declared_param(name, type, default, where))
        param = found or Param(str(name), parse_schema("p string").fields[0].type, where=where)
        if found is not None:
            self.add_param(param)
        return param

    @overload
    def view(self, name: FunctionT) -> FunctionT: ...
    @overload
    def view(self, name: str, sql: str | Ref) -> Ref: ...
    @overload
    def view(self, name: str | None = None) -> Callable[[FunctionT], FunctionT]: ...
    def view(self, name: Any = None, sql: str | Ref | None = None) -> Any:
        """Declare a named query, in the direct form or as a decorator of a function that gives SQL.

        Parameters
        ----------
        name : str, optional
            Name of the view; the function's name when absent.
        sql : str or Ref, optional
            The query; a reference means all of its rows.
        """
        where, span = caller()
        return self._step(name, sql, StepDeclaration("", "", where, span))

    @overload
    def table(self, name: FunctionT) -> FunctionT: ...
    @overload
    def table(
        self, name: str, sql: str | Ref, *, sink: Binding | None = None,
        schema: Declared | None = None, mode: str = "",
    ) -> Ref: ...  # fmt: skip
    @overload
    def table(
        self, name: str | None = None, *, sink: Binding | None = None,
        schema: Declared | None = None, mode: str = "",
    ) -> Callable[[FunctionT], FunctionT]: ...  # fmt: skip
    def table(
        self, name: Any = None, sql: str | Ref | None = None, *, sink: Binding | None = None,
        schema: Declared | None = None, mode: str = "",
    ) -> Any:  # fmt: skip
        """Declare a query whose rows are kept, in the direct form or as a decorator.

        Parameters
        ----------
        name : str, optional
            Name of the table; the function's name when absent.
        sql : str or Ref, optional
            The query; a reference means all of its rows.
        sink : Binding, optional
            Where the rows go; the pipeline's own state file when absent.
        schema : str, dict or Schema, optional
            Columns as the sink has them, when narrower than those of the query.
        mode : str, optional
            ``append`` or ``updating``: what the table must be; `check` fails when it is not.
        """
        where, span = caller()
        label = name if isinstance(name, str) else getattr(name, "__name__", "")
        if sink is not None:
            sink = self._binding(sink, where, label)
        if mode and mode not in MODES:
            self._wrong_mode(mode, where, label)
            mode = ""
        declared = self._schema(schema, where, label)
        return self._step(name, sql, StepDeclaration(
            "", "", where, span, is_table=True, sink=sink, sink_schema=declared, mode=mode,
        ))  # fmt: skip

    def ref(self, name: str) -> Ref:
        """Give a source, view or table by name, for f-strings and instead of SQL."""
        found = Ref(name, caller()[0])
        self.refs.append(found)
        return found

    # Using

    def check(
        self, *, env: str = "", flags: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> tuple[Finding, ...]:
        """Check everything that can be known without reading data.

        Parameters
        ----------
        env : str, optional
            Environment of mainstem.toml.
        flags : sequence of str, optional
            Overrides such as ``sources.orders.path=other.csv``.
        environ : mapping, optional
            Environment variables; those of the process when absent.

        Returns
        -------
        tuple of Finding
            The warnings; empty when there is nothing to say.

        Raises
        ------
        CheckFailed
            With all findings, when any of them is an error.
        UnsupportedError
            When the pipeline is right and this version cannot run it.
        """
        resolved = self._resolved(env, flags, environ)
        resolved.raise_errors()
        return tuple(resolved.findings.items)

    def plan(
        self, *, env: str = "", flags: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> Plan:
        """Give the checked plan; the parameters and errors are those of `check`.

        Returns
        -------
        Plan
            Frozen; equal pipelines have equal plans.

        Raises
        ------
        CheckFailed
            With all findings, when any of them is an error.
        UnsupportedError
            When the pipeline is right and this version cannot run it.
        """
        plan: Plan = self._resolved(env, flags, environ).checked_plan()
        return plan

    def run(self, **options: Any) -> Any:
        """Run the pipeline; see `mainstem.runtime.start.run_pipeline` for the options."""
        return _runtime("run_pipeline")(self, **options)

    def connect(self, **options: Any) -> Any:
        """Open the tables of the last run for reading; see `mainstem.runtime.start`."""
        return _runtime("connect_pipeline")(self, **options)

    def _resolved(self, env: str, flags: Sequence[str], environ: Mapping[str, str] | None) -> Any:
        from mainstem.definition.resolve import resolve

        return resolve(self, env=env, flags=flags, environ=environ)

    # Recording, also used by `.sql` files

    def add_source(self, declaration: SourceDeclaration) -> None:
        """Keep a source unless its name is wrong or taken."""
        kind = "lookup" if declaration.is_lookup else "source"
        if self._is_free(declaration.name, kind, declaration.where):
            self.sources.append(declaration)

    def add_step(self, declaration: StepDeclaration) -> None:
        """Keep a view or table unless its name is wrong or taken."""
        if self._is_free(declaration.name, declaration.kind, declaration.where):
            self.steps.append(declaration)

    def add_param(self, param: Param) -> None:
        """Keep a parameter unless its name is taken."""
        taken = {known.name.lower(): known for known in self.params}
        if param.name.lower() in taken:
            self._duplicate(param.name, taken[param.name.lower()].where, param.where)
        else:
            self.params.append(param)

    def declarations(self) -> list[SourceDeclaration | StepDeclaration]:
        """Give sources, lookups, views and tables, which share one space of names."""
        return [*self.sources, *self.steps]

    def pending(self) -> list[StepDeclaration]:
        """Give the views and tables that were named and never given any SQL."""
        return list(self._pending.values())

    def _step(self, name: Any, sql: str | Ref | None, blank: StepDeclaration) -> Any:
        if sql is not None:
            self.add_step(dataclasses.replace(blank, name=name, sql=sql))
            return Ref(name, blank.where)
        if callable(name):
            return self._decorated(name, "", blank)
        if name is not None:
            self._pending[str(name)] = dataclasses.replace(blank, name=str(name))
        return lambda function: self._decorated(function, name or "", blank)

    def _decorated(self, function: FunctionT, name: str, blank: StepDeclaration) -> FunctionT:
        where, span = function_place(function)
        self._pending.pop(name, None)
        own_name = name or getattr(function, "__name__", "")
        self.add_step(
            dataclasses.replace(blank, name=own_name, sql=function, where=where, span=span)
        )
        return function

    def _is_free(self, name: str, kind: str, where: Place) -> bool:
        if self.attempt(where, "", lambda: checked_name(name, kind, where)) is None:
            return False
        for other in self.declarations():
            if other.name.lower() == name.lower():
                self._duplicate(name, other.where, where)
                return False
        return True

    def _duplicate(self, name: str, first: Place, where: Place) -> None:
        self.findings.add(Finding(
            "DuplicateName", f"{name!r} is declared twice, first at {first}", where,
            "rename one of them (names are compared without regard to case)",
        ))  # fmt: skip

    def _wrong_mode(self, mode: str, where: Place, step: str) -> None:
        close = nearest(str(mode), MODES)
        self.findings.add(Finding(
            "OptionType", f"mode is {mode!r} (modes: {listing(MODES)})", where,
            f'write mode="{close or MODES[0]}"', step=step,
        ))  # fmt: skip

    def _binding(self, binding: object, where: Place, step: str) -> Binding:
        if isinstance(binding, Binding):
            return binding
        shown = type(binding).__name__
        self.findings.add(Finding(
            "BindingMissing", f"{step!r} is bound to a {shown}, not to a connector", where,
            f"write ms.files({binding if isinstance(binding, str) else 'path'!r})",
            step=step,
        ))  # fmt: skip
        return Binding("")

    def _schema(self, schema: Declared | None, where: Place, step: str) -> Schema | None:
        if schema is None:
            return None
        given = dict(schema) if isinstance(schema, Mapping) else schema
        # A schema that cannot be read is one finding; a missing one would be a second, false one.
        return self.attempt(where, step, lambda: parse_schema(given)) or Schema(())

    def _reader(
        self, where: Place, step: str
    ) -> Callable[[str, Duration | None], timedelta | None]:
        def read(name: str, value: Duration | None) -> timedelta | None:
            if value is None:
                return None
            return self.attempt(where, step, lambda: parse_duration(value, name))

        return read

    def attempt(self, where: Place, step: str, read: Callable[[], ResultT]) -> ResultT | None:
        """Keep an error as a finding at the user's call, so that the next ones are found too."""
        try:
            return read()
        except MainstemError as error:
            self.findings.add(dataclasses.replace(error.finding, where=where, step=step))
            return None


def _runtime(name: str) -> Callable[..., Any]:
    # The one place that reaches up: `p.run()` is what people type. By name, so that defining a
    # pipeline loads no runtime and no engine.
    function: Callable[..., Any] = getattr(importlib.import_module("mainstem.runtime.start"), name)
    return function


def _no_attribute(what: str, name: str, names: Sequence[str]) -> str:
    close = nearest(name, [known for known in names if not known.startswith("_")])
    return f"{what} has no {name!r}" + (f"; did you mean {close!r}?" if close else "")
