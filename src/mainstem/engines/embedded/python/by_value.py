"""Code of notebooks, scripts and projects, which a worker could not load by its name: sent by value."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from mainstem.errors import DefinitionError, Place
from mainstem.plan.nodes import PythonFunction
from mainstem.plan.types import parse_type


def facts(one: PythonFunction) -> dict[str, Any]:
    """Give what a worker has to know of a function besides its code, as plain data."""
    return {
        "name": one.name, "takes": list(map(str, one.takes)), "gives": str(one.gives),
        "is_batch": one.is_batch, "on_error": one.on_error, "null": one.null, "digest": one.digest,
        "home": one.home, "code": b"",
    }  # fmt: skip


def unpickled(given: Mapping[str, Any]) -> PythonFunction:
    """Give a function of its facts and its code, as `pickled` gave it."""
    call, open_ = pickle.loads(given["code"])  # noqa: S301 - from the run that started this process
    one = PythonFunction(
        given["name"],
        tuple(map(parse_type, given["takes"])),
        parse_type(given["gives"]),
        call=call,
        open=open_,
    )
    return replace(one, is_batch=given["is_batch"], on_error=given["on_error"], null=given["null"])


def pickled(one: PythonFunction, *, has_project: bool = False) -> bytes:
    """Give a function and its `open` as bytes.

    Parameters
    ----------
    one : PythonFunction
        The function.
    has_project : bool
        Send the modules beside the file that declares it as well, for a machine that has no such file.

    Raises
    ------
    DefinitionError
        When something that the function holds cannot be sent to another process.
    """
    file = one.where.file
    has_file = has_project and not file.startswith("<")
    return dumped(
        (one.call, one.open), project_modules(file) if has_file else _declaring(one),
        where=one.where, what=f"function {one.name}",
        fix="make what it holds in open=, or run it with workers=0",
    )  # fmt: skip


def dumped(given: Any, modules: list[ModuleType], *, where: Place, what: str, fix: str) -> bytes:
    """Give something as bytes, what it uses of some modules included.

    Parameters
    ----------
    given : object
        What is sent.
    modules : list of module
        Whose functions and classes go along, and are not imported there.
    where : Place
        For the message.
    what, fix : str
        What it is called there, and what helps.

    Raises
    ------
    DefinitionError
        When it cannot be sent to another process.
    """
    import cloudpickle

    with _by_value(modules):
        try:
            return cloudpickle.dumps(given)  # type: ignore[no-any-return]
        except Exception as error:
            raise DefinitionError(
                f"{what} cannot be sent to a worker: {type(error).__name__}: {error}",
                where=where, code="FunctionNotSent", fix=fix,
            ) from error  # fmt: skip


def project_modules(file: str) -> list[ModuleType]:
    """Give the modules that belong to the project of a pipeline file: those in its folder or below.

    A worker on another machine does not have them, and one here may find others of their names.
    """
    folder = Path(file).absolute().parent
    return [
        module for name, module in list(sys.modules.items())
        if name != "__main__" and _is_below(getattr(module, "__file__", None), folder)
    ]  # fmt: skip


def _is_below(file: str | None, folder: Path) -> bool:
    if not file or "site-packages" in file:
        return False
    path = Path(file).absolute()
    # The installed package itself may lie below the folder of a project.
    return path.is_relative_to(folder) and not path.is_relative_to(_PACKAGE)


_PACKAGE = Path(__file__).absolute().parents[3]


@contextmanager
def _by_value(modules: list[ModuleType]) -> Iterator[None]:
    import cloudpickle

    # What is registered already is somebody else's to end.
    known = cloudpickle.list_registry_pickle_by_value()
    own = [m for m in modules if m.__name__ != "__main__" and m.__name__ not in known]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


def _declaring(one: PythonFunction) -> list[ModuleType]:
    """Give the module of the file that declares the pipeline; what it imports is imported there."""
    module = sys.modules.get(str(getattr(one.call, "__module__", "")))
    if module is None or module.__name__ == "__main__":
        return []
    return [module] if getattr(module, "__file__", None) == one.where.file else []
