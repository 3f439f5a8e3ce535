"""Each row of docs/streaming-changes.md: a pipeline that is changed between two runs of a stream."""

import re
from pathlib import Path

import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import StateError
from mainstem.runtime.query import query
from mainstem.runtime.state import state_dir
from tests.unit.runtime.endless import base, pipeline, run_to_end, write

__all__ = ["base"]

PAGE = (Path(__file__).parents[3] / "docs" / "streaming-changes.md").read_text("utf-8")
TUMBLE = "FROM TUMBLE(s, ts, INTERVAL '10 seconds')"
COUNTS = f"SELECT k, window_end, count(*) AS n {TUMBLE} GROUP BY k, window_end"
KEYED = "id bigint not null, k string, ts timestamp"


def source(
    p: Pipeline, schema: str = KEYED, watermark: str = "5 seconds", name: str = "s"
) -> Pipeline:
    """Declare the source."""
    p.source(
        name, files(f"{name}-*.jsonl", stream=True), schema=schema, event_time="ts",
        watermark=watermark, on_bad="dead_letter",
    )  # fmt: skip
    return p


def made(*tables: tuple, **words) -> Pipeline:
    """A pipeline with these tables (name, SQL, words)."""
    p = source(Pipeline("endless"), **words)
    for name, sql, *rest in tables:
        p.table(name, sql, **(rest[0] if rest else {}))
    return p


def calling(sql: str, plus: int) -> Pipeline:
    """A pipeline whose table calls a Python function; `plus` is part of its code."""
    p = source(Pipeline("endless"))

    def raised(n: int) -> int:
        return n + plus

    p.function(workers=0)(raised)
    p.table("t", sql)
    return p


# The rows of the page: what is changed, and what becomes of it.
KEEP, EMPTY, REFUSE, DROP = "keep", "add empty", "refuse", "drop"
CHANGES = {
    "another spelling of the same": (
        KEEP, made(("t", f"select k, window_end, COUNT(*) as n {TUMBLE} group by 1, 2"))),
    "a filter": (
        KEEP, made(("t", f"SELECT k, window_end, count(*) AS n {TUMBLE} WHERE id > 0 GROUP BY k, window_end"))),
    "HAVING": (KEEP, made(("t", f"{COUNTS} HAVING count(*) > 1"))),
    "watermark= of the source": (KEEP, made(("t", COUNTS), watermark="8 seconds")),
    "allowed_lateness=": (KEEP, made(("t", COUNTS, {"allowed_lateness": "1 minute"}))),
    "a column of the source that no key or aggregate reads": (
        KEEP, made(("t", COUNTS), schema=f"{KEYED}, more string")),
    "a column more of a table": (
        EMPTY, made(("t", f"SELECT k, window_end, count(*) AS n, upper(k) AS upper_k {TUMBLE} "
                     "GROUP BY k, window_end"))),
    "a table more": (EMPTY, made(("t", COUNTS), ("more", COUNTS.replace("count(*)", "max(id)")))),
    "a table less": (DROP, made(("other", "SELECT id, k FROM s"))),
    "another name of a table": (EMPTY, made(("renamed", COUNTS))),
    "a column renamed": (
        REFUSE, made(("t", f"SELECT k AS who, window_end, count(*) AS n {TUMBLE} GROUP BY k, window_end"))),
    "an aggregate more": (
        REFUSE, made(("t", f"SELECT k, window_end, count(*) AS n, max(id) AS top {TUMBLE} "
                      "GROUP BY k, window_end"))),
    "another aggregate": (
        REFUSE, made(("t", f"SELECT k, window_end, sum(id)::BIGINT AS n {TUMBLE} GROUP BY k, window_end"))),
    "another key": (
        REFUSE, made(("t", f"SELECT lower(k) AS k, window_end, count(*) AS n {TUMBLE} "
                      "GROUP BY lower(k), window_end"))),
    "another size or kind of window": (
        REFUSE, made(("t", COUNTS.replace("10 seconds", "20 seconds")))),
    "another type of a key": (
        REFUSE, made(("t", f"SELECT k, window_end, count(*) AS n {TUMBLE} GROUP BY k, window_end"),
                     schema="id bigint not null, k bigint, ts timestamp")),
}  # fmt: skip

