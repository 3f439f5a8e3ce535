"""What a catalogue row is. A function that has no row does not exist in the dialect.

A row states one meaning for all engines: name, signatures, NULL rule, failure rule (V10), how each
engine spells it, and examples. The examples are the documentation and the conformance cases, so
their results are worked out by hand, never taken from an engine.

Patterns in `takes` and `gives`
-------------------------------
``"bigint"``, ``"string"``, …   that type
``"decimal"``                   any DECIMAL(p, s)
``"T"``, ``"U"``, ``"K"``, ``"V"``   a type variable: all arguments that use it get one common type
``"T[]"``, ``"map(K, V)"``      a list or map of variables
``"struct"``                    any struct
``"lambda(T) -> U"``            a lambda; ``"lambda(T, U) -> boolean"`` takes two
``"'day'"``                     exactly that string literal (compared without regard to case)
``"'day' 'hour'"``              one of these string literals
``"string:zone"``               a check by name: a literal argument must also pass ``checks.CHECKS["zone"]``
                                when a plan is made; so ``"literal bigint:positive"``
``"literal string"``            any string literal (needed when a plan is made), likewise ``bigint``
``"regex"``                     a string literal that is a pattern of the documented subset
``"interval"``                  an INTERVAL literal
``"string..."``                 any number of further arguments, at least one

Spellings
---------
``{0}``, ``{1}`` are arguments, ``{args}`` all of them, ``{whens}`` the variadic ones as "WHEN 1 THEN … WHEN 2
THEN …", ``{type}`` is the engine's name of the result's type. Aggregates and window
functions also have ``{distinct}`` ("DISTINCT " or ""), ``{order}`` (" ORDER BY …" or "") and ``{over}``
(the FILTER and OVER clauses) and ``{nulls}`` (" IGNORE NULLS" or ""; a row without it refuses the words);
for ``order="own"`` ``{order}`` is by the first argument when the user gave none. So a wrapper can close around them: ``CAST(sum({distinct}{0}){over} AS BIGINT)``.
A literal brace is doubled. An argument is printed so that it may stand in any place.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cache
from threading import RLock
from typing import Any

from mainstem.errors import InternalError, UnsupportedError
from mainstem.plan.types import Type
from mainstem.record import record

# The engine that runs ``name({args})`` where a row has no spelling: the dialect is shaped after it.
PLAIN_ENGINE = "duckdb"


@record
class Sql:
    """An example's argument given as SQL text: an interval, a unit, a lambda."""

    text: str


@record
class Fails:
    """An example's result: the row fails (V10); `why` is for the docs."""

    why: str = ""


@record
class Example:
    """One worked example of a row.

    Parameters
    ----------
    args : tuple
        Scalar: Python values, or `Sql`. Aggregate and window: empty, see `rows`.
    gives : object
        The result, or `Fails`. Window functions: the list of results in the order of `rows`.
    types : str
        Types of the arguments or columns as schema types separated by ";" (``"bigint; string[]"``);
        needed where Python values do not tell (None, empty lists, maps, structs).
    rows : tuple of tuple
        Aggregate and window: the input rows; columns are called a, b, c, …
    call : str
        Aggregate and window: the SQL, such as ``"sum(a)"`` or ``"lag(a) OVER (ORDER BY b)"``.
    """

    args: tuple[Any, ...]
    gives: Any
    types: str = ""
    rows: tuple[tuple[Any, ...], ...] = ()
    call: str = ""


def ex(*args: Any, gives: Any, types: str = "") -> Example:
    """Write a scalar example: ``ex("abc", "c", gives=3)``."""
    return Example(args, gives, types)


def rows(call: str, *values: Any, gives: Any, types: str = "") -> Example:
    """Write an aggregate or window example: ``rows("sum(a)", 1, 2, None, gives=3)``."""
    table = tuple(v if isinstance(v, tuple) else (v,) for v in values)
    return Example((), gives, types, table, call)


@record
class Overload:
    """One signature. `gives` is a pattern, or a function of the (coerced) argument types.

    `spelling` replaces the row's for the engines that it names.
    """

    takes: tuple[str, ...]
    gives: str | Callable[[Sequence[Type]], Type]
    spelling: dict[str, str] = field(default_factory=dict)


