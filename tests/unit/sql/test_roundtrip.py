"""The canonical text of a bound tree reads back to the same tree."""

import pytest

from mainstem.plan.types import parse_schema
from mainstem.sql.bind import bind
from mainstem.sql.text import to_text
from tests.unit.sql.queries import TPCH, TPCH_SCHEMAS, params, right_cases, tables

TPCH_TABLES = {name: parse_schema(text) for name, text in TPCH_SCHEMAS.items()}


def same_again(text, schemas, types=None):
    """Bind, print, bind again; plans are compared and fingerprinted by this text."""
    once = bind(text, schemas, params=types)
    printed = to_text(once.query)
    again = bind(printed, schemas, params=types)

    assert to_text(again.query) == printed
    assert again.query == once.query
    assert again.schema == once.schema
    assert again.inputs == once.inputs


@pytest.mark.parametrize("case", right_cases(), ids=lambda case: case.id)
def test_case_reads_back(case):
    """Every query of the suite."""
    same_again(case.query, tables(case), params(case))


@pytest.mark.parametrize("path", TPCH, ids=lambda path: path.stem)
def test_tpch_reads_back(path):
    """Queries as people write them."""
    text = path.read_text("utf-8")
    text = text[text.upper().index("SELECT") if "WITH" not in text.upper() else 0 :]
    same_again(text, TPCH_TABLES)


def test_tpch_is_all_there():
    """An empty folder would pass every test above."""
    assert len(TPCH) == 22
