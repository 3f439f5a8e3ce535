"""Runs every case of files and folders, and gives how each went: what `mainstem test` tells."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mainstem.errors import MainstemError, SettingsError
from mainstem.record import record
from mainstem.testing.case import Case, read_cases
from mainstem.testing.run import run_case

SUFFIX = ".case"


@record
class Outcome:
    """How a case went on an engine.

    Parameters
    ----------
    file : str
        The case file, as it was found.
    line : int
        Where the case begins.
    title, engine : str
        Its title, "" of a file that cannot be read; the engine.
    status : str
        ``passed``, ``failed``, or ``error`` when the file or the case cannot be read.
    said : str
        Why it did not pass.
    seconds : float
        How long it took.
    """

    file: str
    line: int
    title: str
    engine: str
    status: str
    said: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give the outcome as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def case_files(paths: Sequence[Path]) -> list[Path]:
    """Give the case files that are meant: those named, and those in the folders that are.

    Folders whose names begin with a dot are passed over.

    Raises
    ------
    SettingsError
        When a path is not there, or there is no case at all.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise SettingsError(
                f"there is no file or folder {str(path)!r}", code="CasesMissing",
                fix="name a .case file, or a folder of them",
            )  # fmt: skip
        found |= dict.fromkeys([path] if path.is_file() else sorted(_inside(path)))
    if not found:
        raise SettingsError(
            f"there is no {SUFFIX} file in {', '.join(map(str, paths))}", code="CasesMissing",
            fix="write one: docs/testing.md begins with it",
        )  # fmt: skip
    return list(found)


def _inside(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent) / name for name in files if name.endswith(SUFFIX))


def outcomes(files: Sequence[Path], engines: Sequence[str], only: str = "") -> Iterator[Outcome]:
    """Run the cases of files, and give each outcome as it is there.

    Parameters
    ----------
    files : sequence of Path
        Case files.
    engines : sequence of str
        Engines that each case runs on.
    only : str
        A part of the titles of those that run; all when empty.
    """
    for file in files:
        try:
            cases = read_cases(file)
        except (MainstemError, OSError) as error:
            yield Outcome(str(file), 0, "", "", "error", str(error))
            continue
        for case in cases:
            if only.lower() in case.title.lower():
                yield from (_outcome(case, engine) for engine in engines)


def _outcome(case: Case, engine: str) -> Outcome:
    begun = time.monotonic()
    status, said = "passed", ""
    if not case.is_batch:
        status, said = "failed", "it says what a stream gives, and no engine has streams yet"
    else:
        try:
            run_case(case, engine)
        except AssertionError as error:
            status, said = "failed", str(error)
        except MainstemError as error:
            own = ("CaseSyntax", "GivenForm", "GivenMissing", "GivenUnknown")
            status, said = "error" if error.finding.code in own else "failed", str(error)
    seconds = round(time.monotonic() - begun, 3)
    where = case.place
    return Outcome(where.file, where.line, case.title, engine, status, said, seconds)
