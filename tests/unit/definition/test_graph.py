"""What a query reads, and in which order steps can be bound."""

import pytest

from mainstem.definition.graph import Reads, circles, reads_of, sorted_steps
from mainstem.sql.parse import parse
from mainstem.sql.tokens import Text


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 1", ()),
        ("SELECT * FROM b JOIN a USING (x), b AS again", ("b", "a")),
        ("SELECT (SELECT max(x) FROM s) FROM t WHERE x IN (SELECT x FROM u)", ("s", "t", "u")),
        ("WITH c AS (SELECT * FROM t) SELECT * FROM c", ("t",)),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM T", ("t",)),
        ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", ("b",)),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r", ()),
        ("SELECT * FROM (WITH c AS (SELECT 1) SELECT * FROM c) AS x, c", ("c",)),
        ("SELECT * FROM TUMBLE(v, ts, INTERVAL '1 minute')", ("v",)),
        ("SELECT * FROM a UNION ALL SELECT * FROM b EXCEPT SELECT * FROM c", ("a", "b", "c")),
    ],
)
def test_reads_are_names_that_no_with_query_hides(sql, names):
    """A WITH query hides a step from where it is visible, and only there."""
    assert reads_of(parse(Text(sql))).names == names


def graph(**reads):
    """Name to what it reads."""
    return {name: Reads(tuple(names)) for name, names in reads.items()}


def test_steps_follow_what_they_read_else_keep_their_order():
    """C reads a and b, which are declared after it."""
    reads = graph(c="ab", a="s", b="a", d="s")

    assert sorted_steps(reads, ["s", "c", "a", "b", "d"]) == ["a", "b", "c", "d"]


def test_steps_that_read_unknown_names_come_last():
    """By then the binder knows every name, and can say the nearest."""
    reads = graph(x=["oops"], y=["x"], a="s", b="a")

    assert sorted_steps(reads, ["s", "x", "y", "a", "b"]) == ["a", "b", "x", "y"]


def test_circles_are_found_once_each():
    """A circle of three, one of one, and a chain into a circle."""
    reads = graph(a="b", b="c", c="a", d="d", e="a", f="s")

    assert circles(reads) == [("a", "b", "c", "a"), ("d", "d")]
    assert sorted(sorted_steps(reads, list("abcdefs"))) == list("abcdef")


def test_long_chain_is_no_circle_and_needs_no_deep_stack():
    """5000 views in a row, declared backwards."""
    reads = {f"v{i}": Reads((f"v{i + 1}",)) for i in range(5000)} | graph(v5000=[])

    assert circles(reads) == []
