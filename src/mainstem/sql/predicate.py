"""A rule about rows as a query: ``SELECT <predicate> FROM <relation>``, one BOOLEAN column."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from mainstem.errors import Findings
from mainstem.plan import tree as t
from mainstem.plan.types import Schema, Type
from mainstem.sql.bind import Bound, bind_tree
from mainstem.sql.parse import Parser
from mainstem.sql.tokens import Text

COLUMN = "passes"


def parse_predicate(text: Text, on: str) -> t.Query:
    """Read a condition over the rows of `on`, unbound.

    It stands in WHERE, so that the binder refuses there what is no condition on one row: aggregates,
    window functions, and values that are not BOOLEAN.

    Raises
    ------
    DefinitionError
        At the first place where the text leaves the grammar.
    """
    parser = Parser(text)
    condition = parser.expression()
    parser.finish()
    # A star, so that no name of ours can be meant by the rule.
    item = t.Item(t.Star())
    return t.Query(t.Select((item,), t.Table(on), condition))


def bind_predicate(
    query: t.Query,
    text: Text,
    tables: Mapping[str, Schema],
    *,
    params: Mapping[str, Type],
    declared: Sequence[str],
    findings: Findings,
) -> Bound | None:
    """Bind what `parse_predicate` gave; the condition becomes the one column of the query.

    Returns
    -------
    Bound or None
        `inputs` begins with the relation itself, then the others that the condition reads.
    """
    own = Findings()
    bound = bind_tree(query, tables, source=text, params=params, declared=declared, findings=own)
    for found in own.items:
        what = found.what.replace("in WHERE", "in a rule about rows")
        findings.add(dataclasses.replace(found, what=what.replace("WHERE takes", "a rule takes")))
    if bound is None or not isinstance(bound.query.body, t.Select):
        return None
    body = bound.query.body
    if body.where is None:
        return None
    test = t.Query(t.Select((t.Item(body.where, COLUMN),), body.source))
    return Bound(test, bound.schema, bound.inputs)
