"""Run the flights pipeline and show what it found: a summary here, and a page of plots.

`make demo` calls this; it is an ordinary use of the library.
"""

import shutil
import sys
import time
from pathlib import Path

from pipeline import p
from report import flights_report

from mainstem.demo.report import to_html, to_picture, to_text
from mainstem.demo.run import kept_tables

HERE = Path(__file__).parent
OUT = HERE / "out"


def main() -> None:
    """Run, print, and write the page and the picture of the README."""
    begun = time.monotonic()
    p.run()
    ran_s = time.monotonic() - begun
    report = flights_report(kept_tables(p))
    page, picture = OUT / "flights.html", OUT / "flights.svg"
    page.write_text(to_html(report), "utf-8")
    picture.write_text(to_picture(report.plots[2]), "utf-8")
    # Some terminals cannot write block characters; a chart of # is better than a traceback.
    can_draw = (sys.stdout.encoding or "").lower().startswith("utf")
    print(to_text(report, width=shutil.get_terminal_size().columns, blocks=can_draw))
    print(f"the pipeline took {ran_s:.1f} s")
    print(f"tables: {shown(OUT)}/on_time, {shown(OUT)}/causes, {shown(OUT)}/flights (Parquet)")
    print(f"plots:  {shown(page)}")


def shown(path: Path) -> str:
    """Give a path as seen from where the demo was started."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    main()
