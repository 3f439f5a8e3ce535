"""A `ttl` over inputs that end: the aggregate of each key's latest session."""

import pytest

import mainstem as ms
from mainstem.errors import MainstemError

CLICKS = """at,who,n
2024-01-01 10:00:00,ann,1
2024-01-01 10:30:00,ann,2
2024-01-01 12:00:00,ann,4
2024-01-01 12:10:00,,8
2024-01-01 12:20:00,,16
2024-01-01 10:00:00,bob,32
"""


def clicks(tmp_path, monkeypatch):
    """Give a pipeline over clicks and names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clicks.csv").write_text(CLICKS)
    (tmp_path / "names.csv").write_text("who,name\nann,Ann\nbob,Bob\n")
    p = ms.Pipeline("clicks")
    p.source("clicks", ms.files(str(tmp_path / "clicks.csv")), schema="at timestamp, who string, n bigint",
             event_time="at", watermark="1 second")  # fmt: skip
    p.source("names", ms.files(str(tmp_path / "names.csv")), schema="who string, name string")
    return p


def answer(p):
    """Run, and give the rows of the table."""
    p.run()
    with p.connect() as tables:
        return sorted(tables.query("SELECT * FROM out").rows, key=str)


@pytest.mark.parametrize(("query", "expected"), [
    # By hand: ann's sessions are 10:00-10:30 and 12:00; NULL is a key; bob has one.
    ("SELECT who, sum(n) AS n FROM clicks GROUP BY who", [("ann", 4), ("bob", 32), (None, 24)]),
    # Rows that WHERE leaves out hold no session together.
    ("SELECT who, sum(n) AS n FROM clicks WHERE n <> 4 GROUP BY who",
     [("ann", 3), ("bob", 32), (None, 24)]),
    ("SELECT who, sum(n) AS n FROM clicks GROUP BY who HAVING sum(n) > 4", [("bob", 32), (None, 24)]),
    # All rows are one key: 10:00-10:30 and 12:00-12:20.
    ("SELECT count(*) AS n, max(who) AS who FROM clicks", [(3, "ann")]),
    ("SELECT DISTINCT who FROM clicks", [("ann",), ("bob",), (None,)]),
    ("SELECT c.who, name, count(*) AS n FROM clicks AS c JOIN names AS m ON c.who = m.who GROUP BY ALL",
     [("ann", "Ann", 1), ("bob", "Bob", 1)]),
    ("SELECT who, n * 2 AS n FROM (SELECT who, sum(n) AS n FROM clicks GROUP BY who) WHERE n < 30",
     [("ann", 8), (None, 48)]),
    # A window ends by itself.
    ("SELECT window_end AS at, count(*) AS n FROM TUMBLE(clicks, at, INTERVAL '1 day') GROUP BY window_end",
     None),
])  # fmt: skip
def test_the_latest_session_of_each_key(tmp_path, monkeypatch, query, expected):
    """Also of NULL, of everything, and beside joins and conditions."""
    p = clicks(tmp_path, monkeypatch)
    p.table("out", query, ttl="1 hour")
    found = answer(p)
    if expected is None:
        assert [n for _, n in found] == [6]
    else:
        assert found == expected


@pytest.mark.parametrize(("query", "code"), [
    ("SELECT who, sum(n) AS n FROM (SELECT who, at, sum(n) AS n FROM clicks GROUP BY who, at) GROUP BY who",
     "UpdatingInput"),
    ("SELECT who, count(*) AS n FROM (SELECT who, window_end, window_time, count(*) AS n "
     "FROM TUMBLE(clicks, at, INTERVAL '1 hour') GROUP BY who, window_end, window_time) GROUP BY who", "BatchNotYet"),
    ("SELECT name, count(*) AS n FROM names GROUP BY name", None),
])  # fmt: skip
def test_what_has_no_such_meaning(tmp_path, monkeypatch, query, code):
    """It is refused as in a stream; an aggregate without event time is left alone."""
    p = clicks(tmp_path, monkeypatch)
    p.table("out", query, ttl="1 hour")
    if code is None:
        assert answer(p) == [("Ann", 1), ("Bob", 1)]
        return
    with pytest.raises(MainstemError, match=code):
        p.run()
