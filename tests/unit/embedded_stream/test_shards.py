"""What others compute of each partition gives the same answer as computing it here."""

import json
import threading
from pathlib import Path

import pyarrow as pa
import pytest

import mainstem as ms
from mainstem.engines.embedded.stream.program import compile_stream
from mainstem.engines.embedded.stream.run import with_kinds
from mainstem.engines.embedded.stream.shards.plan import shard_plan
from mainstem.engines.spec import StreamSettings
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from mainstem.sql.stream.lower import lower
from mainstem.testing.case import read_cases
from mainstem.testing.engines import gap_of
from mainstem.testing.streamcase import run_stream_case
from tests.unit.embedded_stream.aside import aside

__all__ = ["aside"]

CASES = [
    case
    for path in sorted((Path(__file__).parents[2] / "conformance" / "cases").rglob("*.case"))
    for case in read_cases(path)
    if case.is_stream and not case.refuses and not gap_of("embedded", "case", case.id, "stream")
]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case_gives_its_answer(case, aside):
    """Every case about streams: rows, late rows, dead letters, ledgers."""
    has_records = any(isinstance(item, dict | list | tuple) for _, item in case.arrivals)
    run_stream_case(case)

    assert bool(aside.results) == has_records


def numbers(folder: Path, *batches: list) -> ms.Pipeline:
    """A stream of folder `in`, one file a batch; ``t`` makes numbers of texts by hours."""
    for index, rows in enumerate(batches):
        (folder / "in").mkdir(exist_ok=True)
        text = "".join(json.dumps({"at": at, "v": v}) + "\n" for at, v in rows)
        (folder / "in" / f"{index}.jsonl").write_text(text)
    p = ms.Pipeline("p")
    p.source(
        "s", ms.files("in/*.jsonl", stream=True), schema="at timestamp, v string",
        event_time="at", watermark="1 hour",
    )  # fmt: skip
    p.table(
        "t",
        "SELECT window_start AS h, sum(CAST(v AS BIGINT)) AS total FROM TUMBLE(s, at, INTERVAL '1 hour') "
        "GROUP BY window_start",
    )
    return p


def ended(p: ms.Pipeline, folder: Path) -> dict:
    """Run up to the end of what is there; give the ledger."""
    options = RunOptions(folder, stream=StreamSettings("bounded", None, 4))
    *_, last = run(p.plan(), options)
    return last.facts["ledger"]


def test_what_is_shipped_is_what_rows_come_down_to(tmp_path, aside):
    """Only the parts of a window aggregate travel: no row of the source does."""
    p = numbers(tmp_path, [(f"2026-01-01T0{h}:10:00Z", "1") for h in (1, 1, 1, 2)])
    ledger = ended(p, tmp_path)

    assert ledger["sources"]["s"]["read"] == 4
    assert [r.loaded.rows for r in aside.results] == [4]
    assert [name.split("_")[3] for r in aside.results for name in r.files] == ["taken"]
    found = query(tmp_path / ".mainstem/p", "SELECT total FROM t ORDER BY h").rows
    assert list(found) == [(3,), (1,)]


def test_a_value_that_fails_is_found_among_the_rows(tmp_path, aside):
    """The shard says that a value failed; the rows are fetched, and the one is a dead letter (V10)."""
    bad = [
        ("2026-01-01T01:10:00Z", "1"),
        ("2026-01-01T01:11:00Z", "x"),
        ("2026-01-01T01:12:00Z", "2"),
    ]
    ledger = ended(numbers(tmp_path, bad, [("2026-01-01T02:00:00Z", "5")]), tmp_path)

    assert any(r.is_value for r in aside.results)
    assert ledger["steps"]["t"]["dead"] == 1
    found = query(tmp_path / ".mainstem/p", "SELECT total FROM t ORDER BY h").rows
    assert list(found) == [(3,), (5,)]


