"""`mainstem init`: a small project that runs, or a pipeline over a data file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from mainstem.cli.options import NO_OPTIONS, Common
from mainstem.cli.output import say, say_json
from mainstem.errors import OutsideError, listing

# What every template has besides its pipeline.
SHARED = ("data/orders.csv", "data/customers.jsonl", "mainstem.toml")
IGNORED = ".mainstem/\nout/\n"


def init(
    folder: Path = Path(), /, *, template: Literal["python", "sql"] = "python",
    from_: Annotated[Path | None, Parameter(name="--from")] = None, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Make a small project that runs: a pipeline, sample data and mainstem.toml.

    No file that exists is changed.

    Parameters
    ----------
    folder : Path
        Where; the current folder when not given.
    template : str
        How the pipeline is written: python (the default) or sql.
    from_ : Path
        A data file: only write pipeline.py, with a schema inferred from that file.
    """
    common.start_log()
    texts = _project(template) if from_ is None else _over(from_, folder)
    _refuse_existing(folder, texts)
    _write(folder, texts)
    names = list(texts)
    if common.is_json:
        say_json({"folder": folder, "files": names})
    elif not common.quiet:
        say(f"created {listing(str(folder / name) for name in names)}")
        enter = "" if folder == Path() else f"cd {folder} && "
        say(f"next: {enter}mainstem run")
    return 0


def _project(template: str) -> dict[str, str]:
    name = "pipeline.sql" if template == "sql" else "pipeline.py"
    texts = {name: _text(template, name)}
    texts |= {shared: _text("python", shared) for shared in SHARED}
    return texts | {".gitignore": IGNORED}


def _text(template: str, name: str) -> str:
    return files("mainstem.cli").joinpath("templates", template, name).read_text("utf-8")


def _over(data: Path, folder: Path) -> dict[str, str]:
    from mainstem.cli.inference import first_pipeline

    return {"pipeline.py": first_pipeline(data, folder)}


def _refuse_existing(folder: Path, texts: Mapping[str, str]) -> None:
    taken = [str(folder / name) for name in texts if (folder / name).exists()]
    if taken:
        raise OutsideError(
            f"{listing(taken)} exists already; nothing was written", code="FileExists",
            fix="name another folder: mainstem init my-project",
        )  # fmt: skip


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    try:
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # "x": a file that appeared in the meantime is not overwritten either.
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
    except OSError as error:
        raise OutsideError(
            f"cannot write {error.filename or folder}: {error.strerror or error}",
            code="FileNotWritten", fix="name a folder in which you may write",
        ) from error  # fmt: skip
