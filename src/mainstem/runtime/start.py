"""`Pipeline.run` and `Pipeline.connect`: a definition, run from Python."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mainstem.definition.pipeline import Pipeline
from mainstem.definition.resolve import Resolved, resolve
from mainstem.engines.spec import Event
from mainstem.errors import Finding, Findings, SettingsError
from mainstem.record import record
from mainstem.runtime.run import RunOptions, load_engine, refuse_gaps, run
from mainstem.runtime.state import state_dir as default_state_dir
from mainstem.runtime.streaming import stream_settings

if TYPE_CHECKING:
    from mainstem.runtime.query import Tables


# What a result does not keep.
_PASSING = frozenset({"progress", "waiting", "epoch_committed"})


@record
class RunResult:
    """How a run ended.

    Parameters
    ----------
    run_id, status : str
        Its name in the journal; ``succeeded``, or ``stopped``.
    seconds : float
        How long it took.
    ledger : dict
        ``sources``, ``steps`` and ``sinks``, each by name (contract L1).
    events : tuple of Event
        What happened; without progress, and without the epochs of a stream, which may be millions.
    """

    run_id: str
    status: str
    seconds: float
    ledger: dict[str, Any]
    events: tuple[Event, ...]

    def rows(self, table: str) -> int:
        """Give how many rows a table got."""
        return int(self.ledger["sinks"][table]["committed"])

    def _repr_html_(self) -> str:
        from mainstem.runtime.notebook import ledger_html

        return ledger_html(
            f"{self.status} in {self.seconds:.2f} s (run {self.run_id})", self.ledger
        )


def run_pipeline(
    pipeline: Pipeline, *, params: Mapping[str, Any] | None = None, engine: str = "embedded",
    env: str = "", flags: Sequence[str] = (), base_dir: str | Path | None = None,
    state_dir: str | Path | None = None, memory_limit: str = "", threads: int = 0,
    run_key: str = "", select: str | Sequence[str] = (), resume: bool = False,
    until_caught_up: bool = False, bounded: bool = False, until: str | datetime | None = None,
    epoch_rows: int | None = None,
) -> RunResult:  # fmt: skip
    """Run a pipeline to its end; a stream goes on until it is stopped, when it is not told an end.

    Parameters
    ----------
    pipeline : Pipeline
        The definition.
    params : mapping, optional
        Values of its parameters.
    engine : str, optional
        ``embedded``.
    env, flags
        As for `Pipeline.plan`.
    base_dir : path, optional
        What relative paths are relative to; the folder of the definition, else the current one.
    state_dir : path, optional
        ``<base_dir>/.mainstem/<pipeline>`` when absent.
    memory_limit, threads
        See `RunOptions`; those of mainstem.toml when not given.
    run_key : str, optional
        With a key that was used before nothing is written twice.
    select : str or list of str, optional
        Tables to commit, such as ``"orders+"``; all when absent.
    resume : bool, optional
        Go on where the last failed run stopped.
    until_caught_up : bool, optional
        Streams: end when every source was read to its end; windows stay open, and the next run goes
        on there.
    bounded : bool, optional
        Streams: read what is there, then close every window and end; nothing can follow.
    until : str or datetime, optional
        Streams: end with the first epoch whose watermark has reached this event time.
    epoch_rows : int, optional
        Streams: records of a source that one epoch takes at most.

    Returns
    -------
    RunResult
        Ledger and events.

    Raises
    ------
    MainstemError
        Whatever ended the run; the outputs are then as they were before. A stream's committed epochs
        stay.
    """
    resolved = resolve(pipeline, env=env, flags=flags)
    options = run_options(
        resolved, params=params or {}, engine=engine, base_dir=base_dir, state_dir=state_dir,
        memory_limit=memory_limit, threads=threads, run_key=run_key, select=select, resume=resume,
    )  # fmt: skip
    plan = resolved.checked_plan()
    options = replace(options, stream=stream_settings(
        plan, until_caught_up=until_caught_up, bounded=bounded, until=until, epoch_rows=epoch_rows
    ))  # fmt: skip
    events: list[Event] = []
    show = _watcher()
    with closing(cast("Any", run(plan, options))) as stream:
        for event in stream:
            show(event)
            if event.kind not in _PASSING:
                events.append(event)
    facts = events[-1].facts
    return RunResult(
        facts["run_id"], facts["status"], facts["seconds"], facts["ledger"], tuple(events)
    )


def _watcher() -> Callable[[Event], None]:
    # IPython is there before a notebook's first cell; without it not even this module is loaded.
    if "IPython" not in sys.modules:
        return lambda event: None
    from mainstem.runtime.notebook import watcher

    return watcher()


def judged(
    resolved: Resolved, *, engine: str = "embedded", base_dir: str | Path | None = None
) -> tuple[list[Finding], list[Finding]]:  # fmt: skip
    """Give what a run would refuse of a right definition: what is wrong, and what is not yet.

    Nothing is read. Of a wrong definition there is no plan to ask about, and both are empty.
    """
    if resolved.plan is None:
        return [], []
    found = load_engine(engine)
    faults = found.faults(resolved.plan, base_of(resolved.pipeline, base_dir).absolute())
    return faults, found.gaps(resolved.plan)


def check_pipeline(
    pipeline: Pipeline, *, env: str = "", flags: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:  # fmt: skip
    """Check a pipeline, and give the warnings; see `Pipeline.check`."""
    resolved = resolve(pipeline, env=env, flags=flags, environ=environ)
    plan = resolved.checked_plan()
    faults, _ = judged(resolved)
    Findings([*resolved.findings.items, *faults]).raise_errors()
    refuse_gaps(load_engine("embedded"), plan)
    return tuple(resolved.findings.items)


def connect_pipeline(
    pipeline: Pipeline, *, env: str = "", flags: Sequence[str] = (),
    base_dir: str | Path | None = None, state_dir: str | Path | None = None,
) -> Tables:  # fmt: skip
    """Open the pipeline's tables without a sink for reading; close them, or use ``with``.

    Raises
    ------
    StateError
        When nothing has run yet, or a run is writing the tables.
    """
    from mainstem.runtime.query import connect

    resolved = resolve(pipeline, env=env, flags=flags)
    return connect(state_of(resolved, base_dir, state_dir))


def run_options(
    resolved: Resolved, *, params: Mapping[str, Any], engine: str,
    base_dir: str | Path | None = None, state_dir: str | Path | None = None,
    memory_limit: str = "", threads: int = 0, run_key: str = "",
    select: str | Sequence[str] = (), resume: bool = False, backup_to: str = "",
    backup_every: str = "", backup_keep: int | None = None,
) -> RunOptions:  # fmt: skip
    """Give the options of a run; what is given here is closer than what mainstem.toml says."""
    if not isinstance(run_key, str):
        raise SettingsError(
            f"run_key is {run_key!r}, not a text",
            code="OptionType",
            fix=f'write run_key="{run_key}"',
        )
    said = {name: setting.value for name, setting in resolved.settings.run().items()}
    to, every = backup_to or said.get("backup_to", ""), backup_every or said.get("backup_every", "")
    keep = said.get("backup_keep") if backup_keep is None else backup_keep
    base = base_of(resolved.pipeline, base_dir)
    # Given here a path is from where the user stands, in mainstem.toml from the pipeline.
    root = Path.cwd() if backup_to else base
    backups = None
    if to or every or keep is not None:
        from mainstem.runtime.backups import backup_settings

        backups = backup_settings(resolved.pipeline.name, root, to, every, keep)
    return RunOptions(
        base, state_of(resolved, base_dir, state_dir), dict(params),
        engine, memory_limit or said.get("memory_limit", ""), threads or said.get("threads", 0),
        run_key, (select,) if isinstance(select, str) else tuple(select), resume, backups=backups,
    )  # fmt: skip


def state_of(
    resolved: Resolved, base_dir: str | Path | None = None, given: str | Path | None = None
) -> Path:
    """Give the state directory: the argument, the folder of mainstem.toml, the usual place."""
    if given:
        return Path(given)
    base = base_of(resolved.pipeline, base_dir)
    usual = default_state_dir(base, resolved.pipeline.name)
    setting = resolved.settings.run().get("state_dir")
    # The setting names the folder of all pipelines: two of them must never share one state.
    return usual if setting is None else base / str(setting.value) / usual.name


def base_of(pipeline: Pipeline, base_dir: str | Path | None = None) -> Path:
    """Give what a pipeline's relative paths are relative to."""
    if base_dir is not None:
        return Path(base_dir)
    return pipeline.file.parent if pipeline.file else Path.cwd()
