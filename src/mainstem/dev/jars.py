"""The jars of a server: found where Maven keeps them, else fetched, and always checked."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from mainstem.dev import maven
from mainstem.dev.artifacts import Artifact, check, sha256_of
from mainstem.errors import OutsideError, SettingsError

_AT_ONCE = 6
_LIMIT_S = 60
_TRIES = 3


def fetch(artifacts: Sequence[Artifact], folder: Path) -> None:
    """Put every jar into `folder`.

    What Maven has fetched before is copied; the rest comes through Maven where it is installed, so
    that its mirrors and passwords hold, and else over HTTP.

    Raises
    ------
    OutsideError
        `DownloadFailed` when a file cannot be had, `ChecksumWrong` when it is another one.
    """
    missing = [artifact for artifact in artifacts if not _copied(artifact, folder)]
    if not missing:
        return
    if maven.program():
        maven.copy_by_maven(missing, folder)
        source = "Maven"
    else:
        source = maven.repository()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(lambda artifact: download(artifact, folder, source), missing))
    for artifact in missing:
        check(artifact, folder / artifact.file, source=without_secrets(source))


def _copied(artifact: Artifact, folder: Path) -> bool:
    """Copy a jar from Maven's own folder; one that is not the locked file counts as absent."""
    kept = maven.local_repository() / artifact.path
    if not kept.is_file() or kept.stat().st_size != artifact.size_bytes:
        return False
    copy = folder / artifact.file
    shutil.copyfile(kept, copy)
    if sha256_of(copy) == artifact.sha256:
        return True
    copy.unlink()
    return False


def download(artifact: Artifact, folder: Path, repository: str) -> None:
    """Fetch one jar over HTTP; a connection that breaks is tried again."""
    address = f"{repository}/{artifact.path}"
    if urlsplit(address).scheme not in ("http", "https"):
        raise SettingsError(
            f"{without_secrets(repository)} is not the address of a repository", code="MavenSettings",
            fix=f"set {maven.REPOSITORY} to an address such as {maven.PUBLIC_REPOSITORY}",
        )  # fmt: skip
    for left in reversed(range(_TRIES)):
        try:
            _download(address, folder / artifact.file)
        except urllib.error.HTTPError as error:
            # The server has answered: the same question gets the same answer.
            error.close()
            raise _refused(artifact, repository, f"{error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            if not left:
                raise _refused(artifact, repository, str(error)) from error
        else:
            return


def _download(address: str, file: Path) -> None:
    # Proxies of the environment hold; the scheme was looked at by the caller.
    with urllib.request.urlopen(address, timeout=_LIMIT_S) as answer, file.open("wb") as out:  # noqa: S310
        shutil.copyfileobj(answer, out)
        told = answer.headers.get("Content-Length")
        # A connection that was cut ends a copy quietly, as if that were all.
        if told and out.tell() != int(told):
            raise http.client.IncompleteRead(b"", int(told) - out.tell())


def _refused(artifact: Artifact, repository: str, said: str) -> OutsideError:
    return OutsideError(
        f"{artifact} cannot be fetched from {without_secrets(repository)}: {said}",
        code="DownloadFailed",
        fix=f"check the network, or name another repository in {maven.REPOSITORY}",
    )


def without_secrets(address: str) -> str:
    """Give an address without user and password."""
    parts = urlsplit(address)
    return (
        address
        if "@" not in parts.netloc
        else address.replace(parts.netloc.rpartition("@")[0], "…")
    )