# Tables that differ too much for the pipeline above.
SCORED = f"SELECT k, window_end, sum(raised(id))::BIGINT AS n {TUMBLE} GROUP BY k, window_end"
RUNNING = "SELECT k, count(*) AS n FROM s GROUP BY k"
OTHERS = {
    "the code of a Python function": (KEEP, calling(SCORED, 1), calling(SCORED, 2)),
    "a Python function of what a window gives": (
        KEEP, made(("t", COUNTS)), calling(COUNTS.replace("count(*)", "raised(count(*))"), 1)),
    "ttl=": (REFUSE, made(("t", RUNNING, {"ttl": "1 hour"})), made(("t", RUNNING, {"ttl": "2 hours"}))),
    "ttl= to state=\"unbounded\", or back": (
        REFUSE, made(("t", RUNNING, {"ttl": "1 hour"})), made(("t", RUNNING, {"state": "unbounded"}))),
    "the n of a top-N, or its order": (
        REFUSE,
        made(("t", "SELECT k, id, row_number() OVER (PARTITION BY k ORDER BY id) AS r FROM s "
              "QUALIFY row_number() OVER (PARTITION BY k ORDER BY id) <= 2", {"state": "unbounded"})),
        made(("t", "SELECT k, id, row_number() OVER (PARTITION BY k ORDER BY id) AS r FROM s "
              "QUALIFY row_number() OVER (PARTITION BY k ORDER BY id) <= 3", {"state": "unbounded"})),
    ),
}  # fmt: skip

ROWS = [(1, "a", 1), (2, "b", 12), (3, "a", 30)]


def told() -> dict[str, str]:
    """The rows of the page's table."""
    found = re.findall(r"^\| (.+?) \| (keep|add empty|drop|refuse) \|", PAGE, re.MULTILINE)
    return {what.replace("`", ""): outcome for what, outcome in found}


def outcome(base: Path, before: Pipeline, after: Pipeline) -> str:
    """What a second run does."""
    write(base, *ROWS)
    run_to_end(base, before)
    write(base, (4, "a", 31))
    try:
        events = run_to_end(base, after)
    except StateError as error:
        found = error.finding
        return REFUSE if found.code == "StateChanged" and "--state-dir" in found.fix else str(error)
    # Tables of late rows follow their columns by themselves.
    words = [
        event.facts["what"] for event in events
        if event.kind == "state_changed" and not event.name.endswith("__late")
    ]  # fmt: skip
    if any("begins empty" in w or "columns added" in w for w in words):
        return EMPTY
    return DROP if any("dropped" in w for w in words) else KEEP


@pytest.mark.parametrize("name", CHANGES)
def test_change(base, name):
    """As the page says."""
    wanted, after = CHANGES[name]

    assert outcome(base, made(("t", COUNTS)), after) == wanted


@pytest.mark.parametrize("name", OTHERS)
def test_change_of_an_updating_table(base, name):
    """As the page says."""
    wanted, before, after = OTHERS[name]

    assert outcome(base, before, after) == wanted


def test_page_has_every_change_and_no_other():
    """So that no row of the page is without a test."""
    here = {name: line[0] for name, line in (CHANGES | OTHERS).items()}
    apart = {"a source renamed or replaced": REFUSE, "one more source in a UNION ALL": KEEP,
             "another sink": KEEP, "a table with a sink less, while rows wait for it": REFUSE}  # fmt: skip

    assert told() == here | apart


def test_refusal_says_what_has_changed_and_where(base):
    """The step, the part, what it was and what it is."""
    write(base, *ROWS)
    run_to_end(base)

    with pytest.raises(StateError) as caught:
        run_to_end(base, pipeline(COUNTS.replace("10 seconds", "20 seconds")))

    assert "its window (was tumble, 10000000" in caught.value.finding.what
    assert caught.value.finding.step == "t"
    assert caught.value.finding.where.file.endswith("endless.py")


def test_refusal_changes_nothing(base):
    """The pipeline of before goes on as if nothing had been tried."""
    write(base, *ROWS)
    run_to_end(base)
    with pytest.raises(StateError):
        run_to_end(base, CHANGES["another key"][1])

    write(base, (4, "a", 31), (5, "a", 60))
    run_to_end(base)

    assert query(state_dir(base, "endless"), "SELECT k, n FROM t ORDER BY window_end").rows == (
        ("a", 1), ("b", 1), ("a", 2),
    )  # fmt: skip


def test_kept_state_goes_on(base):
    """A filter applies to rows from now on: those that were kept stay."""
    write(base, *ROWS)
    run_to_end(base)
    write(base, (-4, "a", 31), (5, "a", 60))
    run_to_end(base, CHANGES["a filter"][1])

    rows = query(state_dir(base, "endless"), "SELECT k, n FROM t ORDER BY window_end").rows
    assert rows == (("a", 1), ("b", 1), ("a", 1))


