"""Run the stream, kill it with -9, run it again, and lay its answer beside that of a batch.

`make demo` calls this as its second act; it is an ordinary use of the library and the command line.
"""

import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path

from pipeline import p

from mainstem.demo.proof import Proof, compared, proof_text
from mainstem.demo.recovery import Recovery, Stream, interrupted, is_balanced, recovery_text

HERE = Path(__file__).parent
OUT = HERE / "out"
# Of each table: its columns, and when a row is final. A batch has no watermark and knows all windows.
TABLES = {
    "per_minute": (
        "window_start, views, sent, visitors, slowest_ms",
        "window_start + INTERVAL '1 minute'",
    ),
    "top_pages": ("window_start, page, views, place", "window_start + INTERVAL '1 minute'"),
    # A visit is over when the watermark is past its end, a minute when it is there (rule T4).
    "visits": ("visitor, begun, ended, views, pages", "ended + INTERVAL '1 microsecond'"),
}
LATE = "SELECT " + " + ".join(
    f"(SELECT count(*) FROM {step}__late)" for step in ("per_minute", "per_page", "visits")
)


def main() -> int:
    """Show it; 0 when nothing was lost and nothing doubled."""
    for made in ("stream", "batch"):
        shutil.rmtree(OUT / made, ignore_errors=True)
    say(
        "A live stream: views of a web site, 20,000 a second, late, repeated and broken ones among them"
    )
    stream = Stream(HERE / "pipeline.py", p.name, "views", OUT / "stream")
    recovery = interrupted(stream, kill_after=40_000, run_on=timedelta(minutes=6), tell=say)
    proof = prove(recovery, stream.state_dir, OUT / "batch")
    with p.connect(state_dir=stream.state_dir) as tables:
        late = tables.query(LATE).rows[0][0]
        dead = tables.query("SELECT count(*) FROM views__dead").rows[0][0]
    return show(recovery, proof, dead=dead, late=late)


def prove(recovery: Recovery, stream: Path, batch: Path) -> Proof:
    """Compute the same records as a batch, from nothing, and compare every table.

    The generator makes record n from its seed and n alone, so a bounded one gives the records that the
    stream has read, however often it was killed.
    """
    run_batch(recovery.ended.rows, batch)
    with p.connect(state_dir=stream) as tables:
        found = {name: rows(tables, name) for name in TABLES}
        # Which record it was and its very bytes; the batch keeps the same of its own.
        dead = tables.query('SELECT "row", raw FROM views__dead').rows
    watermark = recovery.ended.watermark
    with p.connect(state_dir=batch) as tables:
        compares = [compared(name, rows(tables, name, watermark), found[name]) for name in TABLES]
        wanted = tables.query("SELECT __row, __raw FROM views__dead").rows
    return Proof((*compares, compared("broken records", wanted, dead)))


def run_batch(count: int, folder: Path) -> None:
    """Run the pipeline over the first records of the generator, which then end."""
    p.run(flags=[f"sources.views.count={count}"], state_dir=folder)


def rows(tables, name: str, until: datetime | None = None) -> list[tuple]:
    """Give the rows of a table; of a batch those that were final at a watermark."""
    columns, end = TABLES[name]
    final = f" WHERE {end} <= TIMESTAMPTZ '{until.isoformat()}'" if until else ""
    return tables.query(f"SELECT {columns} FROM {name}{final}").rows


def show(recovery: Recovery, proof: Proof, *, dead: int, late: int) -> int:
    """Print the figures; 0 when they are as they should be."""
    say(f"\n{recovery_text(recovery, dead, late)}")
    say(f"\nbeside a batch over the same records, up to {recovery.ended.watermark:%H:%M:%S}:")
    say(proof_text(proof))
    is_right = proof.is_exact and is_balanced(recovery) and not late
    if not is_balanced(recovery):
        say("the records before and after the kill are not those that were read")
    return 0 if is_right else 1


def say(line: str) -> None:
    """Print a line now: somebody is watching."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
