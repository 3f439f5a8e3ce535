"""`mainstem config show`: every setting and who set it."""

from __future__ import annotations

from pathlib import Path

from mainstem.cli import target
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import table


def show(
    file: Path | None = None, /, *, chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS
) -> int:
    """Show every setting of a pipeline and who set it; secrets are shown as references.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    """
    common.start_log()
    resolved = target.resolve(file, chosen)
    rows = resolved.config()
    if common.is_json:
        settings = resolved.settings
        say_json({
            "pipeline": resolved.pipeline.name, "file": settings.file, "env": settings.env,
            "environments": settings.environments, "settings": [row.to_dict() for row in rows],
        })  # fmt: skip
        return 0
    cells = [
        # An empty text would look like a value that is missing.
        (f"{row.section}.{row.option}", '""' if row.value == "" else row.value, row.origin)
        for row in rows
    ]
    say(table(("setting", "value", "set by"), cells, null="-"))
    return 0
