"""``@p.function``: Python functions that SQL and verbs call by their name."""

from __future__ import annotations

import datetime as dt
import functools
import types
import typing
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from mainstem.definition.code import digest
from mainstem.definition.declaration import checked_name
from mainstem.definition.expression import Expr
from mainstem.definition.function import call
from mainstem.definition.place import function_place
from mainstem.errors import DefinitionError, Place, listing, nearest
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.nodes import PythonFunction
from mainstem.plan.types import (
    BIGINT,
    BOOL,
    BYTES,
    DATE,
    DOUBLE,
    STRING,
    TIMESTAMP,
    Type,
    in_expressions,
    list_of,
    parse_type,
)
from mainstem.sql.parse import parse
from mainstem.sql.tokens import Text

ON_ERROR = ("fail", "dead_letter")
NULLS = ("skip", "call")
_PLAIN: dict[object, Type] = {
    bool: BOOL, int: BIGINT, float: DOUBLE, str: STRING, bytes: BYTES, dt.date: DATE,
    dt.datetime: TIMESTAMP,
}  # fmt: skip
_WORDS = 'write takes="double, string"'


class UserFunction:
    """What ``@p.function`` leaves of a function: itself for values, an expression for columns."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function = function
        self.name = name
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<function {self.name} of a pipeline>"

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Call the function; with an expression such as ``ms.col("amount")``, call it in a query."""
        if any(isinstance(arg, Expr) for arg in args):
            return call(self.name, *args)
        return self.function(*args, **named)


def described(function: Any, name: str, options: dict[str, Any], file: str) -> PythonFunction:
    """Give a function as the plan knows it.

    Parameters
    ----------
    function : callable
        The user's.
    name : str
        How SQL will call it.
    options : dict
        Those of `Pipeline.function`.
    file : str
        The pipeline's file.

    Raises
    ------
    DefinitionError
        When a type is missing or an option is wrong.
    """  # noqa: DOC501 - built by a function
    where = function_place(function)[0]
    if not callable(function):
        raise _wrong(f"p.function is over a {type(function).__name__}", where, "put it over a def")
    _check_name(name, where)
    if options["on_error"] is not None:
        _check_word("on_error", options["on_error"], ON_ERROR, where)
    _check_word("null", options["null"], NULLS, where)
    _check_number("batch_size", options["batch_size"], 1, where)
    workers = options["workers"]
    if workers is not None:
        _check_number("workers", workers, 0, where)
    open_ = options["open"]
    if open_ is not None and not callable(open_):
        raise _wrong(f"open is a {type(open_).__name__}", where, "give a function: open=load_model")
    return PythonFunction(
        name.lower(), _takes(function, options, where), _gives(function, options, where),
        is_batch=bool(options["batch"]), is_deterministic=bool(options["deterministic"]),
        on_error=options["on_error"] or "", null=options["null"], workers=workers,
        batch_size=options["batch_size"], digest=digest(function, open_),
        home=_home(function, file), call=function, open=open_, where=where,
    )  # fmt: skip


def _home(function: Any, file: str) -> str:
    """Give the file that a worker can load the function from; "" when it only lives here.

    Files that are pipelines are loaded under a name of their own; a script that was started as
    ``python file.py`` would run again, and a notebook has no file.
    """
    is_loaded = str(getattr(function, "__module__", "")).startswith("_pipeline_")
    return file if is_loaded and file.endswith(".py") else ""


def _check_name(name: str, where: Place) -> None:
    checked_name(name, "function", where)
    if name.lower() in catalogue():
        raise DefinitionError(
            f"{name} is a function of the catalogue already", where=where, code="FunctionNameTaken",
            fix=f'give it another name: @p.function(name="my_{name}")',
        )  # fmt: skip
    try:
        body: Any = parse(Text(f"SELECT {name}(1)", where, "")).body
        is_call = isinstance(body.items[0].expr, t.Call) and body.items[0].expr.name == name.lower()
    except DefinitionError:
        is_call = False
    if not is_call:
        raise DefinitionError(
            f"{name} is a word of SQL, which cannot be the name of a function", where=where,
            code="FunctionNameTaken", fix=f'give it another name: @p.function(name="my_{name}")',
        )  # fmt: skip


