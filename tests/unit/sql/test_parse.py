"""The grammar: what binds tighter, and what is told where the text leaves it."""

import time

import pytest

from mainstem.errors import CheckFailed, DefinitionError
from mainstem.plan.types import parse_schema
from mainstem.sql.bind import bind
from mainstem.sql.parse import parse
from mainstem.sql.text import Printer, to_text
from mainstem.sql.tokens import Text

T = {"t": parse_schema("a bigint, b boolean, s string")}


def printed(expression):
    """Printed."""
    return Printer().expr(parse(Text(f"SELECT {expression}")).body.items[0].expr)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1 + 2 * 3", "(1 + (2 * 3))"),
        ("1 - 2 - 3", "(1 - 2 - 3)"),
        ("6 / 3 * 2", "((6 / 3) * 2)"),
        ("- 1 + 2", "(-1 + 2)"),
        ("-a * b", '((- "a") * "b")'),
        ("a || b + c", '("a" || ("b" + "c"))'),
        ("a || b = c", '(("a" || "b") = "c")'),
        ("NOT a = b", '(NOT ("a" = "b"))'),
        ("NOT a AND b", '((NOT "a") AND "b")'),
        ("a OR b AND c", '("a" OR ("b" AND "c"))'),
        ("a AND b OR c AND d", '(("a" AND "b") OR ("c" AND "d"))'),
        ("a BETWEEN 1 AND 2 AND b", '(("a" BETWEEN 1 AND 2) AND "b")'),
        ("a IN (1, 2) OR b", '(("a" IN (1, 2)) OR "b")'),
        ("a NOT LIKE b || c", '(NOT ("a" LIKE ("b" || "c")))'),
        ("a IS NULL = b", '(("a" IS NULL) = "b")'),
        ("a IS NOT DISTINCT FROM b + 1", '("a" IS NOT DISTINCT FROM ("b" + 1))'),
        ("a::bigint + 1", '(CAST("a" AS bigint) + 1)'),
        ("-a::bigint", '(- CAST("a" AS bigint))'),
        ("a[1].b", '(("a")[1])."b"'),
        ("a.b.c", '"a"."b"."c"'),
        ("a -> 'x' ->> 'y'", "((\"a\" -> 'x') ->> 'y')"),
        ("a OR b OR c", '(("a" OR "b") OR "c")'),
    ],
)
def test_precedence(text, meaning):
    """The table of docs/dialect.md, line by line."""
    assert printed(text) == meaning


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("SELECT", 7, "a value should stand before the end"),
        ("SELECT a FROM", 14, "a source, view or table name"),
        ("SELECT a FROM t WHERE", 22, "a value should stand before the end"),
        ("SELECT a, FROM t GROUP", 23, "BY should stand before the end"),
        ("SELECT (a FROM t", 11, "should stand before 'FROM'"),
        ("SELECT a FROM t JOIN u", 23, "ON or USING should stand before the end"),
        ("SELECT CASE a END", 15, "WHEN should stand before 'END'"),
        ("SELECT CAST(a bigint)", 15, "AS should stand before 'bigint'"),
        ("SELECT a IS 5", 13, "NULL, TRUE, FALSE or DISTINCT FROM"),
        ("SELECT a FROM t ORDER BY ALL", 26, "ORDER BY ALL is not in the dialect"),
        ("SELECT sum(*) FROM t UNION", 27, "SELECT, VALUES or WITH"),
        ("SELECT a FROM s.t", 16, "no schema or catalogue part"),
        ("SELECT a[1:2] FROM t", 11, "slices are written as a function"),
        ("SELECT ? FROM t", 8, "parameters have names"),
        ("SELECT a FROM LATERAL t", 23, "a query in parentheses"),
        ("DELETE FROM t", 1, "SELECT, VALUES or WITH"),
        ("SELECT a FROM t; SELECT b FROM t", 18, "should not stand here"),
        ("SELECT INTERVAL '5 parsecs'", 8, "cannot read the interval"),
        ("SELECT INTERVAL '99999999999 days'", 8, "longer than the calendar"),
    ],
)
def test_what_is_outside_of_the_grammar_is_told_at_its_place(text, column, part):
    """What is outside of the grammar is told at its place."""
    with pytest.raises(DefinitionError) as caught:
        parse(Text(text))

    found = caught.value.finding
    assert found.code == "SqlSyntax"
    assert part in found.what
    assert found.where.column == column