@record
class Function:
    """One meaning.

    Parameters
    ----------
    name : str
        The documented name, lower case.
    doc : str
        One or two sentences: what it gives, edges included.
    overloads : tuple of Overload
        Tried in order; the first of the cheapest conversions wins.
    kind : str
        ``scalar``, ``aggregate`` or ``window``. Aggregates may also stand over a window.
    null : str
        What NULL arguments do.
    fails : str
        ``"never"``, or when a row fails.
    spelling : dict
        Template by engine; ``"*"`` for all. Without one DuckDB says ``name({args})``, for aggregates
        ``name({distinct}{args}{order}){over}``, and every other engine refuses.
    aliases : tuple of str
        Other names with the same meaning.
    rules : tuple of str
        Contract rules that it follows.
    order : str
        ``"free"``: order never matters. ``"total"``: needs a total order (V6), so the binder appends
        or refuses. ``"own"``: only an order by its own first argument is allowed (then it is free).
    is_deterministic : bool
        False for what differs between runs (V9).
    compares : bool
        True for what compares its arguments, or the elements of them, with one another: maps are
        refused there, since engines compare them by the order of insertion.
    examples : tuple of Example
        At least three; NULL and an edge among them.
    """

    name: str
    doc: str
    overloads: tuple[Overload, ...]
    kind: str = "scalar"
    family: str = ""
    null: str = "any NULL gives NULL"
    fails: str = "never"
    spelling: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    order: str = "free"
    is_deterministic: bool = True
    compares: bool = False
    examples: tuple[Example, ...] = ()

    def allows(self, overload: int, word: str) -> bool:
        """Say whether each spelling of an overload has the placeholder ``distinct``, ``order`` or ``nulls``."""
        texts = (self.overloads[overload].spelling or self.spelling).values()
        return all("{" + word + "}" in text for text in texts) if texts else word != "nulls"

    def template(self, overload: int, engine: str) -> str:
        """Give the spelling of an overload on an engine.

        Raises
        ------
        UnsupportedError
            When neither the engine nor ``"*"`` has one. Only DuckDB takes the plain name by itself:
            what another engine means by the same name is not known until somebody wrote it down.
        """
        row = self.overloads[overload].spelling
        for table in (row, self.spelling):
            for key in (engine, "*"):
                if key in table:
                    return table[key]
        if engine != PLAIN_ENGINE:
            raise UnsupportedError(
                f"{self.name} has no spelling for {engine}",
                code="FunctionNotSpelled",
                fix=f"add {engine}= to its overload in mainstem.functions",
            )
        if self.kind == "scalar":
            return self.name + "({args})"
        return self.name + "({distinct}{args}{order}){over}"


def overload(
    *takes: str, gives: str | Callable[[Sequence[Type]], Type], **spelling: str
) -> Overload:
    """Write a signature: ``overload("string", "bigint", gives="string", duckdb="left({0}, {1})")``."""
    return Overload(takes, gives, spelling)


class _Catalogue(Mapping[str, Function]):
    """Rows by name and alias; a module is imported when no earlier one has the name that is asked for.

    A small query names three functions, and to make all rows with their examples takes as long as
    to plan several queries. The modules with what most queries name come first.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._rows: dict[str, Function] = {}
        self._left = sorted(modules, key=lambda name: (name not in _FIRST, name))
        self._lock = RLock()

    def __getitem__(self, name: str) -> Function:
        while name not in self._rows and self._more():
            pass
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        while self._more():
            pass
        return iter(self._rows)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _more(self) -> bool:
        """Take in one more module; False when there is none."""
        with self._lock:
            if not self._left:
                return False
            module = importlib.import_module(f"mainstem.functions.{self._left[0]}")
            for row in getattr(module, "FUNCTIONS", ()):
                for name in (row.name, *row.aliases):
                    if name in self._rows:
                        raise InternalError(f"two catalogue rows are called {name!r}")
                    self._rows[name] = row
            del self._left[0]
            return True


_FIRST = ("aggregate", "operators")


@cache
def catalogue() -> Mapping[str, Function]:
    """Give every row by name and alias. Adding a row to a module here registers it.

    Raises
    ------
    InternalError
        When two rows claim one name: as soon as both are there.
    """
    import mainstem.functions as package

    return _Catalogue([info.name for info in pkgutil.iter_modules(package.__path__)])


def meanings() -> list[Function]:
    """Give every row once, by family and name."""
    unique = {id(row): row for row in catalogue().values()}
    return sorted(unique.values(), key=lambda row: (row.family, row.name))
