"""What a pipeline has been told, kept in order; what is wrong is kept as a finding with its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from mainstem.definition.declaration import Ref, SourceDeclaration, StepDeclaration, checked_name
from mainstem.definition.expectation import ExpectationDeclaration
from mainstem.definition.place import caller, function_place
from mainstem.definition.verbs import Verbs
from mainstem.errors import Finding, Findings, MainstemError, Place, listing, nearest
from mainstem.plan.duration import parse_duration
from mainstem.plan.nodes import Binding, Param, PythonFunction
from mainstem.plan.types import Schema, parse_schema

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
ResultT = TypeVar("ResultT")

Declared = str | Mapping[str, str] | Schema
Duration = str | timedelta

MODES = ("append", "updating")
STATES = ("unbounded",)


class Recorder:
    """The memory behind the words of `Pipeline`; ``.sql`` files record into it directly."""

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
        self.expectations: list[ExpectationDeclaration] = []
        self.functions: list[PythonFunction] = []
        self._pending: dict[str, StepDeclaration] = {}
        self.attempt(self.where, "", lambda: checked_name(name, "pipeline", self.where))

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

    def add_function(self, function: PythonFunction) -> None:
        """Keep a Python function unless its name is taken by another one."""
        for other in self.functions:
            if other.name == function.name:
                self._duplicate(function.name, other.where, function.where)
                return
        self.functions.append(function)

    def declarations(self) -> list[SourceDeclaration | StepDeclaration]:
        """Give sources, lookups, views and tables, which share one space of names."""
        return [*self.sources, *self.steps]

    def pending(self) -> list[StepDeclaration]:
        """Give the views and tables that were named and never given any SQL."""
        return list(self._pending.values())

    def _step(self, name: Any, sql: str | Verbs | None, blank: StepDeclaration) -> Any:
        if sql is not None:
            self.add_step(dataclasses.replace(blank, name=name, sql=sql))
            return Ref(name, blank.where, self)
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

    def _streamed(
        self, blank: StepDeclaration, label: str, state: str, *,
        allowed_lateness: Duration | None, ttl: Duration | None,
    ) -> StepDeclaration:  # fmt: skip
        """Give a declaration with the words of streams, which views and tables share."""
        if state and state not in STATES:
            self.findings.add(Finding(
                "OptionType", f"state is {state!r} (words: {listing(STATES)})", blank.where,
                f'write state="{STATES[0]}", or remove it', step=label,
            ))  # fmt: skip
            state = ""
        read = self._reader(blank.where, label)
        return dataclasses.replace(
            blank, state=state, ttl=read("ttl", ttl),
            allowed_lateness=read("allowed_lateness", allowed_lateness),
        )  # fmt: skip

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
