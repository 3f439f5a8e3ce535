"""What an engine is: it says what it cannot do, compiles a plan into a program, and runs it.

An engine receives a `Plan`, never a user's object. `compile` is pure; `run` yields events as things
happen, and the runtime alone decides what they mean for the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from mainstem.errors import Finding
from mainstem.plan.nodes import Plan, Source, Step
from mainstem.record import record


@record
class SourceRead:
    """A source that the program reads; `columns` are those that some step uses, in schema order.

    `needs_position` asks for the hidden columns ``__file`` and ``__row`` (T11).
    """

    source: Source
    columns: tuple[str, ...]
    needs_position: bool = False


@record
class Statement:
    """One step as the engine's own SQL: a SELECT over earlier names, quoted."""

    step: Step
    sql: str


@record
class Program:
    """A compiled plan."""

    plan: Plan
    engine: str
    reads: tuple[SourceRead, ...]
    statements: tuple[Statement, ...]


@record
class Event:
    """Something that happened in a run, as plain data: kind, step or source, facts.

    Kinds: ``source_read`` (rows, bytes, files), ``step_started``, ``progress`` (fraction 0–1, rows),
    ``step_finished`` (rows, seconds), ``sink_staged``, ``sink_committed`` (rows, files, token).
    """

    kind: str
    name: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@record
class RunSettings:
    """What a run is given besides its program.

    `epoch` counts the committed runs of this state directory, this one included; with
    `plan_fingerprint` it makes the commit tokens, which do not depend on the process or `run_id`.
    """

    run_id: str
    state_dir: Path
    base_dir: Path
    params: dict[str, Any] = field(default_factory=dict)
    memory_limit: str = ""
    threads: int = 0
    started_at: str = ""
    epoch: int = 0
    plan_fingerprint: str = ""


class Engine(Protocol):
    """The seam that every engine fills."""

    name: str

    def gaps(self, plan: Plan) -> list[Finding]:
        """Give what this engine cannot run of the plan, by name; empty when all is well."""
        ...

    def compile(self, plan: Plan) -> Program:
        """Give the engine's program; pure, opens nothing."""
        ...

    def run(self, program: Program, settings: RunSettings) -> Iterator[Event]:
        """Read, compute, stage and commit. Nothing is visible outside before its commit.

        ``outputs_staged`` is yielded right before the commit, and the whole commit happens between
        that yield and the next: a caller that leaves there undoes the run, one that goes on
        has it done.
        """
        ...

    def recover(self, state_dir: Path, run_id: str) -> list[Event]:
        """Finish or undo what a killed run `run_id` left; the caller holds the state's lock.

        Gives ``recovered`` events whose fact ``outcome`` is ``finished`` or ``undone``; none when
        the run had got nowhere.
        """
        ...

    def versions(self) -> dict[str, str]:
        """Give the versions of what the engine is made of, for the journal."""
        ...
