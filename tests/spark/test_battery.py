"""The malformed inputs of tests/faults/battery, read for steps that run on Spark: the same rows and counts."""

import pytest

import mainstem as ms
from mainstem.errors import MainstemError
from mainstem.runtime.query import connect
from mainstem.runtime.start import run_pipeline
from tests.faults.battery.test_battery import CASES, same

READ = [case for case in CASES if not case.refused]
REFUSED = [case for case in CASES if case.refused]
LETTERS = "SELECT __row, __line, __offset, __reason, coalesce(__column, '') FROM \"{}__dead\" ORDER BY __row"


def add(p, case, number, folder):
    """A source of the input, and a table that copies it."""
    own = folder / str(number)
    own.mkdir()
    binding = ms.files(str(case.make(own)), **case.options)
    p.source(f"s{number}", binding, schema=case.schema, on_bad="dead_letter")
    p.table(f"t{number}", f"SELECT * FROM s{number}")


def test_what_can_be_read_of_them_comes_to_spark(tmp_path):
    """All in one run: Spark reads none of these files itself, or only what it would read alike."""
    p = ms.Pipeline("battery")
    for number, case in enumerate(READ):
        add(p, case, number, tmp_path)

    ledger = run_pipeline(p, state_dir=tmp_path / "state", engine="spark").ledger

    with connect(tmp_path / "state") as state:
        for number, case in enumerate(READ):
            line = ledger["sources"][f"s{number}"]
            n_good, n_bad = len(case.expected()), len(case.bad)
            counts = (line["read"], line["admitted"], line["dead"])
            assert counts == (n_good + n_bad, n_good, n_bad), case.name
            assert same(state.query(f"FROM t{number}").rows) == same(case.expected()), case.name
            assert list(state.query(LETTERS.format(f"s{number}")).rows) == [
                (b.row, b.line, b.offset, b.reason, b.column) for b in case.bad
            ], case.name


@pytest.mark.parametrize("case", REFUSED, ids=[case.name for case in REFUSED])
def test_what_cannot_be_read_is_refused_by_name(tmp_path, case):
    """By the code of the embedded engine, before Spark is asked."""
    p = ms.Pipeline("battery")
    add(p, case, 0, tmp_path)

    with pytest.raises(MainstemError) as caught:
        run_pipeline(p, state_dir=tmp_path / "state", engine="spark")

    assert caught.value.findings[0].code == case.refused
