"""`record` and `mutable`: dataclasses with slots that cost nothing to define.

``dataclasses.dataclass`` writes and compiles six functions for each class: 0.6 ms of CPU a class with
Python 3.11, so a package of 160 such classes spends 95 ms on every start (measured), and a whole small
run may cost 150 ms. Here five of the six are shared by all records, and ``__init__`` is written when a class has made
enough instances to be worth it (0.2 ms each: a small run makes one or two of most of its 70 classes).
`dataclasses.fields` and `dataclasses.replace` work as on any dataclass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

_set = object.__setattr__
# Instances that a class makes before it gets an ``__init__`` of its own.
_FEW = 8
ClassT = TypeVar("ClassT")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def record(cls: type[ClassT]) -> type[ClassT]:
    """Make a frozen class with slots out of annotated names, as ``dataclass(frozen=True, slots=True)`` does.

    Fields take defaults and ``dataclasses.field(default=, default_factory=, compare=, kw_only=, repr=)``.
    `__post_init__` and inheritance work as in dataclasses.
    """
    return _made(cls, _METHODS)


@dataclass_transform(field_specifiers=(dataclasses.field,))
def mutable(cls: type[ClassT]) -> type[ClassT]:
    """Make a class with slots whose fields may be set, as ``dataclass(slots=True)`` does; no hash."""
    return _made(cls, _MUTABLE)


def _made(cls: type[ClassT], methods: dict[str, Any]) -> type[ClassT]:
    own = _own_fields(cls)
    inherited = {
        n: f
        for base in reversed(cls.__mro__[1:])
        for n, f in getattr(base, "__dataclass_fields__", {}).items()
    }
    every = {**inherited, **own}
    body = {
        n: v for n, v in vars(cls).items() if n not in own and n not in ("__dict__", "__weakref__")
    }
    body["__slots__"] = tuple(n for n in own if n not in inherited)
    body["__dataclass_fields__"] = every
    body["__dataclass_params__"] = _PARAMS
    ordered = [f for f in every.values() if not f.kw_only]
    body["__match_args__"] = tuple(f.name for f in ordered)
    compared = tuple(f.name for f in every.values() if f.compare)
    body["_key"] = staticmethod(_getter(compared))
    body["_n_made"] = 0
    for name, method in methods.items():
        body.setdefault(name, method)
    made = cast("type[ClassT]", cast(Any, type(cls))(cls.__name__, cls.__bases__, body))
    made.__qualname__ = cls.__qualname__
    _repoint(cls, made)
    return made


def _own_fields(cls: type) -> dict[str, Any]:
    found = {}
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            continue
        value = vars(cls).get(name, dataclasses.MISSING)
        item: Any = (
            value if isinstance(value, dataclasses.Field) else dataclasses.field(default=value)
        )
        item.name, item.type = name, annotation
        item._field_type = dataclasses._FIELD  # type: ignore[attr-defined]
        if item.kw_only is dataclasses.MISSING:
            item.kw_only = False
        found[name] = item
    return found


def _getter(names: tuple[str, ...]) -> Any:
    """Give a function from an instance to what it is compared by."""
    return attrgetter(*names) if names else lambda _: ()


def _repoint(old: type, new: type) -> None:
    """Let ``super()`` in the methods find the class that has the slots."""
    for value in vars(new).values():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        for cell in getattr(function, "__closure__", None) or ():
            try:
                if cell.cell_contents is old:
                    cell.cell_contents = new
            except ValueError:
                continue  # an empty cell belongs to no class


def _init(self: Any, /, *args: Any, **given: Any) -> None:
    """Set the fields one by one, until the class's own ``__init__`` is worth writing."""
    cls = type(self)
    type.__setattr__(cls, "_n_made", cls._n_made + 1)
    if cls._n_made > _FEW or not _set_fields(self, args, given):
        # Also for arguments that do not fit: the written one says what is wrong, as any function does.
        made = _written_init(cls)
        type.__setattr__(cls, "__init__", made)
        made(self, *args, **given)


def _set_fields(self: Any, args: tuple[Any, ...], given: dict[str, Any]) -> bool:
    """Set every field from its argument or default; False when the arguments do not fit."""
    names = self.__match_args__
    values = dict(zip(names, args, strict=False))
    if len(args) > len(names) or not values.keys().isdisjoint(given):
        return False
    values |= given
    for name, item in self.__dataclass_fields__.items():
        if name in values:
            value = values.pop(name)
        elif item.default_factory is not dataclasses.MISSING:
            value = item.default_factory()
        elif item.default is not dataclasses.MISSING:
            value = item.default
        else:
            return False
        _set(self, name, value)
    if values:
        return False
    if hasattr(self, "__post_init__"):
        self.__post_init__()
    return True


def _written_init(cls: Any) -> Any:
    space: dict[str, Any] = {"_set": _set, "_unset": _UNSET}
    params, body = ["self"], []
    fields = list(cls.__dataclass_fields__.values())
    for item in [f for f in fields if not f.kw_only] + [f for f in fields if f.kw_only]:
        if item.kw_only and "*" not in params:
            params.append("*")
        name, value = item.name, item.name
        if item.default_factory is not dataclasses.MISSING:
            space[f"_new_{name}"] = item.default_factory
            params.append(f"{name}=_unset")
            value = f"_new_{name}() if {name} is _unset else {name}"
        elif item.default is not dataclasses.MISSING:
            space[f"_default_{name}"] = item.default
            params.append(f"{name}=_default_{name}")
        else:
            params.append(name)
        body.append(f"    _set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("    self.__post_init__()")
    source = f"def __init__({', '.join(params)}):\n" + "\n".join(body or ["    pass"])
    exec(source, space)  # noqa: S102 - the text is made of this class's own field names
    return space["__init__"]


_UNSET = object()


def _equal(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return self._key(self) == other._key(other)  # type: ignore[attr-defined]


def _hash(self: Any) -> int:
    return hash((type(self), self._key(self)))


def _text(self: Any) -> str:
    shown = (
        f"{f.name}={getattr(self, f.name)!r}" for f in self.__dataclass_fields__.values() if f.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _frozen_set(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _frozen_delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, n) for n in self.__dataclass_fields__]


def _restore(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__dataclass_fields__, state, strict=True):
        _set(self, name, value)


_METHODS = {
    "__init__": _init, "__eq__": _equal, "__hash__": _hash, "__repr__": _text, "__setattr__": _frozen_set,
    "__delattr__": _frozen_delete, "__getstate__": _state, "__setstate__": _restore,
}  # fmt: skip

_MUTABLE: dict[str, Any] = {
    name: method for name, method in _METHODS.items() if name not in ("__setattr__", "__delattr__")
} | {"__hash__": None}


@dataclasses.dataclass(frozen=True)
class _Model:
    """Never used but for its parameters, which say ``frozen``."""

    known: ClassVar[Iterator[Any] | None] = None


_PARAMS = _Model.__dataclass_params__  # type: ignore[attr-defined]
