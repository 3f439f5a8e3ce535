"""Tokens know their places, and messages show the user's line."""

import pytest

from mainstem.errors import DefinitionError, Place
from mainstem.sql.tokens import Text, tokenize


def kinds(text):
    """Kinds."""
    return [(token.kind, token.text) for token in tokenize(Text(text))[:-1]]


def test_tokens_of_each_kind():
    """Tokens of each kind."""
    assert kinds("a \"b c\" 'd''e' 1.5e-3 <= /* x */ :: -- end\n->>") == [
        ("word", "a"), ("quoted", "b c"), ("string", "d'e"), ("number", "1.5e-3"),
        ("sign", "<="), ("sign", "::"), ("sign", "->>"),
    ]  # fmt: skip


def test_offsets_are_those_of_the_text():
    """Offsets are those of the text."""
    text = "SELECT  'a'\n , b"
    for token in tokenize(Text(text))[:-1]:
        assert token.text in text[token.at : token.end]


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        ("SELECT 'a", 7, "a text literal is not closed"),
        ('SELECT "a', 7, "a quoted name is not closed"),
        ("SELECT /* a", 7, "a comment is not closed"),
        ("SELECT `a`", 7, "names are not quoted with backticks"),
        ("SELECT a # b", 9, "'#' means nothing in SQL here"),
        ('SELECT ""', 7, "a quoted name is empty"),
        ("SELECT 12abc", 7, "the number 12 runs into a name"),
        ("SELECT 1e", 7, "the number 1 runs into a name"),
        ("SELECT ٣", 7, "'٣' means nothing in SQL here"),
    ],
)
def test_what_is_no_token_is_told_with_its_place(text, at, what):
    """What is no token is told with its place."""
    with pytest.raises(DefinitionError, match="SqlSyntax") as caught:
        tokenize(Text(text))

    assert caught.value.finding.what == what
    assert caught.value.finding.where.column == at + 1


def test_place_counts_from_the_place_of_the_text():
    """Place counts from the place of the text."""
    text = Text("ab\ncd", Place("p.py", 10, 5))

    assert text.locate(1) == Place("p.py", 10, 6)
    assert text.locate(4) == Place("p.py", 11, 2)


def test_place_of_a_text_alone():
    """Place of a text alone."""
    assert Text("ab\ncd").locate(3) == Place("", 2, 1)


def test_snippet_points_at_the_character():
    """Snippet points at the character."""
    text = Text("SELECT a,\n\t  bb\nFROM t")

    assert text.snippet(13) == "bb\n^"
    assert text.snippet(14) == "bb\n ^"
    assert not text.snippet(-1)
