"""What does not fit into the memory limit goes to the run's own folder on disk."""

from mainstem.engines.embedded.session import open_session
from mainstem.engines.spec import RunSettings


def test_a_table_larger_than_the_memory_limit_is_spilled(tmp_path):
    """DuckDB makes the last folder of its spill path and not the ones above it."""
    settings = RunSettings("r1", tmp_path / "state", tmp_path, memory_limit="40MB")
    with open_session(settings, ()) as session:
        session.connection.execute(
            "CREATE TEMP TABLE wide AS SELECT i, md5(i::VARCHAR) AS text FROM range(1500000) t(i)"
        )
        found = session.connection.execute("SELECT count(*), sum(i) FROM wide").fetchall()

    assert found == [(1_500_000, 1_124_999_250_000)]
