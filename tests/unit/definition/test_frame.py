"""Frames as values: pure, comparable, and shown with their columns."""

import pytest

import mainstem as ms
from mainstem import col
from mainstem.errors import CheckFailed, DefinitionError


def pipeline():
    """A pipeline with one source and no table."""
    p = ms.Pipeline("shown")
    p.source("orders", ms.files("orders.parquet"), schema="id bigint, amount decimal(12,2)")
    return p


def test_verb_gives_another_frame_and_leaves_the_first():
    """Frames are values: a verb changes none."""
    orders = pipeline().ref("orders")
    before = orders.to_sql()
    large = orders.filter(col("amount") > 10)

    assert orders.to_sql() == before == 'SELECT * FROM "orders"'
    assert large.to_sql() == 'SELECT * FROM "orders" WHERE ("amount" > 10)'


def test_equal_chains_are_equal_frames():
    """Places take no part: the same verbs elsewhere are the same query."""
    first, second = (pipeline().ref("orders").select("id").query for _ in range(2))

    assert first == second
    assert first != pipeline().ref("orders").select("amount").query


def test_notebook_shows_columns_and_types_of_a_frame():
    """It is bound against the pipeline, in which nothing need be complete."""
    shown = pipeline().ref("orders").select("id", twice=col("amount") * 2)._repr_html_()

    assert "<th>id</th><th>twice</th>" in shown
    assert "<td>bigint</td><td>decimal(13,2)</td>" in shown
    assert pipeline().ref("orders")._repr_html_().count("<th>") == 2


def test_notebook_shows_what_is_wrong_with_a_frame():
    """An error is text with its fix, not a traceback."""
    shown = pipeline().ref("orders").select(x=ms.lit("<b>"), y="amuont")._repr_html_()

    assert "ColumnNotFound" in shown
    assert "write amount" in shown
    assert "<b>" not in shown


def test_frame_without_a_pipeline_shows_its_sql():
    """There is nothing to bind it against."""
    frame = pipeline().ref("orders").frame()
    alone = type(frame)(frame.tree, frame.name)

    assert alone._repr_html_() == "<pre>SELECT * FROM &quot;orders&quot;</pre>"


@pytest.mark.parametrize(
    ("build", "what", "fix"),
    [
        (lambda t: t.filter("id > 1"), "filter takes conditions on columns, not 'id > 1'",
         "write ms.expr('id > 1')"),
        (lambda t: t.filter(True), "filter takes conditions on columns, not True",
         'write ms.col("a") > 1'),
        (lambda t: t.join("o", "id"), "join takes a frame, not 'o'", "write p.ref('o')"),
        (lambda t: t.union([1]), r"union takes a frame, not \[1\]",
         'write p.ref("name") or a frame of verbs'),
    ],
)  # fmt: skip
def test_what_other_libraries_take_as_text_is_told(build, what, fix):
    """Not as the attribute that a text has not."""
    p = ms.Pipeline("p")
    with pytest.raises(DefinitionError, match=what) as caught:
        build(p.source("t", ms.files("t.parquet"), schema="id bigint"))

    assert caught.value.finding.fix == fix
    assert caught.value.finding.where.file == __file__


def test_groups_without_an_aggregate_are_no_table():
    """`group_by` gives something that waits for `agg`."""
    p = ms.Pipeline("p")
    t = p.source("t", ms.files("t.parquet"), schema="id bigint")
    p.table("x", t.group_by("id"))

    with pytest.raises(CheckFailed) as caught:
        p.check()
    assert caught.value.findings[0].fix == "add .agg(n=ms.count())"
