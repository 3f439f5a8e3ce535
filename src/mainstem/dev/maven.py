"""Jars by way of Maven, and what Maven's own settings say."""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from mainstem.dev.artifacts import Artifact
from mainstem.errors import OutsideError, SettingsError

# What Maven asks when nobody has said anything else.
PUBLIC_REPOSITORY = "https://repo1.maven.org/maven2"
# Names the repository for us, whatever Maven's settings say; Maven itself is then not asked.
REPOSITORY = "MAINSTEM_DEV_REPOSITORY"
LIMIT_S = 900


def settings_file() -> Path:
    """Give where Maven keeps the user's settings."""
    return Path.home() / ".m2" / "settings.xml"


def program() -> str:
    """Give the program of Maven; "" when it is not there, or not to be asked."""
    return "" if os.environ.get(REPOSITORY) else shutil.which("mvn") or ""


def local_repository() -> Path:
    """Give the folder in which Maven keeps what it has fetched."""
    named = _text(_settings(), "localRepository")
    return Path(os.path.expandvars(named)) if named else settings_file().parent / "repository"


def repository() -> str:
    """Give the address that jars are fetched from without Maven.

    The variable MAINSTEM_DEV_REPOSITORY, else the mirror in Maven's settings, else the public one.
    """
    given = os.environ.get(REPOSITORY) or _mirror() or PUBLIC_REPOSITORY
    return given.rstrip("/")


def _mirror() -> str:
    """Give the first mirror that stands for the public repository."""
    for mirror in _settings().iter("mirror"):
        patterns = [part.strip() for part in _text(mirror, "mirrorOf").split(",")]
        if "!central" not in patterns and {"*", "central", "external:*"} & set(patterns):
            return _text(mirror, "url")
    return ""


def _settings() -> ET.Element:
    file = settings_file()
    try:
        root = ET.fromstring(file.read_text("utf-8"))  # noqa: S314 - a file of the user's own
    except FileNotFoundError:
        return ET.Element("settings")
    except ET.ParseError as error:
        raise SettingsError(
            f"{file} cannot be read: {error}", code="MavenSettings", fix="correct the file"
        ) from error
    for element in root.iter():
        # The names of its elements stand in a namespace, whose version differs from file to file.
        element.tag = element.tag.rpartition("}")[2]
    return root


def _text(element: ET.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def copy_by_maven(artifacts: Sequence[Artifact], folder: Path) -> None:
    """Let Maven put jars into a folder, from wherever its settings send it; it may fail."""
    pom = folder / "pom.xml"
    pom.write_text(project(artifacts), "utf-8")
    command = [program(), "-B", "-q", "-f", str(pom), "dependency:copy-dependencies",
               f"-DoutputDirectory={folder}", "-DexcludeTransitive=true"]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        _fail(f"did not end within {LIMIT_S} s: {error}")
    pom.unlink()
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        _fail("\n".join(said[:6]) or f"ended with {done.returncode}")


def _fail(said: str) -> NoReturn:
    raise OutsideError(
        f"Maven ({program()}) could not fetch the jars: {said}", code="DownloadFailed",
        fix=f"mend Maven's settings, or name a repository: export {REPOSITORY}={PUBLIC_REPOSITORY}",
    )  # fmt: skip


def project(artifacts: Sequence[Artifact]) -> str:
    """Give the project file that asks for exactly these jars, and not for what they depend on."""
    asked = "\n".join(
        f"<dependency><groupId>{a.group}</groupId><artifactId>{a.name}</artifactId>"
        f"<version>{a.version}</version><exclusions><exclusion><groupId>*</groupId>"
        "<artifactId>*</artifactId></exclusion></exclusions></dependency>"
        for a in artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>\n'
        "<groupId>mainstem</groupId><artifactId>jars</artifactId><version>1</version>\n"
        f"<packaging>pom</packaging>\n<dependencies>\n{asked}\n</dependencies></project>\n"
    )
