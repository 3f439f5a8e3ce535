"""What staging a table is given, and what it gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.counting import Written
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.engines.spec import RunSettings
from mainstem.record import mutable, record
from mainstem.storage.local.durable import sha256
from mainstem.storage.local.manifest import Manifest, WrittenFile
from mainstem.storage.local.record import Target


@mutable
class Staged:
    """What one table wrote: its target (None in the state file), rows, files and bytes.

    `rows` are those that the step gave, `offered` those found again in what waits for the commit.
    """

    output: Output
    rows: int
    token: str
    target: Target | None = None
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    written: Written | None = None
    offered: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@record
class Staging:
    """One table that is about to be staged.

    Parameters
    ----------
    output, target : Output, Target
        What is written, and where it waits.
    settings : RunSettings
        Those of the run.
    pipeline, token : str
        The pipeline's name and the commit token.
    """

    output: Output
    target: Target
    settings: RunSettings
    pipeline: str
    token: str

    @property
    def root(self) -> Path:
        """Give the staged folder or file."""
        return Path(self.target.staged)

    def manifest(self, files: Iterable[WrittenFile], rows: int | None) -> Manifest:
        """Give the manifest of a folder that holds `files`."""
        output = self.output
        ordered = tuple(sorted(files, key=lambda f: f.name))
        return Manifest(
            self.pipeline, output.step.name, self.settings.run_id, self.token,
            str(output.written_schema), output.partition_by, ordered, rows, output.spelling,
            output.mode_words,
        )  # fmt: skip


def row_count(result: list[tuple[Any, ...]], format_: str) -> int:
    """Give the rows that a COPY wrote.

    RETURN_STATS gives a line for each file, (name, rows, …); RETURN_FILES one line, (rows, names).
    """
    if format_ == "parquet":
        return sum(int(row[1]) for row in result)
    return int(result[0][0])


def written_files(
    result: list[tuple[Any, ...]], format_: str, root: Path
) -> tuple[WrittenFile, ...]:
    """Give every file that a COPY wrote below `root`, with rows, bytes and checksum.

    Only Parquet says how many rows each of several files has; None says that it is not known.
    """
    if format_ == "parquet":
        counts: dict[str, int | None] = {row[0]: row[1] for row in result}
    else:
        names = result[0][1] or []
        counts = dict.fromkeys(names, None)
        if len(names) == 1:
            counts[names[0]] = result[0][0]
    return tuple(written_file(Path(name), root, rows) for name, rows in sorted(counts.items()))


def written_file(path: Path, root: Path, rows: int | None) -> WrittenFile:
    """Give a staged file as its line of the manifest."""
    name = path.relative_to(root).as_posix()
    return WrittenFile(name, rows, path.stat().st_size, sha256(path))
