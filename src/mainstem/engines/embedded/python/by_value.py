"""Code of notebooks, scripts and projects, which a worker could not load by its name: sent by value."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from mainstem.errors import DefinitionError, Place
from mainstem.plan.nodes import PythonFunction


def pickled(one: PythonFunction) -> bytes:
    """Give a function and its `open` as bytes.

    Raises
    ------
    DefinitionError
        When something that the function holds cannot be sent to another process.
    """
    # Code of the file that declares the pipeline goes along whole; what it imports is imported there.
    module = sys.modules.get(str(getattr(one.call, "__module__", "")))
    is_ours = module is not None and getattr(module, "__file__", None) == one.where.file
    return dumped(
        (one.call, one.open), [module] if is_ours and module else [], where=one.where,
        what=f"function {one.name}", fix="make what it holds in open=, or run it with workers=0",
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
