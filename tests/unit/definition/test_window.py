"""Windows as values: checked when they are made, and the same as the SQL that they stand for."""

from datetime import timedelta

import pytest

import mainstem as ms
from mainstem.definition.window import Cumulate, Hop, Session, Tumble
from mainstem.errors import DefinitionError

MINUTE = timedelta(minutes=1)


def test_windows_are_frozen_values():
    """Equal words are equal values."""
    assert ms.tumble("ts", size="1 minute") == Tumble("ts", MINUTE)
    assert ms.hop("ts", size="10 minutes", every=MINUTE) == Hop("ts", 10 * MINUTE, MINUTE)
    assert ms.session("ts", gap="60 s") == Session("ts", MINUTE)
    assert ms.cumulate("ts", size="1 hour", step="1 minute") == Cumulate("ts", 60 * MINUTE, MINUTE)


@pytest.mark.parametrize(
    ("window", "sql"),
    [
        (ms.tumble("ts", size="90 s"), "TUMBLE(\"v\", \"ts\", INTERVAL '90 seconds')"),
        (ms.hop("ts", size="1 hour", every="5 minutes"),
         "HOP(\"v\", \"ts\", INTERVAL '5 minutes', INTERVAL '1 hour')"),
        (ms.session('odd"ts', gap="1 day"), "SESSION(\"v\", \"odd\"\"ts\", INTERVAL '1 day')"),
        (ms.cumulate("ts", size="1 hour", step="1 ms"),
         "CUMULATE(\"v\", \"ts\", INTERVAL '1 millisecond', INTERVAL '1 hour')"),
    ],
)  # fmt: skip
def test_window_over_a_table_is_the_table_function(window, sql):
    """Slide and step stand before the size, as in the standard."""
    assert window.over("v") == sql


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: ms.hop("ts", size="10 minutes", every="3 minutes"), "no whole multiple of every"),
        (lambda: ms.hop("ts", size="1 minute", every="2 minutes"), "no whole multiple"),
        (lambda: ms.cumulate("ts", size="1 hour", step="7 minutes"), "no whole multiple of step"),
        (lambda: ms.tumble("ts", size="0 seconds"), "at least one"),
        (lambda: ms.tumble("ts", size="1500 us"), "whole milliseconds"),
        (lambda: ms.tumble("", size="1 s"), "the name of its time column"),
        (lambda: ms.session("ts", gap=5), "a number has no unit"),
    ],
)  # fmt: skip
def test_window_that_cannot_be_is_refused(make, why):
    """T4: sizes are whole multiples; V7: event time works at millisecond grain."""
    with pytest.raises(DefinitionError, match=why):
        make()


@pytest.mark.parametrize("make", [ms.tumble, ms.hop, ms.session, ms.cumulate])
def test_lengths_are_given_by_name(make):
    """HOP(slide, size) and hop(size, every) differ in order: position would be a trap."""
    with pytest.raises(TypeError):
        make("ts", "1 minute", "1 minute")
