"""The plan: what a pipeline does, as frozen values without any engine in them.

A plan is a tuple of steps in dependency order. A step reads sources and earlier steps by name.
Everything that the contract needs later on a stream stands here from the first day: event time,
watermark and idle of a source (T1, T2, T8), the kind of a table (C1), the named outputs of a step
(``late``, ``dead``, ``quarantined``), and where in the user's files each thing was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from typing import Any

from mainstem.errors import NOWHERE, Place
from mainstem.plan.tree import Query
from mainstem.plan.types import Schema, Type
from mainstem.record import record

PLAN_FORMAT = 1


@record
class Binding:
    """What a source or sink is bound to: a connector type and its options, as plain data.

    Options are sorted pairs so that equal bindings are equal values. `origins` says for each option
    who set it (``definition``, ``mainstem.toml:12``, ``--set``); it takes no part in comparisons.
    """

    type: str
    options: tuple[tuple[str, Any], ...] = ()
    origins: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, type_: str, origin: str = "definition", **options: Any) -> Binding:
        """Build a binding from the options that are not None."""
        given = {k: _frozen(v) for k, v in options.items() if v is not None}
        pairs = tuple(sorted(given.items()))
        return cls(type_, pairs, tuple((k, origin) for k, _ in pairs))

    def as_dict(self) -> dict[str, Any]:
        """Give the options as a dict."""
        return dict(self.options)

    def overridden(self, values: Mapping[str, Any], origin: str) -> Binding:
        """Give a binding in which `values` replace the options field by field.

        Another ``type`` starts from nothing: options of one connector mean nothing to the next.
        """
        rest = {k: _frozen(v) for k, v in values.items() if k != "type"}
        type_ = str(values.get("type", self.type))
        kept = dict(self.options) if type_ == self.type else {}
        origins = dict(self.origins) if type_ == self.type else {}
        options = {**kept, **rest}
        origins |= dict.fromkeys(rest, origin)
        if type_ != self.type:
            origins["type"] = origin
        return Binding(type_, tuple(sorted(options.items())), tuple(sorted(origins.items())))


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(sorted((str(k), _frozen(v)) for k, v in value.items()))
    if isinstance(value, list | tuple | set):
        return tuple(_frozen(v) for v in value)
    return value


@record
class Source:
    """A named input with its declared schema.

    Parameters
    ----------
    name : str
        How SQL and `ref` call it.
    binding : Binding
        Where the rows come from.
    schema : Schema
        Declared columns; narrow integers are allowed here and are BIGINT inside expressions.
    event_time : str
        Column that says when a row happened; "" for none.
    watermark, idle, max_ahead : timedelta or None
        Bound on disorder, silence after which it stops holding the watermark, and how far ahead of
        its read time an event time may lie (T1, T8, T2).
    bounded : bool
        Whether the source ends.
    key : tuple of str
        Key of a lookup; empty for a source.
    refresh : timedelta or None
        How often a lookup is loaded again; None for once a run.
    """

    name: str
    binding: Binding
    schema: Schema
    event_time: str = ""
    watermark: timedelta | None = None
    idle: timedelta | None = None
    max_ahead: timedelta | None = None
    bounded: bool = True
    key: tuple[str, ...] = ()
    refresh: timedelta | None = None
    where: Place = field(default=NOWHERE, compare=False)

    @property
    def is_lookup(self) -> bool:
        """Say whether this is a lookup table."""
        return bool(self.key)


@record
class Param:
    """A value given at the start of a run, bound as ``:name`` and never pasted into SQL."""

    name: str
    type: Type
    default: Any = None
    has_default: bool = False
    where: Place = field(default=NOWHERE, compare=False)


@record
class Step:
    """A view or a table: a bound query, and for a table where its rows go.

    Parameters
    ----------
    name : str
        How later steps call it.
    query : Query
        The bound tree: names resolved, every expression typed, semantics explicit.
    schema : Schema
        The columns that it gives, in order.
    inputs : tuple of str
        Sources and steps that it reads, in order of first use.
    sink : Binding or None
        Where a table's rows go; None on a view.
    sink_schema : Schema or None
        Declared columns at the sink (narrow integers are range-checked there), None for `schema`.
    kind : str
        ``"append"`` (rows are final) or ``"updating"`` (content is the latest row per key), C1.
    outputs : tuple of str
        Named outputs besides the main one: ``late``, ``dead``, ``quarantined``.
    is_total_order : bool
        Whether the query's own final ORDER BY leaves no ties (V6).
    """

    name: str
    query: Query
    schema: Schema
    inputs: tuple[str, ...]
    sink: Binding | None = None
    sink_schema: Schema | None = None
    kind: str = "append"
    outputs: tuple[str, ...] = ()
    is_total_order: bool = False
    text: str = field(default="", compare=False)
    where: Place = field(default=NOWHERE, compare=False)

    @property
    def is_table(self) -> bool:
        """Say whether the step's rows are kept or written somewhere."""
        return self.sink is not None


@record
class Plan:
    """A checked pipeline. Sources and steps are in dependency order."""

    name: str
    sources: tuple[Source, ...]
    steps: tuple[Step, ...]
    params: tuple[Param, ...] = ()
    file: str = field(default="", compare=False)

    def source(self, name: str) -> Source | None:
        """Give the source called `name`, or None."""
        return next((s for s in self.sources if s.name == name), None)

    def step(self, name: str) -> Step | None:
        """Give the step called `name`, or None."""
        return next((s for s in self.steps if s.name == name), None)

    @property
    def tables(self) -> tuple[Step, ...]:
        """Give the steps whose rows are kept or written."""
        return tuple(s for s in self.steps if s.is_table)

    def readers(self, name: str) -> tuple[Step, ...]:
        """Give the steps that read `name` directly."""
        return tuple(s for s in self.steps if name in s.inputs)


def fingerprint(value: object) -> str:
    """Give 16 hex digits that are equal for equal JSON-like values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
