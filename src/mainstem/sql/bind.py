"""Binds a text: from what the user wrote to a tree that means one thing, or to all findings."""

from __future__ import annotations

from collections.abc import Mapping

from mainstem.errors import NOWHERE, DefinitionError, Findings, Place
from mainstem.plan import tree as t
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
from mainstem.sql.parse import parse
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
    own = Findings()
    bound = _bind(source, tables, params or {}, own)
    if findings is None:
        own.raise_errors()
    else:
        for item in own.items:
            findings.add(item)
    return None if own.errors else bound


def _bind(
    source: Text, tables: Mapping[str, Schema], params: Mapping[str, Type], findings: Findings
) -> Bound | None:
    try:
        return _bind_tree(parse(source), source, tables, params, findings)
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
    tables: Mapping[str, Schema],
    params: Mapping[str, Type],
    findings: Findings,
) -> Bound | None:
    named = Named({n.lower(): (n, _columns(s)) for n, s in tables.items()})
    binder = Binder(source, params, findings)
    query, columns = binder.query(node, None, named)
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