def test_a_step_behind_that_fails_judges_rows_as_before(tmp_path, aside):
    """The rows of the epoch are fetched; by which watermark they are judged has not changed (T6)."""
    first = [("2026-01-01T01:00:00Z", "1"), ("2026-01-01T03:30:00Z", "1")]
    p = numbers(tmp_path, first, [("2026-01-01T03:40:00Z", "1"), ("2026-01-01T05:30:00Z", "1")])
    p.table(
        "failing",
        "SELECT h, CAST(CASE WHEN total > 0 THEN 'x' END AS BIGINT) AS n FROM t",
    )
    p.table("late", "SELECT window_start AS h, count(*) AS n FROM TUMBLE(s, at, INTERVAL '1 hour') "
            "GROUP BY window_start")  # fmt: skip
    options = RunOptions(tmp_path, stream=StreamSettings("bounded", None, 2))
    *_, last = run(p.plan(), options)
    ledger = last.facts["ledger"]

    # Each epoch has been computed here: its shards gave the rows too.
    assert any("in_s" in name for r in aside.results for name in r.files)
    assert ledger["steps"]["failing"]["dead"] == 3
    assert ledger["steps"]["late"]["late"] == 0
    assert ledger["steps"]["late"]["rows_out"] == 3


def test_a_sum_travels_exactly(tmp_path, aside):
    """Parts of a sum go beyond BIGINT, and the whole comes back into it (V1)."""
    most = 2**63 - 1
    first = [("2026-01-01T01:10:00Z", str(most)), ("2026-01-01T01:11:00Z", str(most))]
    second = [("2026-01-01T01:12:00Z", str(-most)), ("2026-01-01T01:13:00Z", "-5")]
    p = numbers(tmp_path, first + [("2026-01-01T01:10:00Z", "0")] * 2, second)
    ended(p, tmp_path)

    assert len(aside.results) == 2
    found = query(tmp_path / ".mainstem/p", "SELECT total FROM t").rows
    assert list(found) == [(most - 5,)]


def test_code_and_rows_of_this_process_stay(tmp_path, aside):
    """A function that holds what cannot be sent is called here, of rows that shards have read."""
    p = numbers(tmp_path, [("2026-01-01T01:10:00Z", "1"), ("2026-01-01T01:11:00Z", "2")])
    lock = threading.Lock()

    @p.function(returns="bigint", workers=0)
    def doubled(v: str) -> int:
        with lock:
            return 2 * int(v)

    p.lookup("names", ms.arrow(pa.table({"v": ["1"], "name": ["one"]})), key="v")
    p.table("d", "SELECT doubled(s.v) AS d, name FROM s LEFT JOIN names ON s.v = names.v")
    ended(p, tmp_path)

    assert aside.results
    found = query(tmp_path / ".mainstem/p", "SELECT d, name FROM d ORDER BY d").rows
    assert list(found) == [(2, "one"), (4, None)]


def test_what_needs_more_than_a_partition_stays(tmp_path):
    """A lookup, a rule and what reads them are computed where the state is; the rest in shards."""
    p = ms.Pipeline("p")
    p.source("s", ms.kafka("t", servers="x:1"), schema="at timestamp, k bigint", event_time="at")
    p.source("r", ms.kafka("t", servers="x:1"), schema="at timestamp, k bigint", event_time="at")
    p.lookup(
        "names", ms.files("names.csv"), schema="k bigint, name string", key="k", refresh="1 hour"
    )
    p.expect("r", "k > 0", name="positive", on_fail="drop")
    p.view("small", "SELECT at, k FROM s WHERE k < 10")
    p.view("named", "SELECT at, k, name FROM small JOIN names USING (k)")
    p.table(
        "windows",
        "SELECT k, count(*) AS n FROM TUMBLE(small, at, INTERVAL '1 hour') GROUP BY k, window_end",
    )
    p.table(
        "by_name",
        "SELECT name, count(*) AS n FROM TUMBLE(named, at, INTERVAL '1 hour') GROUP BY name, window_end",
    )
    p.table("judged", "SELECT k FROM r")
    plan = p.plan()
    lowered = lower(plan)
    assert not lowered.findings
    stream = lowered.plan
    found = shard_plan(compile_stream(with_kinds(plan, stream), stream), ["r"])

    assert found.sources == ("r",)
    assert "small" in found.rows
    assert not any(name.startswith("judged") for name in (*found.views, *found.taken))
    assert [name.split("$")[0] for name in found.taken] == ["windows"]
