"""The rows of an epoch as they wait in the state file: each value checked before it is promised.

What a sink could not take would stop the pipeline for ever once its epoch is committed. So the
checks run in the epoch's own SQL, where a failure loses nothing.
"""

from __future__ import annotations

from mainstem.engines.embedded.state_file import state_path
from mainstem.engines.embedded.stream.spec import OPERATION
from mainstem.engines.embedded.types import quoted
from mainstem.engines.embedded.writing.outputs import Output, judged
from mainstem.engines.embedded.writing.write import sink_columns, sink_select
from mainstem.engines.spec import RunSettings
from mainstem.errors import CheckFailed, Finding, InternalError, UnsupportedError
from mainstem.plan.nodes import Plan, Step


def stream_output(step: Step, plan: Plan, settings: RunSettings) -> Output:
    """Give the checked target of one table of a stream.

    Raises
    ------
    CheckFailed
        When the options do not go with the table's columns.
    UnsupportedError
        When a stream cannot be written in that mode.
    InternalError
        When the table has no target.
    """
    from dataclasses import replace

    alone = replace(plan, steps=(step,), sources=())
    found, findings = judged(alone, settings.base_dir, state_path(settings.state_dir))
    findings.raise_errors()
    if not found:
        raise InternalError(f"no target for {step.name!r}")
    output = found[0]
    if output.keyed is not None or (output.files and output.files.mode == "overwrite_partitions"):
        raise UnsupportedError(
            f"{output.mode} cannot write the stream {step.name!r}", where=step.where,
            step=step.name, code="SinkModeOfStream",
            fix="leave mode= out: rows are added, and those of an updating table replaced by key",
        )  # fmt: skip
    if output.kind == "file":
        raise CheckFailed([Finding(
            "FileCannotGrow", f"{output.path.name!r} is a single file, which a stream cannot add to "
            "in one step", step.where, f'name a folder: files("{output.path.stem}", '
            f'format="{output.format}")', step=step.name,
        )])  # fmt: skip
    return output


def checked(select: str, output: Output, *, is_updating: bool) -> str:
    """Give the rows as the sink declares them, each value checked; the operation stays beside."""
    if not is_updating:
        return sink_select(select, output)
    columns = ", ".join([*sink_columns(output), quoted(OPERATION)])
    return f'SELECT {columns} FROM ({select}) AS "__rows"'
