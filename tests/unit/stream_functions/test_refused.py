"""Calls that a stream cannot have are refused by name, and the fix that is told works."""

import shutil

import pytest

from mainstem.connectors.duckdb import duckdb
from mainstem.errors import CheckFailed, StateError, UnsupportedError
from tests.unit.stream_functions.case import asked, payments, pipeline, streamed, write


def with_functions(base):
    """`twice` and `plus`."""
    p = pipeline(base)

    @p.function(workers=0)
    def twice(n: int) -> int:
        return n * 2

    @p.function(workers=0)
    def plus(n: int) -> int:
        return n + 1

    return p


def test_a_chain_over_an_updating_table_is_refused(tmp_path):
    """Which of two results is missing would not be known; in a view of its own the first has its key."""
    p = with_functions(tmp_path)
    chain = "SELECT country, plus(twice(count(*)) + 1) AS n FROM pay GROUP BY country"
    p.table("answer", chain, state="unbounded")
    write(tmp_path, payments(6))

    with pytest.raises(UnsupportedError) as raised:
        streamed(p, tmp_path)
    finding = raised.value.finding
    assert (finding.code, finding.step) == ("FunctionPlace", "answer")
    assert "call plus in a view" in finding.fix

    p = with_functions(tmp_path)
    p.view("doubled", "SELECT country, twice(count(*)) AS n FROM pay GROUP BY country")
    p.table("answer", "SELECT country, plus(n + 1) AS n FROM doubled", state="unbounded")
    streamed(p, tmp_path)
    assert asked(tmp_path, "SELECT DISTINCT n FROM answer") == [(6,)]


def test_what_is_not_deterministic_comes_last(tmp_path):
    """V9, in a stream as in a batch."""
    p = pipeline(tmp_path)

    @p.function(workers=0, deterministic=False)
    def dice(n: int) -> int:
        return n

    p.table(
        "answer", "SELECT window_end, sum(dice(id)) AS n FROM TUMBLE(pay, ts, INTERVAL '1 minute') "
        "GROUP BY window_end",
    )  # fmt: skip

    with pytest.raises(CheckFailed, match="dice is not deterministic and stands too early"):
        p.plan()


@pytest.mark.parametrize("deterministic", [True, False])
def test_an_older_state_catches_up_where_results_come_again(tmp_path, deterministic):
    """What the sink has and what the state gets would differ else."""
    p = pipeline(tmp_path)
    p.function(workers=0, name="scored", takes="bigint", returns="bigint",
               deterministic=deterministic)(lambda n: n * 2)  # fmt: skip
    p.table("answer", "SELECT id, scored(id) AS n FROM pay", sink=duckdb("out.duckdb", "answer"))
    p.table("kept", "SELECT id, scored(id) AS n FROM pay")
    write(tmp_path, payments(10))
    streamed(p, tmp_path)
    shutil.copytree(tmp_path / ".mainstem", tmp_path / "older")
    write(tmp_path, payments(20)[10:], "b")
    streamed(p, tmp_path)
    shutil.rmtree(tmp_path / ".mainstem")
    (tmp_path / "older").rename(tmp_path / ".mainstem")

    if deterministic:
        streamed(p, tmp_path)
        assert asked(tmp_path, "SELECT count(*), sum(n) FROM kept") == [(20, 380)]
        return
    with pytest.raises(StateError, match="scored is not deterministic") as raised:
        streamed(p, tmp_path)
    assert raised.value.finding.code == "SinkAhead"
