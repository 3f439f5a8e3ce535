"""Compiles the reader in C for this machine, and finds what was compiled.

A build is kept in the user's cache under a name in which its source, the version of librdkafka and the
platform stand: after an update of any of them it is not found, and reading goes on in Python.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.engines.embedded.stream.readers.kafka.client import package
from mainstem.errors import OutsideError, SettingsError
from mainstem.settings.log import logger

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.readers.kafka.compiled import Library

SOURCE = Path(__file__).with_name("_kafka_reader.c")
COMPILERS = ("cc", "gcc", "clang")
FOLDER = "MAINSTEM_BUILD_DIR"
# ``python`` reads in Python although there is a build.
CHOICE = "MAINSTEM_KAFKA_READER"
# The messages of librdkafka look as they do since 0.9; before 2.0 there was no test of ours.
OLDEST = 0x020000FF
_COMPILE_S, _TEST_S = 120, 60


def folder() -> Path:
    """Give where builds are kept: the user's cache, or what the variable names."""
    if given := os.environ.get(FOLDER):
        return Path(given).absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mainstem" / "built"
    cached = os.environ.get("XDG_CACHE_HOME", "")
    # The standard says that a relative one is to be ignored.
    base = Path(cached) if cached.startswith("/") else Path.home() / ".cache"
    return base / "mainstem" / "built"


def built() -> Path:
    """Give where the build of this source, librdkafka and platform is, or would be."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    version = package().libversion()[0]
    name = f"kafka-reader-{digest}-{version}-{sys.platform}-{platform.machine()}"
    return folder() / f"{name}.so"


def compiler() -> str:
    """Give the C compiler of this machine; "" for none. ``CC`` names another."""
    names = (os.environ.get("CC", "").split(" ")[0], *COMPILERS)
    return next((found for name in names if name and (found := shutil.which(name))), "")


def build() -> Path:
    """Compile the reader, test it, and keep it; gives where.

    Raises
    ------
    SettingsError
        Without a compiler or the package confluent-kafka.
    OutsideError
        When it does not compile, or does not read what was written.
    """
    final, program = built(), compiler()
    if not program:
        raise SettingsError(
            "there is no C compiler (looked for cc, gcc, clang)", code="CompilerMissing",
            fix="install gcc or clang, or set CC; without it Kafka is read in Python",
        )  # fmt: skip
    final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=final.parent) as place:
        made = Path(place) / final.name
        _run([program, "-O2", "-shared", "-fPIC", "-o", str(made), str(SOURCE)], _COMPILE_S)
        # In a process of its own: what a wrong build does is to crash.
        module = "mainstem.engines.embedded.stream.readers.kafka.selftest"
        _run([sys.executable, "-m", module, str(made)], _TEST_S)
        made.replace(final)
    _loaded.cache_clear()
    return final


def _run(words: list[str], most_s: float) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=most_s)
        said, code = (done.stderr or done.stdout).strip(), done.returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        said, code = str(error), 1
    if code:
        raise OutsideError(
            f"the Kafka reader was not built: {words[0]} ended with {code}: {said[-800:]}",
            code="BuildFailed", fix="Kafka is read in Python meanwhile; report it with this message",
        )  # fmt: skip


def library() -> Library | None:
    """Give the compiled reader; None when there is none for this machine, or it is not wanted."""
    if os.environ.get(CHOICE) == "python":
        return None
    try:
        file = built()
    except OSError:
        return None
    return _loaded(file) if file.is_file() else None


@cache
def _loaded(file: Path) -> Library | None:
    from mainstem.engines.embedded.stream.readers.kafka.compiled import Library

    try:
        found = Library(file, kafka_library())
        if found.version == package().libversion()[1] >= OLDEST:
            return found
        why = f"it calls librdkafka {found.version:#x}, not the one of confluent-kafka"
    except (OSError, AttributeError, LookupError) as error:
        why = str(error)
    # Reading goes on in Python with the same answers, at another speed.
    logger("kafka").warning("the compiled reader cannot be used: %s", why)
    return None


def kafka_library() -> Path:
    """Give the file of librdkafka that confluent-kafka has loaded.

    Raises
    ------
    LookupError
        When it cannot be told; such as when it was linked into the package itself.
    """
    home = Path(package().__file__).parent
    maps = Path("/proc/self/maps")
    if maps.is_file():
        lines = (line.split(maxsplit=5) for line in maps.read_text("utf-8").splitlines())
        paths = {words[5] for words in lines if len(words) == 6}
        found = [path for path in sorted(paths) if "librdkafka" in Path(path).name]
    else:
        places = (home / ".dylibs", home.parent / "confluent_kafka.libs")
        found = [str(path) for place in places for path in sorted(place.glob("librdkafka*"))]
    if len(found) != 1:
        raise LookupError(f"librdkafka was found {len(found)} times in this process")
    return Path(found[0])


def state() -> str:
    """Say for people how Kafka is read here, and how it would be read faster."""
    try:
        version = package().version()
    except SettingsError as error:
        return f"no topics can be read: {error.finding.fix}"
    if library() is not None:
        return f"compiled, with confluent-kafka {version}"
    if os.environ.get(CHOICE) == "python":
        return f"python, as {CHOICE} says"
    how = "faster" if compiler() else "faster, once there is gcc or clang"
    return f"python, with confluent-kafka {version}; mainstem doctor --build makes it {how}"