def _check_word(option: str, value: object, words: Sequence[str], where: Place) -> None:
    if value not in words:
        close = nearest(str(value), words)
        raise _wrong(
            f"{option} is {value!r} (words: {listing(words)})", where,
            f'write {option}="{close or words[0]}"',
        )  # fmt: skip


def _check_number(option: str, value: object, least: int, where: Place) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise _wrong(
            f"{option} is {value!r}, not a whole number from {least} on", where,
            f"write {option}={max(least, 1)}",
        )  # fmt: skip


def _wrong(what: str, where: Place, fix: str) -> DefinitionError:
    return DefinitionError(what, where=where, code="FunctionOption", fix=fix)


# Types


def _takes(function: Any, options: dict[str, Any], where: Place) -> tuple[Type, ...]:
    """Give the types of the arguments: those of ``takes``, else those of the annotations."""
    given = options["takes"]
    names = _arguments(function, where, has_opened=options["open"] is not None)
    if given is not None:
        texts = _split(given) if isinstance(given, str) else list(given)
        types_ = tuple(_named(text, "takes", where) for text in texts)
        if len(types_) != len(names):
            raise _wrong(
                f"takes has {len(types_)} types, and the function has {len(names)} arguments"
                + (f" ({listing(names)})" if names else ""), where, "give one type for each argument",
            )  # fmt: skip
        return types_
    hints = _hints(function)
    found = []
    for name in names:
        if name not in hints:
            raise _wrong(f"argument {name!r} has no type", where, f"annotate it, or {_WORDS}")
        type_ = _annotated(hints[name])
        if type_ is None:
            raise _wrong(
                f"argument {name!r} is a {_shown(hints[name])}, which says no type of a column",
                where, _WORDS + " beside returns=",
            )  # fmt: skip
        found.append(type_)
    return tuple(found)


def _gives(function: Any, options: dict[str, Any], where: Place) -> Type:
    """Give the type of the result."""
    given = options["returns"]
    if given is not None:
        return _named(given, "returns", where)
    type_ = _annotated(_hints(function).get("return"))
    if type_ is None:
        raise _wrong("the type of the result is not known", where, 'write returns="double"')
    return type_


def _named(text: object, option: str, where: Place) -> Type:
    try:
        type_ = parse_type(str(text))
    except DefinitionError as error:
        raise _wrong(f"{option}: {error.finding.what}", where, error.finding.fix) from None
    if in_expressions(type_) != type_:
        raise _wrong(
            f"{option} has {text}, and expressions know one whole number, bigint", where,
            f"write {in_expressions(type_)}",
        )  # fmt: skip
    return type_


def _split(text: str) -> list[str]:
    """Give the parts between the commas that stand in no parentheses."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts] if text.strip() else []


def _arguments(function: Any, where: Place, *, has_opened: bool) -> list[str]:
    """Give the names of the arguments that come from SQL.

    Raises
    ------
    DefinitionError
        For arguments that SQL cannot give: ``*args``, or by name only.
    """  # noqa: DOC501 - built by a function
    import inspect

    every = list(inspect.signature(function).parameters.values())
    positional = [p for p in every if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    other = [p.name for p in every if p not in positional and p.default is p.empty]
    if other:
        raise _wrong(
            f"argument {other[0]!r} is not one by position",
            where,
            "SQL gives arguments by position",
        )
    if has_opened and not positional:
        raise _wrong(
            "open= gives the first argument, and the function takes none", where,
            "add a first argument, such as model",
        )  # fmt: skip
    return [p.name for p in positional[has_opened:] if p.default is p.empty]


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - a name in an annotation may exist for type checkers only
        return {}


def _annotated(hint: object) -> Type | None:
    """Give the column type of a Python type, or None."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        rest = [arg for arg in args if arg is not types.NoneType]
        return _annotated(rest[0]) if len(rest) == 1 else None
    if origin is list and args:
        item = _annotated(args[0])
        return None if item is None else list_of(item)
    return None


def _shown(hint: object) -> str:
    if hint is Decimal:
        return "Decimal without its digits"
    return getattr(hint, "__name__", str(hint))
