"""`mainstem demo`: an example on generated data."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from mainstem.cli.ledger import shown_path
from mainstem.cli.options import NO_OPTIONS, Common
from mainstem.cli.output import say, say_json


def demo(folder: Path = Path("mainstem-demo"), /, *, common: Common = NO_OPTIONS) -> int:
    """Run an example on generated data: four weeks of a city's rental bikes.

    Writes data, a pipeline to read and change, its tables, and a page of plots. Files of an earlier
    demo are replaced.

    Parameters
    ----------
    folder : Path
        Where; mainstem-demo when not given.
    """
    from mainstem.demo.report import to_text
    from mainstem.demo.run import run_demo

    common.start_log()
    made = run_demo(folder)
    if common.is_json:
        say_json({
            "pipeline": made.pipeline, "page": made.page, "title": made.report.title,
            "lead": made.report.lead,
            "figures": [
                {"label": f.label, "value": f.value, "note": f.note} for f in made.report.figures
            ],
        })  # fmt: skip
        return 0
    say(to_text(made.report, width=shutil.get_terminal_size().columns, blocks=_has_blocks()))
    say(made.report.lead)
    if not common.quiet:
        say(f"\nplots: {shown_path(str(made.page.absolute()))}")
        say(f"next:  mainstem plan {made.pipeline}")
    return 0


def _has_blocks() -> bool:
    """Say whether standard output can show block characters."""
    try:
        "█▏".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
