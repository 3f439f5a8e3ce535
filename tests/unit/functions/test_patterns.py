"""Literal patterns, paths and starts are judged when a plan is made, not during a run."""

import pytest

from mainstem.errors import Findings
from mainstem.functions.patterns import path_problem, regex_problem, start_problem
from mainstem.sql.bind import bind

SHARED = [
    "", "a+", "a*?b", "^[A-Z]{2,3}$", "(?i)error", "(?:a|b)+", r"\d+\.\d{2}", r"[^\]a-z]",
    "[+*.-]", r"\p{Lu}", "a}", r"id=([0-9]+)", "é|ü", r"\x41", "a{2}",
]  # fmt: skip
REFUSED = [
    ("a++", "repeats nothing"), ("*a", "repeats nothing"), ("a|*", "repeats nothing"),
    ("(a", "stays open"), ("a)", "not open"), ("[[:alpha:]]", "subset"), ("(?=a)", "subset"),
    ("(?<!a)b", "subset"), ("(?<n>a)", "subset"), (r"(a)\1", "subset"), (r"\h", "subset"),
    ("a{3,1}", "ends before"), ("a{1001}", "over 1000"), ("{", r"\{"), ("[z-a]", "backwards"),
    ("[a&&b]", "&&"), ("a\\", "subset"), ("[]a]", "set"), (5, "a text"),
]  # fmt: skip


@pytest.mark.parametrize("pattern", SHARED)
def test_shared_pattern_passes(pattern):
    """What RE2 and Java read alike is let through."""
    assert regex_problem(pattern) == ""


@pytest.mark.parametrize(("pattern", "reason"), REFUSED)
def test_pattern_outside_of_the_subset_is_refused(pattern, reason):
    """The reason is told, so that the pattern can be rewritten."""
    assert reason in regex_problem(pattern)


@pytest.mark.parametrize(
    "path", ["$", "$.a", "$.a.b[0][-1]", '$."x y".z', "$.é-1", "key", "a.b", "a[0]"]
)
def test_path_passes(path):
    """Names, quoted names, places, and plain keys."""
    assert path_problem(path) == ""


@pytest.mark.parametrize(
    "path", ["$.", "$a", "$.*", "$[*]", "$..a", "$[#-1]", "$[1", '$.""', "/a", "*", "", "a\\", 0]
)
def test_path_is_refused(path):
    """Wildcards and pointers mean something else on each engine."""
    assert path_problem(path)


def test_only_the_start_zero_is_refused():
    """Positions count from 1, or from the end."""
    assert start_problem(0)
    assert [start_problem(1), start_problem(-1)] == ["", ""]


@pytest.mark.parametrize(
    ("sql", "part"),
    [
        ("SELECT substring('abc', 0)", "count from 1"),
        ("SELECT substr('abc', 0, 2)", "count from 1"),
        ("SELECT regexp_extract('abc', '(?=b)')", "(?="),
        ("SELECT regexp_extract('abc', 'b', -1)", "below 0"),
        ("SELECT json_text('{}', '$[*]')", "$[*]"),
        ("SELECT '{}' ->> '/a'", "/a"),
    ],
)
def test_a_query_with_one_is_refused(sql, part):
    """The binder asks the check that a row names."""
    findings = Findings()

    bind(sql, {}, findings=findings)

    assert [part in f.what for f in findings.errors] == [True]


def test_a_double_literal_takes_no_decimal_overload():
    """It did once: a CAST folded to a literal passed for DECIMAL, and round gave decimal(0,0)."""
    found = bind("SELECT round(CAST(2.5 AS double)) AS r, abs(1e0) AS a", {})

    assert [str(f.type) for f in found.schema.fields] == ["double", "double"]
