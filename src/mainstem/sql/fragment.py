"""Reads a piece of SQL that is no whole query: one expression, with or without a name."""

from __future__ import annotations

from mainstem.plan import tree as t
from mainstem.sql.parse import Parser
from mainstem.sql.tokens import Text


def fragment(text: Text) -> t.Item:
    """Read one expression with an optional alias: ``amount * 2 AS twice``.

    Parameters
    ----------
    text : Text
        The SQL and its place.

    Returns
    -------
    Item
        The expression as written, and its name or "".

    Raises
    ------
    DefinitionError
        At the first place where the text leaves the grammar (code ``SqlSyntax``).
    """
    parser = Parser(text)
    item = parser.item()
    parser.finish()
    return item
