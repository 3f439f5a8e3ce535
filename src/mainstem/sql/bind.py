"""Binds a query: from what the user wrote to a tree that means one thing, or to all findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mainstem.errors import NOWHERE, DefinitionError, Findings, Place
from mainstem.plan import tree as t
from mainstem.plan.nodes import PythonFunction
from mainstem.plan.types import (
    NULL,
    STRING,
    Field,
    Schema,
    Type,
    in_expressions,
)
from mainstem.record import record
from mainstem.sql.bind_expr import projected
from mainstem.sql.order import finish_order
from mainstem.sql.parse import checked_depth, parse
from mainstem.sql.python_calls import rows_of
from mainstem.sql.queries import Binder
from mainstem.sql.scope import Columns, Named
from mainstem.sql.tokens import Text


@record
class Bound:
    """A bound query.

    Parameters
    ----------
    query : Query
        The tree, explicit in everything.
    schema : Schema
        Its columns, in order, with the types they have in expressions.
    inputs : tuple of str
        The sources and steps that it reads, in order of first use.
    is_total_order : bool
        Whether the final ORDER BY leaves no ties (V6).
    """

    query: t.Query
    schema: Schema
    inputs: tuple[str, ...]
    is_total_order: bool = False


def bind(
    text: str | Text,
    tables: Mapping[str, Schema],
    *,
    params: Mapping[str, Type] | None = None,
    declared: Sequence[str] = (),
    functions: Sequence[PythonFunction] = (),
    place: Place = NOWHERE,
    step: str = "",
    findings: Findings | None = None,
) -> Bound | None:
    """Read and bind one query.

    Parameters
    ----------
    text : str or Text
        The SQL.
    tables : mapping of str to Schema
        Sources and earlier steps by name; narrow integers count as BIGINT.
    params : mapping of str to Type, optional
        Run parameters by name.
    declared : sequence of str, optional
        Names of the pipeline that are not among `tables`, such as steps that are wrong themselves:
        a misspelt name may mean one of them.
    functions : sequence of PythonFunction, optional
        Functions of the pipeline, beside those of the catalogue.
    place : Place, optional
        Where the text's first character stands in the user's file.
    step : str, optional
        The step's name, for messages.
    findings : Findings, optional
        Collects everything that was found. Without it errors are raised.

    Returns
    -------
    Bound or None
        None when there was an error in this query.

    Raises
    ------
    CheckFailed
        When `findings` is None and something is wrong.
    """
    source = text if isinstance(text, Text) else Text(text, place, step)
    names = Named({n.lower(): (n, _columns(s)) for n, s in tables.items()}, {}, tuple(declared))
    given = _Given(names, params or {}, functions)
    return _collected(lambda: parse(source), source, given, findings)


def bind_tree(
    query: t.Query,
    tables: Mapping[str, Schema],
    *,
    source: Text,
    params: Mapping[str, Type] | None = None,
    declared: Sequence[str] = (),
    functions: Sequence[PythonFunction] = (),
    findings: Findings | None = None,
) -> Bound | None:
    """Bind a tree as the parser or the verbs built it; everything else is as for `bind`.

    Parameters
    ----------
    query : Query
        Names unresolved, types unknown.
    tables : mapping of str to Schema
        Sources and earlier steps by name.
    source : Text
        What tells the place of a node from its ``at``.
    params, declared, functions, findings
        As for `bind`.

    Returns
    -------
    Bound or None
        None when there was an error in this query.
    """
    names = Named({n.lower(): (n, _columns(s)) for n, s in tables.items()}, {}, tuple(declared))
    given = _Given(names, params or {}, functions)
    return _collected(lambda: checked_depth(query, source), source, given, findings)


@record
class _Given:
    """What a query may name."""

    named: Named
    params: Mapping[str, Type]
    functions: Sequence[PythonFunction]


def _collected(
    read: Callable[[], t.Query],
    source: Text,
    given: _Given,
    findings: Findings | None,
) -> Bound | None:
    own = Findings()
    bound = _bind(read, source, given, own)
    if findings is None:
        own.raise_errors()
    else:
        for item in own.items:
            findings.add(item)
    return None if own.errors else bound


def _bind(
    read: Callable[[], t.Query],
    source: Text,
    given: _Given,
    findings: Findings,
) -> Bound | None:
    try:
        return _bind_tree(read(), source, given, findings)
    except DefinitionError as error:
        findings.add(error.finding)
    except RecursionError:
        # The limits of the parser leave room for a caller's own stack; this is for one without any.
        what = "the query is nested deeper than this program's stack"
        findings.add(
            source.finding("SqlTooDeep", what, 0, "take parts out into WITH queries or views")
        )
    return None


def _bind_tree(
    node: t.Query,
    source: Text,
    given: _Given,
    findings: Findings,
) -> Bound | None:
    binder = Binder(source, given.params, findings)
    binder.functions = rows_of(given.functions)
    query, columns = binder.query(node, None, given.named)
    binder.check_output(columns, node)
    if findings.errors:
        return None
    query, is_total = finish_order(query, binder)
    # An untyped NULL column becomes text: every engine and format can hold that.
    types = [_settled(x) for _, x in columns]
    query = projected(query, columns, types)
    fields = tuple(Field(n, x) for (n, _), x in zip(columns, types, strict=True))
    return Bound(query, Schema(fields), tuple(binder.inputs), is_total)


def _settled(type_: Type) -> Type:
    """Give a type without an untyped NULL in it."""
    if type_ == NULL:
        return STRING
    items = tuple(_settled(x) for x in type_.items)
    return Type(type_.kind, type_.precision, type_.scale, items, type_.names)


def _columns(schema: Schema) -> Columns:
    return tuple((f.name, in_expressions(f.type)) for f in schema.fields)
