"""Frames as values: pure, comparable, and shown with their columns."""

import mainstem as ms
from mainstem import col


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
