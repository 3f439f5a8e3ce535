"""`mainstem test`: runs the case files of a pipeline."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.cli.numbers import plural, seconds
from mainstem.cli.options import NO_OPTIONS, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.terminal import harmless
from mainstem.errors import DataError, DefinitionError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainstem.testing.report import Outcome


def run_cases(
    *paths: Path, only: str = "", engine: tuple[str, ...] = (), common: Common = NO_OPTIONS
) -> int:
    """Run the cases in .case files: rows in, and the rows that have to come out.

    Exits with 6 when a case gives another answer, with 2 when one cannot be read.

    Parameters
    ----------
    paths : Path
        Case files, or folders of them; the current folder when absent.
    only : str
        A part of the titles of the cases to run; all when absent.
    engine : tuple of str
        Engine to run on, may be repeated; all when absent.

    Raises
    ------
    SettingsError
        When there is no case, or none of that title.
    """
    from mainstem.testing.engines import engine_names
    from mainstem.testing.report import case_files

    common.start_log()
    engines = _known(engine, engine_names())
    files = case_files(paths or (Path(),))
    found = []
    for one in _outcomes(files, engines, only):
        found.append(one)
        if not common.is_json and not (common.quiet and one.status == "passed"):
            say(_line(one, has_engine=len(engines) > 1))
    if not found and not only:
        raise SettingsError(
            f"there is no case in {', '.join(map(str, files))}", code="CasesMissing",
            fix="write one: docs/testing.md begins with it",
        )  # fmt: skip
    if not found:
        raise SettingsError(
            f"no case has {only!r} in its title", code="CasesMissing", fix="leave --only out"
        )
    if common.is_json:
        say_json(_document(found))
    elif not common.quiet:
        say(_summary(found))
        _say_pytest(files)
    return _exit_code(found)


def _known(given: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    from mainstem.runtime.run import load_engine

    for name in given:
        load_engine(name)
    return given or names


def _outcomes(files: list[Path], engines: tuple[str, ...], only: str) -> Iterator[Outcome]:
    from mainstem.testing.report import outcomes

    stream = outcomes(files, engines, only)
    while True:
        with redirect_stdout(sys.stderr):  # what a pipeline file prints is no part of the answer
            one = next(stream, None)
        if one is None:
            return
        yield one


def _line(one: Outcome, *, has_engine: bool) -> str:
    word = "ok  " if one.status == "passed" else "FAIL"
    place = f"{one.file}:{one.line}" if one.line else one.file
    engine = f" [{one.engine}]" if has_engine and one.engine else ""
    lines = [f"{word}  {place}  {one.title}{engine}".rstrip()]
    lines += [f"      {line}".rstrip() for line in one.said.splitlines()]
    return harmless("\n".join(lines))


def _summary(found: list[Outcome]) -> str:
    n_failed = sum(one.status != "passed" for one in found)
    passed = f"{plural(len(found) - n_failed, 'case')} passed"
    failed = f", {n_failed} failed" if n_failed else ""
    return f"{passed}{failed} in {seconds(sum(one.seconds for one in found))}"


def _say_pytest(files: list[Path]) -> None:
    """Tell of the tests beside the cases that this command does not run."""
    from importlib.util import find_spec

    beside = {file.parent for file in files}
    if any(next(folder.glob("test_*.py"), None) for folder in beside):
        how = (
            "run them by pytest" if find_spec("pytest") else "they need pytest: pip install pytest"
        )
        say(f"there are tests in Python here too: {how}")


def _document(found: list[Outcome]) -> dict[str, object]:
    n_failed = sum(one.status != "passed" for one in found)
    return {
        "ok": not n_failed, "passed": len(found) - n_failed, "failed": n_failed,
        "cases": [one.to_dict() for one in found],
    }  # fmt: skip


def _exit_code(found: list[Outcome]) -> int:
    statuses = {one.status for one in found}
    if "error" in statuses:
        return DefinitionError.exit_code
    return DataError.exit_code if "failed" in statuses else 0
