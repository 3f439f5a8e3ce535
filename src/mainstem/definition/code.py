"""What a Python function does, as a digest: equal for equal code, whatever stands around it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import Any

from mainstem.plan.nodes import fingerprint

_CONSTANTS = (str, bytes, int, float, bool, type(None))


def digest(*functions: Callable[..., Any] | None) -> str:
    """Give 16 hex digits that change when the code of a function changes.

    Covered are the function, its defaults and what it closes over, and the functions, classes and plain
    constants of its own file that it names, and so on. Not covered is what it imports, and what it reads
    when it runs, such as the file of a model.
    """
    seen: set[int] = set()
    return fingerprint([_parts(one, seen) for one in functions])


def _parts(value: Any, seen: set[int]) -> Any:
    value = inspect.unwrap(value) if callable(value) else value
    if isinstance(value, _CONSTANTS):
        return repr(value)
    if isinstance(value, list | tuple | set | frozenset | dict):
        return repr(value)[:10_000]
    if id(value) in seen or not callable(value):
        return type(value).__name__
    seen.add(id(value))
    code = getattr(value, "__code__", None)
    if not isinstance(code, CodeType):
        own = value if inspect.isclass(value) else type(value)
        return [own.__qualname__, _source(own)]
    around = inspect.getclosurevars(value)
    named = {**around.globals, **around.nonlocals}
    below = {name: _parts(one, seen) for name, one in sorted(named.items()) if _is_own(one, value)}
    defaults = [_parts(one, seen) for one in (value.__defaults__ or ())]
    return [_source(value) or _bytecode(code), defaults, below]


def _is_own(value: Any, of: Any) -> bool:
    """Say whether a thing that a function names belongs to the same file, or is a plain value."""
    if isinstance(value, (*_CONSTANTS, list, tuple, set, frozenset, dict)):
        return True
    value = inspect.unwrap(value) if callable(value) else value
    return callable(value) and getattr(value, "__module__", None) == of.__module__


def _source(value: Any) -> str:
    """Give the text of a function or class without comments, layout and decorators; "" for none."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, TypeError, SyntaxError, ValueError):
        # A lambda in the middle of a call, a notebook cell that is gone: its bytecode has to do.
        return ""
    found: Any = tree.body[0]
    if not isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return ""
    found.decorator_list = []
    if isinstance(found.body[0], ast.Expr) and isinstance(found.body[0].value, ast.Constant):
        found.body = found.body[1:] or [ast.Pass()]
    return ast.unparse(found)


def _bytecode(code: CodeType) -> list[Any]:
    constants = [_bytecode(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), constants, code.co_names, code.co_varnames]
