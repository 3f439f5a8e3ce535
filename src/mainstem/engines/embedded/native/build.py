"""Compiles C sources of ours for this machine, and finds what was compiled.

A build is kept in the user's cache under a name in which its source, what it is built against and the
platform stand: after an update of any of them it is not found, and the work is done without it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mainstem.errors import OutsideError, SettingsError
from mainstem.record import record
from mainstem.settings.folders import cache

COMPILERS = ("cc", "gcc", "clang")
FOLDER = "MAINSTEM_BUILD_DIR"
# ``no`` does without builds although there are some.
CHOICE = "MAINSTEM_COMPILED"
_COMPILE_S, _TEST_S = 120, 60


@record
class Unit:
    """Something that is compiled.

    Parameters
    ----------
    name : str
        What its builds are called by.
    title : str
        What people call it.
    source : Path
        One file of C.
    against : str
        What else a build belongs to, such as the version of a library; "" for nothing.
    selftest : str
        Module that is run with the path of a new build, which is kept only when it ends with 0.
    instead : str
        What is done without a build, for messages.
    """

    name: str
    title: str
    source: Path
    against: str
    selftest: str
    instead: str


def is_wanted() -> bool:
    """Say whether builds are used at all."""
    return os.environ.get(CHOICE) != "no"


def folder() -> Path:
    """Give where builds are kept: the user's cache, or what the variable names."""
    return cache("built", FOLDER)


def built(unit: Unit) -> Path:
    """Give where the build of a source for this platform is, or would be."""
    digest = hashlib.sha256(unit.source.read_bytes()).hexdigest()[:16]
    parts = (unit.name, digest, unit.against, sys.platform, platform.machine())
    return folder() / f"{'-'.join(filter(None, parts))}.so"


def compiler() -> str:
    """Give the C compiler of this machine; "" for none. ``CC`` names another."""
    names = (os.environ.get("CC", "").split(" ")[0], *COMPILERS)
    return next((found for name in names if name and (found := shutil.which(name))), "")


def build(unit: Unit) -> Path:
    """Compile a source, test it, and keep it; gives where.

    Raises
    ------
    SettingsError
        Without a compiler.
    OutsideError
        When it does not compile, or does not pass its test.
    """
    final, program = built(unit), compiler()
    if not program:
        raise SettingsError(
            "there is no C compiler (looked for cc, gcc, clang)", code="CompilerMissing",
            fix=f"install gcc or clang, or set CC; without it {unit.instead}",
        )  # fmt: skip
    final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=final.parent) as place:
        made = Path(place) / final.name
        _run(
            unit,
            [program, "-O2", "-shared", "-fPIC", "-o", str(made), str(unit.source)],
            _COMPILE_S,
        )
        # In a process of its own: what a wrong build does is to crash.
        _run(unit, [sys.executable, "-m", unit.selftest, str(made)], _TEST_S)
        made.replace(final)
    return final


def _run(unit: Unit, words: list[str], most_s: float) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=most_s)
        said, code = (done.stderr or done.stdout).strip(), done.returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        said, code = str(error), 1
    if code:
        raise OutsideError(
            f"{unit.title} was not built: {words[0]} ended with {code}: {said[-800:]}",
            code="BuildFailed", fix=f"{unit.instead} meanwhile; report it with this message",
        )  # fmt: skip
