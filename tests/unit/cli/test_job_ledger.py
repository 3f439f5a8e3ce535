"""What the command line says of a map/reduce step: its phases while it runs, its counts at the end."""

import pytest

from mainstem.cli.ledger import ledger_text
from mainstem.cli.progress import Board
from mainstem.engines.spec import Event
from mainstem.errors import InternalError
from mainstem.runtime.ledger import Ledger
from tests.unit.cli.program import call
from tests.unit.mapreduce.case import events, pipeline, words

FACTS = {
    "records": 1000, "mapped": 998, "dead_records": 2, "pairs": 500, "groups": 40, "reduced": 40,
    "dead_groups": 0, "rows": 40, "shuffle_bytes": 12_000, "counters": {"empty": 3}, "worker_deaths": 1,
}  # fmt: skip


def test_job_is_a_line_of_the_ledger():
    """Records, pairs with their bytes, groups, counters, and workers that died."""
    text = ledger_text({"jobs": {"words": FACTS}})

    assert text.splitlines()[0] == "map/reduce"
    assert "1,000 records  500 pairs (12.0 kB), 40 groups, empty 3, 1 worker died" in text


@pytest.mark.parametrize(
    "wrong", [{"mapped": 999}, {"reduced": 39}, {"dead_records": 3, "mapped": 997}]
)
def test_job_that_does_not_balance_stops_the_run(wrong):
    """Each record is mapped or dead and each group reduced or dead; the dead are kept (L1)."""
    ledger = Ledger()
    ledger.take(Event("job_finished", "words", FACTS))
    ledger.take(Event("rows_kept", "words", {"table": "words__dead", "rows": 2, "open": 2}))
    ledger.check()

    ledger.take(Event("job_finished", "words", FACTS | wrong))

    with pytest.raises(InternalError, match="map/reduce step 'words' does not balance"):
        ledger.check()


def test_render_says_what_is_done_in_python(tmp_path, capsys, monkeypatch):
    """Above the SQL whose rows are mapped."""
    (tmp_path / "pipeline.py").write_text(
        "import mainstem as ms\n\np = ms.Pipeline('jobs')\n"
        "p.source('lines', ms.files('lines.txt', format='text'), schema='line string')\n\n\n"
        "@p.map_reduce('lines', key='k string', value='n bigint', reduce='sum')\n"
        "def counted(row):\n    yield row['line'], 1\n"
    )
    monkeypatch.chdir(tmp_path)

    said = call(capsys, "render", "pipeline.py")

    assert said.out.splitlines()[:3] == [
        "-- counted: map, reduce by sum (k string) -> (n bigint) -> (k string, n bigint), over the rows of",
        "-- counted: Mainstem",
        'SELECT "lines"."line" AS "line" FROM "lines" AS "lines"',
    ]


def test_progress_names_the_phase(tmp_path):
    """The bar goes through map and reduce, and does not step back."""
    p = pipeline(tmp_path)
    p.map_reduce(
        "lines", name="answer", key="k string", value="n bigint", reduce="sum", split_size="4 B"
    )(words)
    board = Board.of(p.plan())
    seen = []
    for at, event in enumerate(events(p, tmp_path)):
        board.take(event, float(at + 1))
        line = board.lines["answer"]
        seen.append((line.verb, line.fraction))

    verbs = list(dict.fromkeys(verb for verb, _ in seen))
    assert verbs == ["keep", "map", "reduce"]
    assert [fraction for _, fraction in seen] == sorted(fraction for _, fraction in seen)
    assert seen[-1][1] == 1.0