def codes(text):
    """Codes."""
    with pytest.raises(CheckFailed) as caught:
        bind(text, T)
    return {finding.code for finding in caught.value.findings}


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 2000 + "a" + ")" * 2000,
        "NOT " * 2000 + "b",
        "- " * 2000 + "a",
        "a" + " + 1" * 5000,
        "s" + " || s" * 5000,
        "upper(" * 2000 + "s" + ")" * 2000,
        "CASE WHEN b THEN 1 ELSE " * 500 + "2" + " END" * 500,
        "[" * 2000 + "a" + "]" * 2000,
        "{'x': " * 2000 + "a" + "}" * 2000,
        "{" * 2000,
        "position(" * 2000,
        "(SELECT " * 2000 + "a" + ")" * 2000,
        "CAST(a AS " + "bigint" + "[]" * 2000 + ")",
        "a" + "::bigint" * 3000,
        "a" + "[1]" * 3000,
    ],
    ids=lambda text: text[:12],
)
def test_deep_nesting_is_a_finding(expression):
    """Not a RecursionError, which would tell the user nothing about the place."""
    assert codes(f"SELECT {expression} AS x FROM t") & {"SqlTooDeep", "SqlSyntax", "SchemaSyntax"}


@pytest.mark.parametrize(
    "expression",
    [
        "a" + " + 1" * 100,
        "s" + " || s" * 100,
        "(" * 30 + "a" + ")" * 30,
        "NOT " * 15 + "b",
        "upper(" * 30 + "s" + ")" * 30,
        "a" + "::string::bigint" * 15,
        "CASE WHEN b THEN 1 ELSE " * 30 + "2" + " END" * 30,
    ],
    ids=lambda text: text[:12],
)
def test_what_is_bound_can_be_printed_and_read_again(expression):
    """What is bound can be printed and read again."""
    bound = bind(f"SELECT {expression} AS x FROM t", T)

    assert bind(to_text(bound.query), T).query == bound.query


@pytest.mark.parametrize("words", ["((" * 500, "(SELECT * FROM " * 500, "t JOIN (" * 500])
def test_deep_relations_are_a_finding(words):
    """Deep relations are a finding."""
    assert codes(f"SELECT 1 AS x FROM {words}") <= {"SqlTooDeep", "SqlSyntax"}


@pytest.mark.parametrize("word", ["AND", "OR"])
def test_long_chains_of_and_and_or_are_bound(word):
    """Programs write such filters; they lean to no side, so they are not deep."""
    chain = f" {word} ".join(f"a = {n}" for n in range(5000))

    assert bind(f"SELECT a FROM t WHERE {chain}", T) is not None


def test_chain_keeps_its_order():
    """Chain keeps its order."""
    text = " OR ".join(f"x{n}" for n in range(100))
    found = printed(text).replace("(", "").replace(")", "").replace('"', "")

    assert found == text


def test_nested_parentheses_do_not_double_the_work():
    """A reader that tries one rule after the other takes 2^n steps for these."""
    inner = "(SELECT 1 AS one) AS q"
    for n in range(12):
        inner = f"((SELECT 1 AS one FROM {inner}) AS a{n} JOIN t AS t{n} ON TRUE)"
    started = time.process_time()

    parse(Text(f"SELECT 1 AS x FROM {inner}"))

    # Not a measure of speed: twice the work at each of 12 levels would take minutes.
    assert time.process_time() - started < 20


def test_aliases_that_double_are_a_finding():
    """Aliases that double are a finding."""
    columns = ", ".join(f"x{n} + x{n} AS x{n + 1}" for n in range(40))

    assert codes(f"SELECT a AS x0, {columns} FROM t") <= {"SqlTooDeep"}