def test_new_column_is_null_in_older_rows(base):
    """And has values in new ones."""
    write(base, *ROWS)
    run_to_end(base)
    write(base, (5, "a", 60))
    run_to_end(base, CHANGES["a column more of a table"][1])

    rows = query(state_dir(base, "endless"), "SELECT k, upper_k FROM t ORDER BY window_end").rows
    assert rows == (("a", None), ("b", None), ("a", "A"))


def test_new_table_begins_empty_and_the_old_one_goes_on(base):
    """`more` has the rows that came since; the last window holds both in `t` alone."""
    write(base, *ROWS)
    run_to_end(base)
    write(base, (4, "a", 31), (5, "a", 60))
    run_to_end(base, CHANGES["a table more"][1])

    folder = state_dir(base, "endless")
    assert query(folder, "SELECT k, n FROM t ORDER BY window_end").rows[-1] == ("a", 2)
    assert query(folder, "SELECT k, n FROM more ORDER BY window_end").rows == (("a", 4),)


def test_dropped_operator_begins_empty_when_it_comes_back(base):
    """What it had kept is gone, and said so; its table stays."""
    write(base, *ROWS)
    run_to_end(base)
    events = run_to_end(base, made(("other", "SELECT id, k FROM s")))
    assert [e.facts["what"] for e in events if e.kind == "state_changed"] == [
        "is gone: 1 rows that it kept are dropped"
    ]
    write(base, (4, "a", 31), (5, "a", 60))
    run_to_end(base)

    rows = query(state_dir(base, "endless"), "SELECT k, n FROM t ORDER BY window_end").rows
    assert rows == (("a", 1), ("b", 1), ("a", 1))


def test_late_rows_of_other_columns_are_moved_aside(base):
    """No late row is lost: those of before are in a table of their own."""
    write(base, *ROWS, (4, "late", 2))
    run_to_end(base)
    after = made(
        ("t", f"SELECT k, window_end, count(*) AS n {TUMBLE} GROUP BY k, window_end"),
        schema="id string not null, k string, ts timestamp",
    )
    with (base / "s-0.jsonl").open("a") as file:
        file.write('{"id": "x", "k": "later", "ts": "2026-01-01T00:00:03Z"}\n')
    run_to_end(base, after)

    folder = state_dir(base, "endless")
    assert query(folder, "SELECT id, k FROM t__late_1").rows == ((4, "late"),)
    assert query(folder, "SELECT id, k FROM t__late").rows == (("x", "later"),)


def test_source_renamed_is_refused_and_one_more_in_a_union_is_kept(base):
    """Rows of a source that is gone are in the state; one more gives rows from now on."""
    write(base, *ROWS)
    run_to_end(base)

    renamed = source(Pipeline("endless"), name="r")
    renamed.table("t", COUNTS.replace("TUMBLE(s", "TUMBLE(r"))
    write(base, (4, "a", 31), source="r")
    with pytest.raises(StateError, match="what it reads"):
        run_to_end(base, renamed)

    both = source(source(Pipeline("endless")), name="r")
    both.view("u", "SELECT id, k, ts FROM s UNION ALL SELECT id, k, ts FROM r")
    both.table("t", COUNTS.replace("TUMBLE(s", "TUMBLE(u"))
    write(base, (5, "a", 60))
    write(base, (6, "a", 60), source="r")
    events = run_to_end(base, both)
    assert not [e for e in events if e.kind == "state_changed"]


def test_table_with_rows_that_wait_must_not_go(base, monkeypatch):
    """A sink was promised them; another sink gets what waits, and what comes."""
    import mainstem as ms
    from mainstem.engines.embedded.stream.delivery import Delivery

    write(base, *ROWS)
    monkeypatch.setattr(Delivery, "forget", lambda self, session: None)
    run_to_end(base, made(("t", COUNTS, {"sink": ms.duckdb("a.duckdb", table="t")})))
    monkeypatch.undo()
    from mainstem.engines.embedded.stream import run as stream_run
    from tests.unit.runtime.endless import Lines

    monkeypatch.setattr(
        stream_run, "reader_of", lambda source, settings: Lines(source, settings.base_dir)
    )
    with pytest.raises(StateError, match="rows wait for the sink of t"):
        run_to_end(base, made(("other", "SELECT id, k FROM s")))

    write(base, (5, "a", 60))
    run_to_end(base, made(("t", COUNTS, {"sink": ms.duckdb("b.duckdb", table="t")})))
    assert (base / "b.duckdb").exists()
