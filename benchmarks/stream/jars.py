"""The jars of a peer: those of a lock file, fetched as Mainstem's own servers are, kept in the cache."""

from __future__ import annotations

from pathlib import Path

from benchmarks.datasets import DataNotHereError, kept
from mainstem.dev.artifacts import lock_key, read_lock
from mainstem.dev.jars import fetch
from mainstem.errors import MainstemError


def jars(name: str) -> Path:
    """Give the folder with the jars of NAME.lock."""
    artifacts = read_lock(Path(__file__).with_name(f"{name}.lock"))
    try:
        return kept(f"{name}-{lock_key(artifacts)}", lambda folder: fetch(artifacts, folder))
    except MainstemError as error:
        raise DataNotHereError(str(error)) from error
