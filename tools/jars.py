#!/usr/bin/env python3
"""Write the lock file of a local server anew: `python3 tools/jars.py kafka [GROUP:NAME:VERSION …]`.

The roots are the given coordinates, else those that the file names. Maven resolves what they need; the
checksums are of what it gives, so look at the difference before it is committed. Jars with a classifier
hold code for one kind of machine: they are left out, and said. Run when a version changes, by hand:
nothing in the build calls it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from mainstem.dev.artifacts import Artifact, sha256_of
from mainstem.dev.servers import lock_file

HEAD = """\
# Every jar of a local server: SHA-256, bytes, coordinates. Written by tools/jars.py, from these:
"""
ROOT = "# root: "


def main(kind: str, given: Sequence[str]) -> None:
    """Resolve and write."""
    file = lock_file(kind)
    roots = list(given) or [
        line.removeprefix(ROOT)
        for line in file.read_text("utf-8").splitlines()
        if line.startswith(ROOT)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        artifacts = resolve(roots, Path(scratch))
    names = [artifact.file for artifact in artifacts]
    if len(set(names)) != len(names):
        raise SystemExit("two jars have the same name: they would overwrite one another")
    lines = [f"{a.sha256} {a.size_bytes:>9} {a}" for a in artifacts]
    text = HEAD + "".join(f"{ROOT}{root}\n" for root in roots) + "\n".join(lines) + "\n"
    file.write_text(text, "utf-8")
    size = sum(artifact.size_bytes for artifact in artifacts)
    print(f"{file}: {len(artifacts)} jars, {size / 1e6:.1f} MB")


def resolve(roots: Sequence[str], folder: Path) -> list[Artifact]:
    """Give all jars that the roots need when they run."""
    asked = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>".format(
            *root.split(":")
        )
        for root in roots
    )
    (folder / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>mainstem</groupId>"
        "<artifactId>roots</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{asked}</dependencies></project>"
    )
    command = ["mvn", "-B", "-q", "dependency:copy-dependencies", f"-DoutputDirectory={folder}/jars",
               "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL)
    found = [artifact_of(jar, folder / "jars") for jar in (folder / "jars").rglob("*.jar")]
    return sorted(filter(None, found), key=str)


def artifact_of(jar: Path, folder: Path) -> Artifact | None:
    """Read the coordinates off the path in a repository; None for code of one kind of machine."""
    *group, name, version, _ = jar.relative_to(folder).parts
    found = Artifact(".".join(group), name, version, sha256_of(jar), jar.stat().st_size)
    if found.file != jar.name:
        print(f"left out: {jar.name}")
        return None
    return found


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
