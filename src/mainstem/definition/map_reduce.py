"""``@p.map_reduce``: a class or functions that map, combine and reduce the rows of a relation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mainstem.definition.code import digest
from mainstem.errors import DefinitionError, Place, listing, nearest
from mainstem.mapreduce.code import PARTS
from mainstem.mapreduce.job import WORDS
from mainstem.mapreduce.keys import KINDS
from mainstem.plan.map_reduce import NO_COLUMNS, MapReduce
from mainstem.plan.size import parse_size
from mainstem.plan.types import (
    BIGINT,
    Field,
    Schema,
    Type,
    in_expressions,
    parse_schema,
    parse_type,
)

ON_ERROR = ("fail", "dead_letter")
_COUNTED = ("bigint", "double", "decimal")


def described(given: Any, options: dict[str, Any], where: Place) -> MapReduce:
    """Give a job as the plan knows it.

    Parameters
    ----------
    given : class or callable
        The user's class, or the function that maps.
    options : dict
        Those of `Pipeline.map_reduce`.
    where : Place
        Of the class or function.

    Raises
    ------
    DefinitionError
        When a type is missing or an option is wrong.
    """  # noqa: DOC501 - built by a function
    code, word = _code(given, options, where)
    own = code if isinstance(code, dict) else {n: getattr(code, n, None) for n in PARTS}
    parts = {name: part for name, part in own.items() if callable(part)}
    if len({"map", "map_block"} & set(parts)) != 1:
        raise _wrong(
            "it has no map, or both map and map_block", where, "write one def map(self, row)"
        )
    key = _columns(options["key"], "key", where)
    has_reduce = bool(word or "reduce" in parts)
    if has_reduce and not len(key):
        raise _wrong("it reduces, and has no key", where, 'write key="word string"')
    if not has_reduce:
        return _map_only(code, parts, options, where)
    _check_keys(key, where)
    value = _columns(options["value"] or ("n bigint" if word == "count" else ""), "value", where)
    if not len(value):
        raise _wrong("it has no type of its values", where, 'write value="n bigint"')
    _check_word(word, value, where)
    sort = _sort(options["sort"], parts, where)
    return MapReduce(
        key, value, _returns(options["returns"], key, value, where), parts=tuple(sorted(parts)),
        word=word, sort=sort, **_rest(code, parts, options, where),
    )  # fmt: skip


def _map_only(
    code: Any, parts: Mapping[str, Any], options: dict[str, Any], where: Place
) -> MapReduce:
    for name in ("key", "value", "sort", "reducers"):
        if options[name]:
            raise _wrong(
                f"it has {name}= and no reduce", where, "write def reduce(self, key, values)"
            )
    if options["returns"] is None:
        raise _wrong(
            "a job that only maps has no columns", where, 'write returns="id bigint, name string"'
        )
    other = sorted({"combine", "partition", "sort_key"} & set(parts))
    if other:
        raise _wrong(f"it has {other[0]} and no reduce", where, f"remove {other[0]}")
    returns = _columns(options["returns"], "returns", where)
    return MapReduce(
        NO_COLUMNS, NO_COLUMNS, returns, parts=tuple(sorted(parts)),
        **_rest(code, parts, options, where),
    )  # fmt: skip


def _code(given: Any, options: dict[str, Any], where: Place) -> tuple[Any, str]:
    """Give the class, or the functions by the names of their parts; and the named reducer."""
    is_class = isinstance(given, type)
    named = {n: options[n] for n in ("combine", "reduce", "partition", "sort_key") if options[n]}
    word = named.pop("reduce", "") if isinstance(named.get("reduce"), str) else ""
    if is_class:
        own = getattr(given, "reduce", None)
        word = word or (own if isinstance(own, str) else "")
        if named:
            raise _wrong(
                f"{listing(named)}= stands beside a class", where, "make it a method of the class"
            )
        _check_methods(given, where)
    elif not callable(given):
        raise _wrong(f"p.map_reduce is over a {type(given).__name__}", where, "put it over a class")
    if word and word not in WORDS:
        close = nearest(word, WORDS) or WORDS[0]
        raise _wrong(
            f"reduce is {word!r} (reducers: {listing(WORDS)})", where, f'write reduce="{close}"'
        )
    for name, part in named.items():
        if not callable(part):
            raise _wrong(f"{name} is a {type(part).__name__}", where, f"give a function: {name}=f")
    if is_class:
        return given, word
    return {"map_block" if options["block"] else "map": given, **named}, word


def _check_methods(cls: type, where: Place) -> None:
    """Find a method that is spelled wrong, and a class that cannot be made."""
    for name, value in vars(cls).items():
        close = "" if name in PARTS or name.startswith("_") else nearest(name, PARTS)
        if callable(value) and close and not hasattr(cls, close):
            raise _wrong(f"{cls.__name__} has a method {name!r}", where, f"write {close}")
    needed = [
        p.name for p in inspect.signature(cls).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]  # fmt: skip
    if needed:
        raise _wrong(
            f"{cls.__name__} is made with {listing(needed)}, which nobody gives", where,
            "do it in setup(self, context): parameters, side files and counters are there",
        )  # fmt: skip


def _columns(given: Any, option: str, where: Place) -> Schema:
    """Read ``"bigint"`` (a column named like the option) or ``"word string, day bigint"``."""
    if given in (None, ""):
        return NO_COLUMNS
    try:
        try:
            schema = Schema((Field(option, parse_type(given)),))
        except (DefinitionError, TypeError):
            schema = parse_schema(dict(given) if isinstance(given, Mapping) else given)
    except DefinitionError as error:
        raise _wrong(f"{option}: {error.finding.what}", where, error.finding.fix) from None
    for field in schema.fields:
        if in_expressions(field.type) != field.type:
            raise _wrong(
                f"{option} has {field}, and map/reduce knows one whole number, bigint", where,
                f"write {field.name} {in_expressions(field.type)}",
            )  # fmt: skip
    return schema


def _check_keys(key: Schema, where: Place) -> None:
    for field in key.fields:
        if field.type.kind == "double":
            raise _wrong(
                f"the key {field} is a double: 0.0 and -0.0 are equal with other bytes, NaN is equal to "
                "nothing, and a last digit makes another group", where,
                f"round it to a whole number: {field.name} bigint",
            )  # fmt: skip
        if field.type.kind not in KINDS:
            raise _wrong(
                f"the key {field} is no type of a key (types: {listing(KINDS)})", where,
                f"give it as text: {field.name} string",
            )  # fmt: skip


def _check_word(word: str, value: Schema, where: Place) -> None:
    if not word:
        return
    if len(value) != 1:
        raise _wrong(
            f"{word} has one value, and value= has {len(value)}", where, 'write "n bigint"'
        )
    kind = value.fields[0].type.kind
    if word == "count" and value.fields[0].type != BIGINT:
        raise _wrong(f"count gives a bigint, not a {kind}", where, 'write value="n bigint"')
    if word == "sum" and kind not in _COUNTED:
        raise _wrong(f"sum of a {kind}", where, f"give one of {listing(_COUNTED)}")
    if word in ("min", "max") and value.fields[0].type.is_nested:
        raise _wrong(f"{word} of a {kind}", where, "write a reduce of your own")


def _sort(given: Any, parts: Mapping[str, Any], where: Place) -> tuple[Type, ...]:
    if bool(given) != ("sort_key" in parts):
        raise _wrong(
            "sort= and sort_key stand together: a type, and what gives it", where,
            'write sort="bigint" and def sort_key(self, key, value)',
        )  # fmt: skip
    if not given:
        return ()
    if "combine" in parts:
        raise _wrong("a combiner would lose the order of sort=", where, "remove combine")
    texts = [given] if isinstance(given, str) else list(given)
    types = []
    for text in texts:
        try:
            type_ = parse_type(text)
        except DefinitionError as error:
            raise _wrong(f"sort: {error.finding.what}", where, error.finding.fix) from None
        if type_.kind not in KINDS:
            raise _wrong(f"sort has {text}, not one of {listing(KINDS)}", where, 'write "bigint"')
        types.append(type_)
    return tuple(types)


def _returns(given: Any, key: Schema, value: Schema, where: Place) -> Schema:
    if given is not None:
        return _columns(given, "returns", where)
    try:
        return parse_schema(f"{key}, {value}")
    except DefinitionError as error:
        raise _wrong(
            error.finding.what, where, 'name them: key="k string", value="v bigint"'
        ) from None


def _rest(
    code: Any, parts: Mapping[str, Callable[..., Any]], options: dict[str, Any], where: Place
) -> dict[str, Any]:
    if options["on_error"] not in ON_ERROR:
        close = nearest(str(options["on_error"]), ON_ERROR) or ON_ERROR[0]
        raise _wrong(
            f"on_error is {options['on_error']!r} (words: {listing(ON_ERROR)})", where,
            f'write on_error="{close}"',
        )  # fmt: skip
    for name in ("reducers", "workers"):
        n = options[name]
        if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
            raise _wrong(f"{name} is {n!r}, not a whole number from 1 on", where, f"write {name}=2")
    size = options["split_size"]
    try:
        split_bytes = parse_size(size) if size else 0
    except ValueError:
        raise _wrong(f"split_size is {size!r}", where, 'write split_size="16 MB"') from None
    every: list[Callable[..., Any]] = (
        [code, *_methods(code)] if isinstance(code, type) else [code[n] for n in sorted(code)]
    )
    return {
        "on_error": options["on_error"], "reducers": options["reducers"],
        "workers": options["workers"], "split_bytes": split_bytes,
        "files": _files(options["files"], where), "digest": digest(*every), "code": code,
    }  # fmt: skip


def _methods(cls: type) -> list[Callable[..., Any]]:
    return [value for _, value in sorted(vars(cls).items()) if inspect.isfunction(value)]


def _files(given: Any, where: Place) -> tuple[tuple[str, str], ...]:
    """Give the side files by name: those of a list have their own names."""
    if given is None:
        return ()
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Sequence):
        given = {str(path).rsplit("/", 1)[-1]: path for path in given}
    if not isinstance(given, Mapping):
        raise _wrong(f"files is a {type(given).__name__}", where, 'write files=["stopwords.txt"]')
    return tuple(sorted((str(name), str(path)) for name, path in given.items()))


def _wrong(what: str, where: Place, fix: str) -> DefinitionError:
    return DefinitionError(f"map/reduce: {what}", where=where, code="MapReduceOption", fix=fix)
