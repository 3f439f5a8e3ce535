"""What Spark does not run is refused by name, before anything starts."""

import pytest

import mainstem as ms
from mainstem.engines.spark.engine import ENGINE
from mainstem.errors import SettingsError
from mainstem.runtime.run import load_engine


def gaps(query):
    """The codes and words by which Spark refuses a query over two columns."""
    p = ms.Pipeline("p")
    p.source("t", ms.files("t.csv"), schema="a bigint, b bigint")
    p.table("r", query)
    return [(gap.code, gap.what) for gap in ENGINE.gaps(p.plan()) if gap.code != "PackageMissing"]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        (
            "SELECT sum(b) OVER (ORDER BY a GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM t",
            "a frame in GROUPS",
        ),
        (
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT n % 3 + 1 FROM r) SELECT n FROM r",
            "a recursive WITH with UNION",
        ),
        (
            "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM t AS u WHERE u.a = t.b AND EXISTS "
            "(SELECT 1 FROM t AS v WHERE v.a = t.a))",
            "a subquery that looks two levels out",
        ),
        (
            "SELECT a, rank() OVER (ORDER BY a) AS r FROM t GROUP BY ROLLUP (a)",
            "a window over grouping sets of which one is empty",
        ),
    ],
)
def test_what_spark_has_not(query, what):
    """One finding for a step, with the words for it."""
    ((code, said),) = gaps(query)

    assert code == "NotOnSpark"
    assert what in said


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a, count(*) AS n FROM t GROUP BY ROLLUP (a)",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
        "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM t AS u WHERE u.a = t.b)",
        "SELECT t.a, u.b AS c FROM t ASOF JOIN t AS u ON t.a >= u.a",
    ],
)
def test_what_is_near_to_it_runs(query):
    """A refusal is not wider than what is missing."""
    assert gaps(query) == []


def test_addresses():
    """Spark may be elsewhere, the embedded engine not."""
    assert load_engine("spark://host:7077").master == "spark://host:7077"
    assert load_engine("spark").master == ""
    with pytest.raises(SettingsError, match="EngineAddress"):
        load_engine("embedded://host")
    with pytest.raises(SettingsError, match="EngineNotFound"):
        load_engine("sparks://host")
