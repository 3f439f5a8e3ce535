"""Loads a pipeline from a ``.py`` or ``.sql`` file.

A Python file is executed in a module of its own, with its folder on the import path while that
happens. Mainstem's own words open nothing; a file that reads data, asks a server or looks at the
clock while it is loaded is not stopped, and its plan is then not the same everywhere: keep such
code in functions that nothing calls at the top level.
"""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType

from mainstem.definition.pipeline import Pipeline
from mainstem.definition.sqlfile import read_sql_file
from mainstem.errors import DefinitionError, MainstemError, Place, listing, nearest

SUFFIXES = (".py", ".sql")


def load(path: str | Path, name: str = "") -> Pipeline:
    """Give the pipeline of a file.

    Parameters
    ----------
    path : str or Path
        A ``.py`` or ``.sql`` file.
    name : str, optional
        Which pipeline, when the file has several.

    Returns
    -------
    Pipeline
        As declared; nothing is checked yet.

    Raises
    ------
    DefinitionError
        When the file is missing, cannot be read or executed, or does not hold the pipeline.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES and not file.exists():
        raise DefinitionError(
            f"there is no file or folder {str(path)!r}", code="PipelineFileMissing",
            fix="name the file that declares the pipeline, or its folder",
        )  # fmt: skip
    if file.suffix.lower() not in SUFFIXES:
        raise DefinitionError(
            f"{str(path)!r} is no pipeline file (they end in {listing(SUFFIXES)})",
            code="PipelineFileMissing", fix="name the file that declares the pipeline",
        )  # fmt: skip
    text = _text(file)
    if file.suffix.lower() == ".sql":
        return _named([read_sql_file(text, str(path))], name, str(path))
    module = _executed(_compiled(text, str(path)), file)
    return _named(_pipelines(module, str(path)), name, str(path))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefinitionError(
            f"{str(file)!r} is not UTF-8 (byte {error.start})", where=Place(str(file)),
            code="PipelineFileMissing", fix="save it as UTF-8",
        ) from None  # fmt: skip
    except OSError as error:
        fix = _instead_of(file) if isinstance(error, FileNotFoundError) else "check its rights"
        raise DefinitionError(
            f"cannot read {str(file)!r}: {error.strerror or error}", code="PipelineFileMissing",
            fix=fix,
        ) from None  # fmt: skip


def _instead_of(file: Path) -> str:
    folder = file.parent
    beside = folder.glob("*") if folder.is_dir() else ()
    close = nearest(file.name, [p.name for p in beside if p.suffix.lower() in SUFFIXES])
    return f"write {folder / close}" if close else "mainstem init makes a first pipeline"


def _compiled(text: str, file: str) -> CodeType:
    try:
        return compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        place = Place(file, getattr(error, "lineno", 0) or 0, getattr(error, "offset", 0) or 0)
        raise DefinitionError(
            f"Python cannot read the file: {getattr(error, 'msg', error)}", where=place,
            code="PythonSyntax", fix="correct the line",
        ) from None  # fmt: skip


def _executed(code: CodeType, file: Path) -> ModuleType:
    """Execute the file as a module that others can find by name, as dataclasses and pickle do."""
    linecache.checkcache(str(file))
    module = ModuleType(f"_pipeline_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    with _on_path(file.parent):
        try:
            exec(code, module.__dict__)  # noqa: S102  (the user's own file, which the user asked to run)
        except MainstemError:
            raise
        except (Exception, SystemExit) as error:
            raise _failed(error, str(file)) from error
    return module


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _failed(error: BaseException, file: str) -> DefinitionError:
    """Point at the user's own line; the frames of imports and of Mainstem say less."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    line = own[-1].lineno or 0 if own else 0
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    fix = _right_word(str(error)) or "correct the line"
    if isinstance(error, ModuleNotFoundError):
        fix = f"install {error.name}, or put it beside the file"
    if isinstance(error, SystemExit):
        said, fix = "it ends the program", 'put the call under if __name__ == "__main__":'
    return DefinitionError(
        f"the file cannot be loaded: {said}", where=Place(file, line), code="PipelineFailed",
        fix=fix,
    )  # fmt: skip


def _right_word(said: str) -> str:
    """Give the argument of a function of ours that was meant; Python names it from 3.13 on only."""
    import inspect

    import mainstem

    found = re.match(r"(?:(\w+)\.)?(\w+)\(\) got an unexpected keyword argument '(\w+)'", said)
    if found is None:
        return ""
    owner = getattr(mainstem, found[1], None) if found[1] in mainstem.__all__ else mainstem
    function = getattr(owner, found[2], None)
    known = inspect.signature(function).parameters if callable(function) else {}
    close = nearest(found[3], known)
    return f"write {close}=" if close else f"it takes: {listing(known)}" if known else ""


def _pipelines(module: ModuleType, file: str) -> list[Pipeline]:
    """Give the pipelines of a module; imported ones only when it declares none itself."""
    found: dict[int, Pipeline] = {
        id(value): value for value in vars(module).values() if isinstance(value, Pipeline)
    }
    own = [pipeline for pipeline in found.values() if pipeline.where.file == file]
    return own or list(found.values())


def _named(pipelines: list[Pipeline], name: str, file: str) -> Pipeline:
    names = [pipeline.name for pipeline in pipelines]
    where = Place(file)
    if not pipelines:
        raise DefinitionError(
            f"{file} has no pipeline", where=where, code="PipelineNotFound",
            fix=f'write p = ms.Pipeline("{Path(file).stem}") at the top level',
        )  # fmt: skip
    if name:
        matching = [pipeline for pipeline in pipelines if pipeline.name == name]
        if not matching:
            close = nearest(name, names)
            raise DefinitionError(
                f"{file} has no pipeline {name!r} (pipelines: {listing(names)})", where=where,
                code="PipelineNotFound", fix=f"write {close}" if close else f"write {names[0]}",
            )  # fmt: skip
        pipelines = matching
    if len(pipelines) > 1:
        raise DefinitionError(
            f"{file} has {len(pipelines)} pipelines ({listing(names)})", where=where,
            code="PipelineNotFound", fix=f"say which: --pipeline {names[0]}",
        )  # fmt: skip
    return pipelines[0]
