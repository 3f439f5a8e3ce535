"""What Spark needs on this machine, for `mainstem doctor --engine spark`; imports none of it."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import PackageNotFoundError, version

from mainstem.engines.spark.jvm import chosen

# Of Spark and its connectors, one matched set: those of 4.3 were not published when it was chosen.
LINE = "4.2."
JAVAS = (17, 21, 25)
_INSTALL = "pip install 'mainstem[spark]'"


def found() -> list[tuple[str, str, str]]:
    """Give what was looked at: name, what was found, and the fix, "" when all is well."""
    return [_package("pyspark", LINE), _package("pyarrow", ""), _java()]


def _package(name: str, line: str) -> tuple[str, str, str]:
    try:
        has = version(name)
    except PackageNotFoundError:
        return name, "not installed", _INSTALL
    return name, has, "" if has.startswith(line) else f"{_INSTALL}: it brings its line {line}x"


def _java() -> tuple[str, str, str]:
    fix = f"install a Java {', '.join(map(str, JAVAS))}, and set JAVA_HOME; or: pip install 'mainstem[jvm]'"
    java = chosen()
    if java is None:
        return "java", "not found", fix
    program = str(java.home / "bin" / "java")
    try:
        told = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=20, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError) as error:
        return "java", f"{program} does not run: {error}", fix
    number = re.search(r'version "(?:1\.)?(\d+)', told)
    is_right = number is not None and int(number[1]) in JAVAS
    return "java", f"{told.splitlines()[0]} ({program})", "" if is_right else fix
