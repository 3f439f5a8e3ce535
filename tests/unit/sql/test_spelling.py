"""An engine that has no spelling of a function refuses it by name."""

import pytest

from mainstem.errors import UnsupportedError
from mainstem.functions.spec import Function, meanings, overload


def test_only_duckdb_takes_the_plain_name():
    """Only duckdb takes the plain name."""
    row = Function("f", "", (overload("bigint", gives="bigint"),))

    assert row.template(0, "duckdb") == "f({args})"
    with pytest.raises(UnsupportedError, match="f has no spelling for spark"):
        row.template(0, "spark")


def test_a_spelling_for_all_and_one_of_its_own():
    """A spelling for all and one of its own."""
    row = Function(
        "f", "", (overload("bigint", gives="bigint", spark="g({0})"),), spelling={"*": "h({0})"}
    )

    assert row.template(0, "spark") == "g({0})"
    assert row.template(0, "flink") == "h({0})"


@pytest.mark.parametrize("row", meanings(), ids=lambda row: row.name)
def test_every_row_is_spelled_for_duckdb(row):
    """Every row is spelled for duckdb."""
    assert all(row.template(i, "duckdb") for i in range(len(row.overloads)))
