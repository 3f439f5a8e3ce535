"""Which pipeline file a command means, and the pipeline in it."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.errors import DefinitionError, listing

if TYPE_CHECKING:
    from mainstem.cli.options import Chosen
    from mainstem.definition.pipeline import Pipeline
    from mainstem.definition.resolve import Resolved

# What the files are called that are taken without being named.
USUAL = ("pipeline.py", "pipeline.sql")

# A file is not executed to find out whether it declares a pipeline.
_DECLARES = {
    ".py": re.compile(r"\bPipeline\s*\("),
    ".sql": re.compile(r"^\s*CREATE\s+(SOURCE|LOOKUP|TABLE)\b", re.IGNORECASE | re.MULTILINE),
}


def find(given: Path | None) -> Path:
    """Give the pipeline file that is meant.

    Parameters
    ----------
    given : Path or None
        A file; a folder, or None for the current one: its ``pipeline.py`` or ``pipeline.sql``, else
        the only file in it that declares a pipeline.

    Raises
    ------
    DefinitionError
        When a folder has no such file, or several.
    """
    if given is not None and not given.is_dir():
        return given
    folder = given or Path()
    for names in (USUAL, None):
        found = _candidates(folder, names)
        if len(found) == 1:
            return found[0]
        if found:
            raise DefinitionError(
                f"{_shown(folder)} has {len(found)} pipeline files "
                f"({listing(file.name for file in found)})",
                code="PipelineFileMissing", fix=f"say which: {found[0]}",
            )  # fmt: skip
    raise DefinitionError(
        f"{_shown(folder)} has no pipeline file", code="PipelineFileMissing",
        fix="name one, or make a first pipeline: mainstem init my-project",
    )  # fmt: skip


def _candidates(folder: Path, names: tuple[str, ...] | None) -> list[Path]:
    if names is not None:
        return [folder / name for name in names if (folder / name).is_file()]
    files = sorted(file for file in folder.iterdir() if file.suffix in _DECLARES)
    return [file for file in files if _declares(file)]


def _declares(file: Path) -> bool:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        # Not a pipeline that could be loaded; naming the file says why.
        return False
    return bool(_DECLARES[file.suffix].search(text))


def _shown(folder: Path) -> str:
    return "this folder" if folder == Path() else str(folder)


def load(given: Path | None, chosen: Chosen) -> Pipeline:
    """Load the pipeline that is meant; nothing of it is checked yet."""
    from mainstem.definition.load import load as load_file

    with redirect_stdout(sys.stderr):  # what the user's file prints must not spoil the answer
        return load_file(find(given), chosen.pipeline)


def resolve(given: Path | None, chosen: Chosen, **run: str) -> Resolved:
    """Load the pipeline that is meant and check it with its settings; findings are not raised."""
    from mainstem.definition.resolve import resolve as resolve_pipeline

    pipeline = load(given, chosen)
    with redirect_stdout(sys.stderr):
        return resolve_pipeline(pipeline, env=chosen.env, flags=chosen.flags(**run))
