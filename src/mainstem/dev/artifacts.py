"""The lock file of a server: every jar that it needs, with its checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mainstem.errors import OutsideError
from mainstem.record import record

_CHUNK = 1 << 20


@record
class Artifact:
    """One jar of a Maven repository.

    Parameters
    ----------
    group, name, version : str
        Its coordinates.
    sha256 : str
        Checksum of the file, as 64 hexadecimal digits.
    size_bytes : int
        Length of the file.
    """

    group: str
    name: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def file(self) -> str:
        """Give the name of the file."""
        return f"{self.name}-{self.version}.jar"

    @property
    def path(self) -> str:
        """Give where the file is in a repository."""
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.file}"

    def __str__(self) -> str:
        return f"{self.group}:{self.name}:{self.version}"


def read_lock(file: Path) -> tuple[Artifact, ...]:
    """Give what a lock file lists.

    A line holds checksum, size and coordinates; lines that begin with # are for people.
    """
    found = []
    for line in file.read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            sha256, size, coordinates = line.split()
            group, name, version = coordinates.split(":")
            found.append(Artifact(group, name, version, sha256, int(size)))
    return tuple(found)


def lock_key(artifacts: Sequence[Artifact]) -> str:
    """Give a short name of exactly these files; comments and order do not count."""
    text = "\n".join(sorted(f"{artifact.sha256} {artifact.file}" for artifact in artifacts))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256_of(file: Path) -> str:
    """Give the checksum of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while chunk := data.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check(artifact: Artifact, file: Path, *, source: str) -> None:
    """Refuse a file that is not the one that was locked.

    Raises
    ------
    OutsideError
        `ChecksumWrong`, with both checksums and where the file came from.
    """
    found = sha256_of(file)
    if found != artifact.sha256:
        raise OutsideError(
            f"{artifact} from {source} is another file: SHA-256 {found}, expected {artifact.sha256}",
            code="ChecksumWrong",
            fix="ask who runs that repository; a damaged download goes away when it is fetched again",
        )
