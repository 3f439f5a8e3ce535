"""`mainstem verify`: one pipeline on several engines, and where they do not agree."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.cli import target
from mainstem.cli.command.run import params
from mainstem.cli.numbers import count, seconds
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import aligned, fitted, table
from mainstem.cli.terminal import harmless, is_interactive
from mainstem.cli.values import text
from mainstem.errors import UnsupportedError

if TYPE_CHECKING:
    from mainstem.engines.spec import Event
    from mainstem.plan.nodes import Plan
    from mainstem.runtime.verify import Verification
    from mainstem.runtime.verify_compare import Part
    from mainstem.runtime.verify_rows import Rows


def verify(
    file: Path | None = None, /, *, engines: str = "embedded,spark", param: tuple[str, ...] = (),
    tables_only: bool = False, as_stream: bool = False, html: Path | None = None,
    memory_limit: str = "", threads: int | None = None, chosen: Chosen = NO_CHOICE,
    common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Run a pipeline on several engines and compare their rows and counts; writes to no sink.

    Exits with 6 when they differ.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    engines : str
        Engines to compare, by commas; the others are compared with the first one.
    param : tuple of str
        Value of a parameter, as in --param day=2024-01-31; may be repeated.
    tables_only : bool
        Leave views as they are; else they are computed as tables and compared too.
    as_stream : bool
        Reserved: comparing a stream with a batch arrives in a later version.
    html : Path
        Write the answer as an HTML page.
    memory_limit : str
        What each engine may use before it spills to disk, such as 2GB.
    threads : int
        Threads of each engine; one a core when not given.

    Raises
    ------
    UnsupportedError
        For a form that is reserved.
    """
    from mainstem.runtime.verify import verify_resolved

    common.start_log()
    if as_stream:
        raise UnsupportedError(
            "--as-stream is a reserved word: streams are compared by a later version",
            code="ReservedWord", fix="leave --as-stream out: what ends is compared as a batch",
        )  # fmt: skip
    given = params(param)
    threads_text = "" if threads is None else str(threads)
    resolved = target.resolve(file, chosen, memory_limit=memory_limit, threads=threads_text)
    is_drawn = is_interactive() and not common.quiet and not common.is_json
    with _aside(is_left=is_drawn):
        found = verify_resolved(
            resolved, engines.split(","), params=given, views=not tables_only,
            watch=_drawn if is_drawn else None,
        )  # fmt: skip
    if html is not None:
        from mainstem.runtime.profile import write_text

        write_text(html, found.to_html())
    if common.is_json:
        say_json(found.to_dict())
        return found.exit_code
    if not (common.quiet and found.is_equal):
        _say(found)
    if html is not None and not common.quiet:
        say(f"written: {html}")
    found.raise_difference()
    return 0


@contextmanager
def _aside(*, is_left: bool) -> Iterator[None]:
    """Keep what functions of the user's print out of the answer; progress is drawn where it belongs."""
    if is_left:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def _drawn(name: str, plan: Plan) -> Iterator[Callable[[Event], object]]:
    from mainstem.cli.progress import Progress

    say(f"running on {name}")
    with Progress(plan) as progress:
        yield progress.take


def _say(found: Verification) -> None:
    from mainstem.runtime.verify_words import summary, verdict

    names = found.names
    parts = [part for part in found.parts if part.kind != "source" or not part.is_equal]
    if parts:
        heads = ["", "step", *(f"{n} rows" for n in names), *(f"{n} time" for n in names), "answer"]
        rows = [
            [
                part.kind, part.name, *(_count(part.rows.get(name)) for name in names),
                *(_seconds(part.seconds.get(name)) for name in names), verdict(part),
            ]
            for part in parts
        ]  # fmt: skip
        say(table(heads, rows, right=range(2, len(heads) - 1)))
    took = [(one.name, "failed" if one.error else f"ran {seconds(one.seconds)}")
            for one in found.engines]  # fmt: skip
    say(f"\n{aligned(took)}" if parts else aligned(took))
    for note in found.notes:
        say(harmless(f"  {note}"))
    for part in found.parts:
        if part.is_origin:
            _say_part(part)
    say(harmless(f"\n{summary(found)}"))


def _count(number: int | None) -> str:
    return "" if number is None else count(number)


def _seconds(number: float | None) -> str:
    return "" if number is None else seconds(number)


def _say_part(part: Part) -> None:
    say(harmless(f"\n{part.kind} {part.name} differs, and nothing that it is made of does"))
    for line in part.counts:
        say(harmless(f"  {line.text()}"))
    for rows in part.differences:
        _say_rows(part, rows)


def _say_rows(part: Part, found: Rows) -> None:
    if found.said:
        say(harmless(f"  {found.said}"))
        return
    pairs = list(zip(found.engines, found.counts, found.only, strict=True))
    told = ", ".join(f"{count(n)} only on {engine}" for engine, n, _ in pairs)
    say(harmless(f"  rows: {told}"))
    heads = ["only on", *part.columns]
    rows = [[engine, *map(text, row)] for engine, _, rows in pairs for row in rows]
    width = shutil.get_terminal_size((100, 24)).columns - 2
    shown = table(heads, fitted(heads, rows, width, range(len(heads) - 1, 0, -1)))
    say("\n".join(f"  {line}" for line in shown.splitlines()))
