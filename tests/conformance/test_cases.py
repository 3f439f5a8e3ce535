"""Every case file, on every engine that claims it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainstem.testing.case import Case, read_cases
from mainstem.testing.engines import engine_names, gap_of
from mainstem.testing.run import refusals, run_case, stream_refusals
from mainstem.testing.streamcase import run_stream_case

FILES = sorted((Path(__file__).parent / "cases").rglob("*.case"))
CASES = [case for path in FILES for case in read_cases(path)]
BATCH_RUNS = [
    pytest.param(case, engine, id=f"{engine}-{case.id}")
    for case in CASES
    for engine in engine_names()
    if case.is_batch or gap_of(engine, "case", case.id)
]
STREAM_RUNS = [
    pytest.param(case, engine, id=f"{engine}-{case.id}")
    for case in CASES
    for engine in engine_names()
    if case.is_stream
]


@pytest.mark.parametrize(("case", "engine"), BATCH_RUNS)
def test_case_gives_its_answer(case: Case, engine: str) -> None:
    """The rows, findings and failures are those that the case states; a declared gap is refused."""
    gap = gap_of(engine, "case", case.id, "batch")
    if gap:
        assert gap["refused"] in refusals(case, engine)
    else:
        run_case(case, engine)


@pytest.mark.parametrize(("case", "engine"), STREAM_RUNS)
def test_stream_gives_its_answer(case: Case, engine: str) -> None:
    """Rows, late rows, watermarks and refusals are those that the case states; a gap is refused."""
    gap = gap_of(engine, "case", case.id, "stream") or gap_of(engine, "mode", "stream")
    if gap:
        found = stream_refusals(case, engine) | refusals(case, engine)
        # What no engine runs is refused before any is asked.
        assert gap["refused"] in found or found == set(case.refuses)
    elif case.refuses:
        assert stream_refusals(case, engine) == set(case.refuses)
    else:
        run_stream_case(case, engine)


def test_titles_are_unique() -> None:
    """A title names one case, so that a gap can name it."""
    ids = [case.id for case in CASES]

    assert len(set(ids)) == len(ids)


def test_every_case_names_a_rule_of_the_contract() -> None:
    """A case without a rule would prove nothing that is promised."""
    contract = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
    known = {line.split("**")[1] for line in contract.splitlines() if line.startswith("- **")}
    unknown = {
        (case.id, rule) for case in CASES for rule in case.rules or ("none",) if rule not in known
    }

    assert not unknown
