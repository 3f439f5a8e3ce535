"""Python packages that carry a program, put into the cache: no environment is changed."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from mainstem.dev import folders
from mainstem.errors import OutsideError, SettingsError

_LIMIT_S = 900


def folder(name: str) -> Path:
    """Give the folder that holds the packages of `NAME.lock`, installed when they are not there.

    Raises
    ------
    OutsideError
        `DownloadFailed`, with the words of the installer.
    """
    lock = Path(__file__).with_name(f"{name}.lock")
    key = hashlib.sha256(lock.read_bytes() + sys.platform.encode()).hexdigest()[:16]
    return folders.made_once(folders.place() / f"{name}-{key}", lambda into: _install(lock, into))


def _install(lock: Path, into: Path) -> None:
    command = [*_installer(), "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
               "--target", str(into), "-r", str(lock)]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        timeout=_LIMIT_S,
    )  # fmt: skip
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise OutsideError(
            f"the packages of {lock.name} could not be installed: {said}", code="DownloadFailed",
            fix=f"pip install 'mainstem[{lock.stem}]'",
        )  # fmt: skip


def _installer() -> list[str]:
    """Give pip of this Python, else uv: mirrors in the settings of either hold."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise SettingsError(
        "neither pip nor uv is here to install a Java", code="JavaMissing",
        fix="install Java 17 or newer, or set JAVA_HOME",
    )  # fmt: skip
