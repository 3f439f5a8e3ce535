"""A row that is lost or doubled between a relation, its rules, its quarantine and its sink stops the run."""

import pytest

from mainstem.engines.spec import Event
from mainstem.errors import InternalError
from mainstem.runtime.ledger import Ledger

READ = {"rows": 10, "admitted": 9, "dead": 1, "skipped": 0, "in_place": False}
# Of 9 rows the first rule puts 2 into quarantine, the second drops 1 of the 7 left.
FIRST = {"rule": "a", "checked": 9, "passed": 7, "quarantined": 2, "dropped": 0}
SECOND = {"rule": "b", "checked": 7, "passed": 6, "quarantined": 0, "dropped": 1}


def ledger(*, read=READ, first=FIRST, second=SECOND, kept=2, dead=1, rows_out=6, on="t"):
    """The books of a run over source t, judged there, or over its table."""
    books = Ledger()
    books.take(Event("source_read", "t", read))
    for facts in (first, second):
        books.take(Event("expectation_checked", on, facts))
    books.take(Event("step_finished", "out", {"rows": rows_out, "seconds": 0.0}))
    books.take(Event("rows_kept", on, {"table": f"{on}__quarantine", "rows": kept, "open": kept}))
    books.take(Event("rows_kept", "t", {"table": "t__dead", "rows": dead, "open": dead}))
    return books


def test_right_books_balance():
    """And tell how many rows of the source were put aside."""
    books = ledger()
    books.check()

    assert books.sources["t"]["quarantined"] == 2


@pytest.mark.parametrize("by", [-1, 1], ids=["lost", "doubled"])
@pytest.mark.parametrize(
    "where",
    ["before the first rule", "at a rule", "between two rules", "in the quarantine", "in the dead"],
)
def test_a_row_lost_or_doubled_is_noticed(where, by):
    """At each boundary, one row."""
    changed = {
        "before the first rule": {"first": FIRST | {"checked": 9 + by, "passed": 7 + by},
                                  "second": SECOND | {"checked": 7 + by, "passed": 6 + by}},
        "at a rule": {"second": SECOND | {"passed": 6 + by}},
        "between two rules": {"second": SECOND | {"checked": 7 + by, "passed": 6 + by}},
        "in the quarantine": {"kept": 2 + by},
        "in the dead": {"dead": 1 + by},
    }[where]  # fmt: skip

    with pytest.raises(InternalError, match="does not balance"):
        ledger(**changed).check()


@pytest.mark.parametrize("by", [-1, 1], ids=["lost", "doubled"])
def test_a_row_between_the_rules_of_a_table_and_its_sink_is_noticed(by):
    """What passed is what its sink is offered."""
    ledger(on="out").check()

    with pytest.raises(InternalError, match="the edge from the expectations of 'out'"):
        ledger(on="out", rows_out=6 + by).check()


def test_a_quarantine_that_nobody_wrote_is_noticed():
    """Rows were taken out and are nowhere."""
    books = ledger()
    del books.kept["t__quarantine"]

    with pytest.raises(InternalError, match="the quarantine of 't'"):
        books.check()


# Of 5 rows 3 pass, 1 is dropped and 1 stays in quarantine.
TAKEN = {"rows": 5, "admitted": 5, "dead": 0, "skipped": 0, "in_place": False}
JUDGED = {"rule": "a", "checked": 5, "passed": 3, "quarantined": 1, "dropped": 1}
REPLAYED = {"kind": "quarantine", "taken": 5, "replayed": 3, "dropped": 1, "again": 1}


def replay_ledger(*, read=TAKEN, judged=JUDGED, replayed=REPLAYED):
    """The books of a replay."""
    books = Ledger()
    books.take(Event("source_read", "t", read))
    books.take(Event("expectation_checked", "t", judged))
    books.take(Event("rows_kept", "t", {"table": "t__quarantine", "rows": 1, "open": 1}))
    books.take(Event("rows_replayed", "t", replayed))
    return books


@pytest.mark.parametrize("by", [-1, 1], ids=["lost", "doubled"])
@pytest.mark.parametrize("where", ["taken", "replayed", "dropped", "again"])
def test_a_row_lost_or_doubled_by_a_replay_is_noticed(where, by):
    """Between what was taken, what the rules say, and what became of the rows."""
    replay_ledger().check()

    with pytest.raises(InternalError, match="the replay of 't'"):
        replay_ledger(replayed=REPLAYED | {where: REPLAYED[where] + by}).check()


def test_rows_replayed_that_no_rule_let_through_are_noticed():
    """Also where the outcomes add up."""
    with pytest.raises(InternalError, match="the replay of 't'"):
        replay_ledger(replayed=REPLAYED | {"replayed": 4, "dropped": 0}).check()
