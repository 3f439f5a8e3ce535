"""What does not fit into the memory limit goes to the run's own folder on disk."""

import pytest

from mainstem.engines.embedded.session import open_session
from mainstem.engines.spec import RunSettings
from mainstem.errors import EngineError
from mainstem.plan.nodes import Param
from mainstem.plan.types import parse_type


def test_a_table_larger_than_the_memory_limit_is_spilled(tmp_path):
    """DuckDB makes the last folder of its spill path and not the ones above it."""
    settings = RunSettings("r1", tmp_path / "state", tmp_path, memory_limit="40MB")
    with open_session(settings, ()) as session:
        session.connection.execute(
            "CREATE TEMP TABLE wide AS SELECT i, md5(i::VARCHAR) AS text FROM range(1500000) t(i)"
        )
        found = session.connection.execute("SELECT count(*), sum(i) FROM wide").fetchall()

    assert found == [(1_500_000, 1_124_999_250_000)]


def test_a_limit_that_leaves_no_room_is_told_as_that(tmp_path):
    """Not as a wrong parameter, nor as a fault of ours."""
    param = Param("day", parse_type("string"), "x")
    settings = RunSettings("r1", tmp_path / "state", tmp_path, memory_limit="1KB")
    with (
        pytest.raises(EngineError, match="memory ran out") as caught,
        open_session(settings, (param,)),
    ):
        pass

    assert caught.value.finding.code == "OutOfMemory"
