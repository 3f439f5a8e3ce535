"""The plan: what a pipeline does, as frozen values without any engine in them.

A plan is a tuple of steps in dependency order. A step reads sources and earlier steps by name.
Everything that the contract needs later on a stream stands here from the first day: event time,
watermark and idle of a source (T1, T2, T8), the kind of a table (C1), the named outputs of a step
(``late``, ``dead``, ``quarantined``), and where in the user's files each thing was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import timedelta
from typing import Any

from mainstem.errors import NOWHERE, Place
from mainstem.plan.map_reduce import MapReduce
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
    on_bad : str
        What becomes of a record that does not fit the schema (V8): ``"fail"`` stops the run,
        ``"dead_letter"`` keeps it with its position and reason and goes on.
    max_bad : int or float or None
        With ``"dead_letter"``: more of them than this stop the run; a float is a share of the
        records read (0–1); None for any number.
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
    on_bad: str = "fail"
    max_bad: int | float | None = None
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
    delete_test : Query or None
        Of a sink written by key: the bound query ``SELECT <delete_when> FROM <name>``, one BOOLEAN
        column; a row for which it IS TRUE removes its key.
    declared_kind : str
        The kind that ``mode=`` asserts; "" for none.
    allowed_lateness : timedelta or None
        How long after the watermark has passed its end a window stays open (T4).
    ttl : timedelta or None
        Gap in event time after which a key of a running aggregate begins anew (C3).
    state : str
        ``"unbounded"`` when state that grows for ever was asked for; else "".
    job : MapReduce or None
        What is done in Python with the rows of the query; the step's own rows are those that come out.
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
    delete_test: Query | None = None
    declared_kind: str = ""
    allowed_lateness: timedelta | None = None
    ttl: timedelta | None = None
    state: str = ""
    job: MapReduce | None = None
    text: str = field(default="", compare=False)
    where: Place = field(default=NOWHERE, compare=False)

    @property
    def is_table(self) -> bool:
        """Say whether the step's rows are kept or written somewhere."""
        return self.sink is not None


@record
class Expectation:
    """A rule about the rows of one relation, or about the relation as a whole.

    Parameters
    ----------
    name : str
        Its name, unique within the relation.
    on : str
        The source or step that it is about.
    kind : str
        Of a row rule: ``predicate``, ``not_null``, ``accepted``, ``between``, ``matches``,
        ``unique``, ``foreign_key``. Of a table rule: ``row_count``, ``freshness``, ``volume``,
        ``completeness``.
    on_fail : str
        ``warn``, ``drop``, ``quarantine`` or ``fail``; a table rule knows ``warn`` and ``fail``.
    test : Query or None
        Row rules: the bound query ``SELECT <predicate> FROM <on>``, one BOOLEAN column. A row passes
        when it IS TRUE (V4). None for ``unique`` and table rules.
    columns : tuple of str
        What ``unique`` and ``completeness`` are about.
    options : tuple of pairs
        Bounds of table rules, by name.
    max_bad : int or float or None
        More failing rows than this stop the run; a float is a share of the rows checked (0–1).
    """

    name: str
    on: str
    kind: str
    on_fail: str
    test: Query | None = None
    columns: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    max_bad: int | float | None = None
    text: str = field(default="", compare=False)
    where: Place = field(default=NOWHERE, compare=False)


@record
class PythonFunction:
    """A function of the user's that SQL calls by its name.

    Parameters
    ----------
    name : str
        How SQL calls it; lower case, as names of functions have no case.
    takes : tuple of Type
        Types of its arguments, without the one that `open` gives.
    gives : Type
        Type of its result.
    is_batch : bool
        Whether it gets whole columns (Arrow arrays) and not one row at a time.
    is_deterministic : bool
        Whether equal arguments always give an equal result (V9).
    on_error : str
        What an exception does: ``"fail"`` ends the run, ``"dead_letter"`` keeps the row aside; ``""``
        does the first over inputs that end and the second in a stream (V10).
    null : str
        ``"skip"``: a NULL among the arguments gives NULL without a call; ``"call"``.
    workers : int or None
        Processes that call it; 0 for the run's own, None for one a core.
    batch_size : int
        Rows that are handed over at a time.
    digest : str
        Changes when its code does, or that of `open`.
    home : str
        The pipeline file from which a worker loads it; "" when it has to be sent by value.
    call, open : callable
        The function itself, and what gives its first argument, once for each worker.
    """

    name: str
    takes: tuple[Type, ...]
    gives: Type
    is_batch: bool = False
    is_deterministic: bool = True
    on_error: str = "fail"
    null: str = "skip"
    workers: int | None = None
    batch_size: int = 65_536
    digest: str = ""
    home: str = field(default="", compare=False)
    call: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    open: Callable[[], Any] | None = field(default=None, compare=False, repr=False)
    where: Place = field(default=NOWHERE, compare=False)


@record
class Plan:
    """A checked pipeline. Sources and steps are in dependency order; expectations as declared."""

    name: str
    sources: tuple[Source, ...]
    steps: tuple[Step, ...]
    params: tuple[Param, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    file: str = field(default="", compare=False)
    functions: tuple[PythonFunction, ...] = ()

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

    def expected_of(self, name: str) -> tuple[Expectation, ...]:
        """Give the expectations about a relation, in declared order."""
        return tuple(e for e in self.expectations if e.on == name)

    def readers(self, name: str) -> tuple[Step, ...]:
        """Give the steps that read `name` directly."""
        return tuple(s for s in self.steps if name in s.inputs)


def is_stream(plan: Plan) -> bool:
    """Say whether a plan reads a source that never ends."""
    return any(not source.bounded for source in plan.sources)


def streaming(sources: Iterable[Source], steps: Iterable[Step]) -> frozenset[str]:
    """Give the names of the sources that never end and of the steps that read them at some point.

    Parameters
    ----------
    sources, steps : iterable
        Of a plan; steps in dependency order.
    """
    found = {source.name for source in sources if not source.bounded}
    for step in steps:
        if found.intersection(step.inputs):
            found.add(step.name)
    return frozenset(found)


def fingerprint(value: object) -> str:
    """Give 16 hex digits that are equal for equal JSON-like values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
