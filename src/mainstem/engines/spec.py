"""What an engine is: it says what it cannot do, compiles a plan into a program, and runs it.

An engine receives a `Plan`, never a user's object. `compile` is pure; `run` yields events as things
happen, and the runtime alone decides what they mean for the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mainstem.errors import Finding
from mainstem.plan.nodes import Plan, Source, Step
from mainstem.plan.tree import Query
from mainstem.record import record

if TYPE_CHECKING:
    from mainstem.engines.desk import Desk
    from mainstem.sql.lift import Map


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
    """One step as the engine's own SQL: a SELECT over earlier names, quoted.

    `maps` have to be made before, in order: the SELECT reads the results of Python functions there.
    `map_sql` gives the rows of each.
    """

    step: Step
    sql: str
    maps: tuple[Map, ...] = ()
    map_sql: tuple[str, ...] = ()

    def helpers(self) -> tuple[tuple[str, str], ...]:
        """Give the functions that the SELECT calls and that are made for it: name and meaning."""
        return ()


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

    Kinds: ``source_read`` (rows, bytes, files), ``expectation_checked`` (of a relation: rule, counts,
    samples), ``expectation_failed`` (the rule that stopped a stream: counts of the run, samples),
    ``rows_kept`` (of a relation: table, rows, open), ``rows_replayed`` (of a relation: rows taken from
    those kept aside, and what became of them), ``step_started``, ``progress`` (fraction 0–1, rows),
    ``job_finished`` (of a map/reduce step: records, pairs, groups, rows, shuffle bytes, counters),
    ``step_finished`` (rows, seconds), ``sink_staged``, ``sink_committed`` (rows, files, token).
    """

    kind: str
    name: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@record
class Replay:
    """Rows that were kept aside and go through a pipeline again.

    Parameters
    ----------
    relation : str
        Whose rows they are.
    kind : str
        ``quarantine`` (rows that broke a rule) or ``dead`` (records that did not fit).
    rule, reason, run_id : str
        Only rows with these; "" for any.
    ids : tuple of str
        Only these; any when empty.
    sets : tuple of (column, bound query)
        Values to give before the rows are judged: ``SELECT <value> FROM <relation>``, one column of
        the column's type.
    texts : tuple of str
        Those as they were written.
    digest : str
        Of the rows that a preview has judged: others are refused. "" for any.
    """

    relation: str
    kind: str
    rule: str = ""
    reason: str = ""
    run_id: str = ""
    ids: tuple[str, ...] = ()
    sets: tuple[tuple[str, Query], ...] = ()
    texts: tuple[str, ...] = ()
    digest: str = ""

    @property
    def table(self) -> str:
        """Give the table of the state file that holds the rows."""
        return f"{self.relation}__{self.kind}"

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for the journal."""
        return {
            "relation": self.relation, "kind": self.kind, "rule": self.rule,
            "reason": self.reason, "from_run": self.run_id, "ids": list(self.ids),
            "set": list(self.texts),
        }  # fmt: skip


@record
class StreamSettings:
    """How a stream runs.

    Parameters
    ----------
    ending : str
        ``""`` runs until it is stopped; ``caught_up`` ends when every source was read to its end and
        closes nothing; ``bounded`` reads up to what is there now and then closes every window (T9);
        ``until`` ends with the first epoch whose watermark is at least `until`.
    until : datetime or None
        An event time.
    epoch_rows : int
        Records of a source that one epoch takes at most.
    max_pending : int
        Epochs that may wait for a sink; then reading waits.
    script : object, optional
        What the rows come from in place of the sources, epoch by epoch: for tests
        (`mainstem.testing.script`).
    """

    ending: str = ""
    until: datetime | None = None
    epoch_rows: int = 200_000
    max_pending: int = 8
    script: Any = None


@record
class BackupSettings:
    """Where copies of a stream's state go, how often, and how many are kept.

    Parameters
    ----------
    folder : Path
        Takes one folder for each copy.
    every_s : float
        Seconds between the begins of two.
    keep : int
        The newest ones that stay.
    """

    folder: Path
    every_s: float
    keep: int


@record
class RunSettings:
    """What a run is given besides its program.

    `epoch` counts the committed runs of this state directory, this one included; with
    `plan_fingerprint` it makes the commit tokens, which do not depend on the process or `run_id`.
    `prints` are the fingerprints of sources and steps, values of parameters included. `run_key` is
    remembered with every table that commits. `marked_run` is the last run that remembered what it
    read: the state file must know it. With `is_resumed`, tables that the last failed run had
    finished are taken from it where they would be the same. `history` has the rows that earlier
    committed runs had, oldest first, by ``relation.rule``. With `replay` a relation is not read or
    computed: its rows are those that were kept aside. `hurry` is called where a stream waits in the
    middle of an epoch; it raises when the run was asked to end and has had its time.
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
    prints: dict[str, str] = field(default_factory=dict)
    run_key: str = ""
    marked_run: str = ""
    is_resumed: bool = False
    history: dict[str, tuple[int, ...]] = field(default_factory=dict)
    replay: Replay | None = None
    stream: StreamSettings | None = None
    backups: BackupSettings | None = None
    hurry: Callable[[], None] | None = field(default=None, compare=False, repr=False)


@record
class Written:
    """A table that a run with some key has committed; `plan` is what it was a function of."""

    table: str
    plan: str
    run_id: str
    rows: int


class Engine(Protocol):
    """The seam that every engine fills."""

    name: str

    def at(self, address: str) -> Engine:
        """Give the engine as it runs elsewhere, by an address such as ``spark://host:7077``.

        Raises
        ------
        SettingsError
            When it runs nowhere but here.
        """
        ...

    def gaps(self, plan: Plan) -> list[Finding]:
        """Give what this engine cannot run of the plan, by name; empty when all is well."""
        ...

    def faults(self, plan: Plan, base_dir: Path) -> list[Finding]:
        """Give what is wrong with the plan and can be told without reading or writing.

        Such as a sink inside its own source. `run` refuses the same, by the same function: a plan
        without faults here must not be called wrong there. Relative paths start at `base_dir`.
        """
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

    def stream(
        self, plan: Plan, settings: RunSettings, desk: Desk | None = None
    ) -> Iterator[Event]:
        """Run a plan over sources that never end; each ``epoch_committed`` is final.

        Questions at the `desk` are answered between two epochs: ``status`` and ``time``; and at once,
        to what is committed: ``query`` (sql) and ``backup`` (path).

        However the caller leaves, whole epochs are committed and the rest is not. ``waiting`` comes
        about ten times a second while there is nothing to do.
        """
        ...

    def preview(self, program: Program, settings: RunSettings) -> Iterator[Event]:
        """Judge the rows of `settings.replay` as `run` would, and write nothing.

        The last event is ``rows_replayed``, with a ``digest`` of the rows.
        """
        ...

    def try_jobs(self, plan: Plan, settings: RunSettings) -> list[Finding]:
        """Try the map/reduce steps of a plan on a sample, in ways that must not matter.

        Gives those whose answer one of them changes; nothing is written.
        """
        ...

    def recover(self, state_dir: Path, run_id: str) -> list[Event]:
        """Finish or undo what a killed run `run_id` left; the caller holds the state's lock.

        Gives ``recovered`` events whose fact ``outcome`` is ``finished`` or ``undone``; none when
        the run had got nowhere.
        """
        ...

    def written(self, state_dir: Path, run_key: str) -> dict[str, Written]:
        """Give the tables that runs with this key have committed; the caller holds the lock."""
        ...

    def versions(self) -> dict[str, str]:
        """Give the versions of what the engine is made of, for the journal."""
        ...
