"""Functions of notebooks and scripts, which have no file that a worker could load: sent by value."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from mainstem.errors import DefinitionError
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
    import cloudpickle

    own = _project(one) if has_project else _declaring(one)
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps((one.call, one.open))  # type: ignore[no-any-return]
    except Exception as error:
        raise DefinitionError(
            f"function {one.name} cannot be sent to a worker: {type(error).__name__}: {error}",
            where=one.where, code="FunctionNotSent",
            fix="make what it holds in open=, or run it with workers=0",
        ) from error  # fmt: skip
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


def _declaring(one: PythonFunction) -> list[ModuleType]:
    """Give the module of the file that declares the pipeline; what it imports is imported there."""
    module = sys.modules.get(str(getattr(one.call, "__module__", "")))
    if module is None or module.__name__ == "__main__":
        return []
    return [module] if getattr(module, "__file__", None) == one.where.file else []


def _project(one: PythonFunction) -> list[ModuleType]:
    """Give the modules in the folder of the file that declares the function, and below it."""
    if one.where.file.startswith("<"):
        return _declaring(one)
    folder = Path(one.where.file).resolve().parent
    return [m for name, m in list(sys.modules.items()) if name != "__main__" and _is_in(folder, m)]


def _is_in(folder: Path, module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    # An environment may lie in the folder of a project; what is installed, each machine has.
    return bool(file) and Path(str(file)).resolve().is_relative_to(folder) and (
        "site-packages" not in Path(str(file)).parts
    )  # fmt: skip
