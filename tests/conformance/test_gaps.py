"""Gaps are strict both ways: what is declared must fail, and must name something that is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainstem.definition.pipeline import Pipeline
from mainstem.functions.spec import catalogue
from mainstem.plan.nodes import Binding, Plan, Source
from mainstem.plan.types import parse_schema
from mainstem.runtime.run import load_engine
from mainstem.testing.case import read_cases
from mainstem.testing.engines import KINDS, engine_names, gaps

CASES = {
    case.id
    for path in (Path(__file__).parent / "cases").rglob("*.case")
    for case in read_cases(path)
}
KNOWN = {"case": CASES, "function": set(catalogue()), "mode": {"stream"}}


@pytest.mark.parametrize("engine", engine_names())
def test_gap_names_something_that_is_tried(engine: str) -> None:
    """A gap for a case or function that is gone would hide nothing and mislead everybody."""
    for name, gap in gaps(engine).items():
        kind, _, what = name.partition(":")
        assert what in KNOWN[kind], f"{name} is in no suite; remove it from {engine}/gaps.toml"
        assert gap["kind"] in KINDS
        assert gap.get("mode", "") in ("", "batch", "stream")
        # Without the code a wrong answer, or an error of another kind, would pass for a gap.
        assert gap.get("refused") or kind == "function"


@pytest.mark.parametrize("engine", engine_names())
def test_stream_gap_still_holds(engine: str) -> None:
    """An engine without streams refuses an unbounded source by name; one with them has no such gap."""
    source = Source("s", Binding.of("files", path="x.csv"), parse_schema("a bigint"), bounded=False)
    plan = Plan("p", (source,), ())
    found = load_engine(engine).gaps(plan)

    assert bool(found) == ("mode:stream" in gaps(engine))
    assert all("'s'" in one.what for one in found)


def test_pipeline_without_steps_is_a_plan() -> None:
    """The smallest plan has no gap of any kind."""
    p = Pipeline("p")
    p.table("t", "SELECT 1 AS a")

    assert [load_engine(e).gaps(p.plan()) for e in engine_names()] == [[] for _ in engine_names()]
