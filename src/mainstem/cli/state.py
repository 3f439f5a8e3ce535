"""Where a pipeline's relative paths start and where its state is, as its settings say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainstem.definition.resolve import Resolved
    from mainstem.runtime.run import RunOptions


def state_of(resolved: Resolved) -> Path:
    """Give the state directory of a pipeline."""
    from mainstem.runtime.start import base_of
    from mainstem.runtime.state import state_dir

    base = base_of(resolved.pipeline)
    usual = state_dir(base, resolved.pipeline.name)
    given = resolved.settings.run().get("state_dir")
    # The setting names the folder of all pipelines: two of them must never share one state.
    return usual if given is None else base / given.value / usual.name


def run_options(resolved: Resolved, params: Mapping[str, Any], engine: str) -> RunOptions:
    """Give the options of a run from its settings."""
    from mainstem.runtime.run import RunOptions
    from mainstem.runtime.start import base_of

    given = {name: setting.value for name, setting in resolved.settings.run().items()}
    return RunOptions(
        base_of(resolved.pipeline), state_of(resolved), dict(params), engine,
        given.get("memory_limit", ""), given.get("threads", 0),
    )  # fmt: skip
