"""Every function of the catalogue as a Python function: ``ms.f.upper("name")``.

A string is the name of a column, except where the catalogue takes only a constant: the unit of
``date_trunc``, a pattern, a format, a zone. Text elsewhere is ``ms.lit("…")``. A Python lambda
stands where the function takes one. The names come from the catalogue; `catalogue.pyi`
is written from it for editors by tools/docs.py.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable
from functools import cache
from typing import Any

from mainstem.definition.expression import Expr, column_of, node_of
from mainstem.definition.spot import here
from mainstem.errors import nearest
from mainstem.functions.spec import Function, catalogue
from mainstem.plan import tree as t

# What a pattern of the catalogue begins with when it takes a constant text and nothing else.
_CONSTANT = ("'", "literal string", "string:", "regex")


def is_word(name: str) -> bool:
    """Say whether a name of the catalogue is called like a function, not written as a sign."""
    return name.isidentifier() and name not in _SIGNS


_SIGNS = frozenset({"and", "or", "not", "between", "like", "ilike", "negate", "subscript"})


def python_name(name: str) -> str:
    """Give the name that Python allows: ``if_`` for ``if``."""
    return f"{name}_" if keyword.iskeyword(name) else name


def call(name: str, *args: Any) -> Expr:
    """Call a function of the catalogue by its name; the binder says when there is none."""
    row = catalogue().get(name)
    return Expr(t.Call(name, tuple(_argument(row, i, a) for i, a in enumerate(args)), at=here()))


def _argument(row: Function | None, index: int, value: Any) -> t.Expr:
    if isinstance(value, str):
        is_text = row is not None and index in _constants(row.name)
        return node_of(value) if is_text else column_of(value).node
    if callable(value) and not isinstance(value, Expr):
        code = value.__code__
        names = code.co_varnames[: code.co_argcount]
        at = here()
        body = value(*(Expr(t.Name((name,), at=at)) for name in names))
        return t.Lambda(names, node_of(body), at=at)
    return node_of(value)


@cache
def _constants(name: str) -> frozenset[int]:
    """Give the positions at which some signature of a function takes a constant text only."""
    row = catalogue()[name]
    return frozenset(
        index
        for overload in row.overloads
        for index, pattern in enumerate(overload.takes)
        if pattern.startswith(_CONSTANT)
    )


def names() -> list[str]:
    """Give every name that Python code may call, aliases too."""
    return sorted(python_name(name) for name in catalogue() if is_word(name))


class Functions:
    """The catalogue as attributes: ``ms.f.upper("name")``."""

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        known = catalogue()
        own = name if name in known else name.removesuffix("_")
        if own not in known or not is_word(own):
            close = nearest(name, names())
            hint = f"; did you mean {close!r}?" if close else ""
            raise AttributeError(f"there is no function ms.f.{name}{hint}", name=name, obj=self)

        def function(*args: Any) -> Expr:
            return call(own, *args)

        function.__name__ = function.__qualname__ = name
        function.__doc__ = known[own].doc
        return function

    def __dir__(self) -> list[str]:
        return names()
