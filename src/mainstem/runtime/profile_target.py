"""What of a pipeline is profiled, by name; `Pipeline.profile` arrives here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mainstem.definition.pipeline import Pipeline
from mainstem.definition.resolve import Resolved, resolve
from mainstem.errors import SettingsError, listing, nearest
from mainstem.plan.nodes import Plan
from mainstem.runtime.profile import Profile, ProfileOptions, profile_relations
from mainstem.runtime.query import refuse_while_running
from mainstem.runtime.start import base_of, run_options


def profile_pipeline(
    pipeline: Pipeline, *names: str, sample: int = 0, values: bool = True, env: str = "",
    flags: Sequence[str] = (), base_dir: str | Path | None = None,
    state_dir: str | Path | None = None, memory_limit: str = "", threads: int = 0,
) -> Profile:  # fmt: skip
    """Profile sources of a pipeline, and tables that its last run kept in the state file.

    Parameters
    ----------
    pipeline : Pipeline
        The definition.
    *names : str
        Sources or tables; all when there are none.
    sample : int, optional
        How many rows of each are looked at; 0 for all.
    values : bool, optional
        Whether values of texts, and the most frequent values, are told.
    env, flags, base_dir, state_dir, memory_limit, threads
        As for `Pipeline.run`.

    Returns
    -------
    Profile
        Shows itself in a notebook; see `suggest` and `compare`.

    Raises
    ------
    SettingsError
        For a name that cannot be profiled.
    StateError
        When a run is writing the tables.
    """
    return profile_resolved(
        resolve(pipeline, env=env, flags=flags), names,
        ProfileOptions(sample, values, memory_limit, threads), base_dir, state_dir,
    )  # fmt: skip


def profile_resolved(
    resolved: Resolved, names: Sequence[str], options: ProfileOptions,
    base_dir: str | Path | None = None, state_dir: str | Path | None = None,
) -> Profile:  # fmt: skip
    """Profile by name; see `profile_pipeline`.

    Raises
    ------
    SettingsError
        For a name that cannot be profiled.
    """
    refuse_sample(options.sample)
    plan = resolved.checked_plan()
    run = run_options(
        resolved, params={}, engine="embedded", base_dir=base_dir, state_dir=state_dir,
        memory_limit=options.memory_limit, threads=options.threads,
    )  # fmt: skip
    folder = run.state_dir or Path()
    sources, tables = _chosen(plan, names, folder)
    own = ProfileOptions(options.sample, options.has_values, run.memory_limit, run.threads)
    by_name = [source for source in plan.sources if source.name in sources]
    return profile_relations(by_name, tables, base_of(resolved.pipeline, base_dir), folder, own)


def refuse_sample(sample: int) -> None:
    """Refuse a sample of less than no row.

    Raises
    ------
    SettingsError
        For a number below 0.
    """
    if sample < 0:
        raise SettingsError(
            f"the sample is {sample} rows", code="Usage", fix="give a number of rows; 0 for all"
        )


def _chosen(plan: Plan, names: Sequence[str], folder: Path) -> tuple[list[str], list[str]]:
    """Give the sources and tables that are meant, in the order of the pipeline."""
    from mainstem.engines.embedded.profile.sources import table_names

    sources = [source.name for source in plan.sources]
    if names and all(name in sources for name in names):
        return [name for name in sources if name in names], []
    refuse_while_running(folder)
    kept = list(table_names(folder))
    if not names:
        own = [step.name for step in plan.tables]
        return sources, [name for name in own if name in kept]
    for name in names:
        if name not in (*sources, *kept):
            raise _unknown(plan, name, [*sources, *kept])
    return (
        [name for name in sources if name in names], [name for name in kept if name in names],
    )  # fmt: skip


def _unknown(plan: Plan, name: str, known: list[str]) -> SettingsError:
    step = plan.step(name)
    close = nearest(name, known)
    fix = f"write {close}" if close else f"write one of {listing(known)}"
    what = f"no source and no kept table {name!r} (names: {listing(known)})"
    if step is not None and step.sink is None:
        what, fix = f"view {name!r} is not kept", "declare it as a table without a sink, and run"
    elif step is not None and step.sink is not None and step.sink.type == "state":
        what, fix = f"table {name!r} has not been computed yet", "run the pipeline first"
    elif step is not None:
        what, fix = f"table {name!r} is where its sink is", "profile the file that it wrote"
    return SettingsError(what, code="ProfileNotFound", fix=fix, step=name)
