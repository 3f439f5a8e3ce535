"""Functions of notebooks and scripts, which have no file that a worker could load: sent by value."""

from __future__ import annotations

import sys
from typing import Any

from mainstem.errors import DefinitionError
from mainstem.plan.nodes import PythonFunction


def pickled(one: PythonFunction) -> bytes:
    """Give a function and its `open` as bytes.

    Raises
    ------
    DefinitionError
        When something that the function holds cannot be sent to another process.
    """
    import cloudpickle

    module: Any = sys.modules.get(str(getattr(one.call, "__module__", "")))
    # Code of the file that declares the pipeline goes along whole; what it imports is imported there.
    is_ours = module is not None and module.__name__ != "__main__"
    is_ours = is_ours and getattr(module, "__file__", None) == one.where.file
    if is_ours:
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
        if is_ours:
            cloudpickle.unregister_pickle_by_value(module)
