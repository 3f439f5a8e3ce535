"""docs/bad-input.md says what the battery shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mainstem.formats.records import REASONS
from tests.faults.battery.page import SECTIONS, table
from tests.faults.battery.test_battery import CASES

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("section", SECTIONS)
def test_table_of_the_page(section: str) -> None:
    """The table of each section is the one that the battery gives; replace it when this fails."""
    page = (DOCS / "bad-input.md").read_text("utf-8")
    assert f"\n### {section}\n\n{table(SECTIONS[section])}\n" in page


def test_page_has_every_input() -> None:
    """No input of the battery is left out."""
    assert sorted(case.name for cases in SECTIONS.values() for case in cases) == sorted(
        case.name for case in CASES
    )


def test_names_that_the_page_uses() -> None:
    """Each reason is explained in files.md, each refusal in errors.md."""
    reasons = {bad.reason for case in CASES for bad in case.bad} | {"RowGroupDamaged"}
    files = (DOCS / "files.md").read_text("utf-8")
    assert [name for name in sorted(reasons | set(REASONS)) if f"`{name}`" not in files] == []
    known = set(re.findall(r"^### (\w+)$", (DOCS / "errors.md").read_text("utf-8"), re.MULTILINE))
    assert {case.refused for case in CASES if case.refused} <= known
