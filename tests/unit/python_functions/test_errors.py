"""Functions that fail: the run names what and where, or keeps the row aside."""

import json
import os
import sys
from pathlib import Path

import pytest

from mainstem.errors import DataError, DefinitionError, EngineError, UnsupportedError
from mainstem.runtime.query import query
from tests.unit.python_functions.case import events, pipeline, ran, rows

# More rows than a batch, so that positions count over batches.
MANY = "id,amount,country\n" + "".join(f"{i},{i}.5,IT\n" for i in range(1, 101))
SQL = "SELECT id, mine(amount) AS v FROM payments"


def declared(base, function, text=MANY, **options):
    """A pipeline with one function, `mine`."""
    p = pipeline(base, text)
    given = {"takes": "double", "returns": "double", "batch_size": 32} | options
    p.function(name="mine", **given)(function)
    return p


def at_42(x):
    """Fail on one row."""
    if x == 42.5:
        raise ValueError("not\n  this one")
    return x


def batch_at_42(x):
    """Fail on a batch with that row in it."""
    values = x.to_pylist()
    if 42.5 in values:
        raise ValueError("not this one")
    return values


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("function", "is_batch"), [(at_42, False), (batch_at_42, True)])
def test_exception_is_named(tmp_path, function, is_batch, workers):
    """Function, row, arguments, type, message on one line, and the line that raised."""
    p = declared(tmp_path, function, batch=is_batch, workers=workers)

    with pytest.raises(DataError) as caught:
        rows(p, tmp_path, SQL)

    found = caught.value.finding
    assert found.code == "PythonFunctionFailed"
    assert found.what == (
        "the Python function mine on row 41, called with (42.5): ValueError: not this one"
    )
    assert found.where.file == __file__
    line = Path(__file__).read_text("utf-8").splitlines()[found.where.line - 1]
    assert "raise ValueError" in line
    assert found.step == "answer"
    assert not (tmp_path / ".mainstem" / "calls" / "tmp").exists()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("function", "is_batch"), [(at_42, False), (batch_at_42, True)])
def test_dead_letter_keeps_the_row_aside(tmp_path, function, is_batch, workers):
    """The row is kept with its arguments and reason, and the rest goes on."""
    p = declared(tmp_path, function, batch=is_batch, workers=workers, on_error="dead_letter")

    found = rows(p, tmp_path, SQL)

    assert found == [(i, i + 0.5) for i in range(1, 101) if i != 42]
    sql = "SELECT * EXCLUDE (__id, __run_id, __at) FROM answer__dead"
    kept = query(tmp_path / ".mainstem" / "calls", sql)
    assert kept.rows == (("mine", "[42.5]", "exception", "ValueError: not this one", "open"),)


def test_dead_letters_are_in_the_ledger_and_replaced(tmp_path):
    """A relation that is read whole is judged again: its open rows are those of the last run."""
    p = declared(tmp_path, at_42, workers=0, on_error="dead_letter")
    p.table("answer", SQL)

    for _ in range(2):
        kept = [e for e in events(p, tmp_path) if e.kind == "rows_kept"]

    assert [(e.name, e.facts["rows"], e.facts["open"]) for e in kept] == [("answer", 1, 1)]
    journal = (tmp_path / ".mainstem" / "calls" / "journal.jsonl").read_text().splitlines()
    ledger = json.loads(journal[-1])["ledger"]
    assert ledger["steps"]["answer"]["dead"] == 1
    assert ledger["steps"]["answer"]["rows_out"] == 99


def test_dead_letters_of_several_calls(tmp_path):
    """A row is dead once, and later calls are not made for it."""
    seen = []
    p = declared(tmp_path, at_42, workers=0, on_error="dead_letter")

    @p.function(workers=0)
    def other(x: float) -> float:
        seen.append(x)
        return -x

    found = ran_with(p, tmp_path, "SELECT id, other(mine(amount)) + other(amount) AS v FROM payments "
                     "WHERE other(amount) < 0 AND id BETWEEN 40 AND 44")  # fmt: skip

    assert [row[0] for row in found] == [40, 41, 43, 44]
    # Once for `other(amount)`, which comes first, and once for what `mine` has given.
    assert sorted(set(seen)) == [40.5, 41.5, 42.5, 43.5, 44.5]
    assert len(seen) in {8, 9}


def ran_with(p, base, sql):
    """Run with the one table and give its rows."""
    p.table("answer", sql)
    return ran(p, base, "SELECT * FROM answer ORDER BY id")


@pytest.mark.parametrize(
    ("options", "function", "what"),
    [
        ({}, lambda x: "x", "it gave 'x', a str, which is no double"),
        ({"returns": "bigint"}, lambda x: 1 << 70, "which is no bigint"),
        ({"returns": "string"}, lambda x: x, "it gave 1.5, a float, which is no string"),
        ({"batch": True}, lambda x: x.slice(1), "it gave 31 values for 32 rows"),
        ({"batch": True}, lambda x: 1.0, "a float, not an array or a list"),
        ({}, lambda x: sys.exit(3), "SystemExit: 3"),
        ({}, lambda x: {}["k"], "KeyError: 'k'"),
        ({}, lambda x: (_ for _ in ()).throw(RuntimeError("m" * 900)), "RuntimeError: " + "m" * 286),
    ],
)  # fmt: skip
def test_wrong_result_is_named(tmp_path, options, function, what):
    """Wrong result is named, on the first row."""
    p = declared(tmp_path, function, workers=0, **options)

    with pytest.raises(DataError) as caught:
        rows(p, tmp_path, SQL)

    assert what in caught.value.finding.what
    assert caught.value.finding.what.startswith("the Python function mine")
    assert len(caught.value.finding.what) < 700


def test_batch_that_only_fails_as_a_whole(tmp_path):
    """When no single row is to blame, the message says so by naming none."""

    def picky(x):
        if len(x) > 20:
            raise ValueError("too many")
        return x

    p = declared(tmp_path, picky, workers=0, batch=True)

    with pytest.raises(DataError) as caught:
        rows(p, tmp_path, SQL)
    assert caught.value.finding.what == "the Python function mine: ValueError: too many"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("is_batch", [False, True])
def test_null_is_skipped_or_called(tmp_path, workers, is_batch):
    """NULL gives NULL without a call, or is None."""
    text = "id,amount,country\n1,1.5,IT\n2,,IT\n3,3.5,DE\n"

    def mine(x):
        if is_batch:
            return [0.0 if v is None else v * 2 for v in x.to_pylist()]
        return 0.0 if x is None else x * 2

    skipped = declared(tmp_path, mine, text, workers=workers, batch=is_batch)
    called = declared(tmp_path, mine, text, workers=workers, batch=is_batch, null="call")

    assert rows(skipped, tmp_path, SQL) == [(1, 3.0), (2, None), (3, 7.0)]
    assert rows(called, tmp_path, SQL) == [(1, 3.0), (2, 0.0), (3, 7.0)]


def test_no_rows(tmp_path):
    """No call without rows."""
    p = declared(tmp_path, lambda x: 1 / 0, "id,amount,country\n")

    assert rows(p, tmp_path, SQL) == []


def test_batch_sizes(tmp_path):
    """A batch function gets at most `batch_size` rows at a time, and all of them."""
    sizes = []

    def mine(x):
        sizes.append(len(x))
        return x

    p = declared(tmp_path, mine, workers=0, batch=True)

    assert len(rows(p, tmp_path, SQL)) == 100
    assert max(sizes) <= 32
    assert sum(sizes) == 100


# Workers


def test_open_runs_once_a_worker(tmp_path):
    """What open gives is made once in each process and is the first argument."""
    marks = tmp_path / "marks"
    marks.mkdir()

    def load():
        (marks / f"{os.getpid()}-{len(list(marks.iterdir()))}").touch()
        return os.getpid()

    p = declared(tmp_path, lambda model, x: float(model), open=load, workers=2)

    found = rows(p, tmp_path, SQL)

    pids = {int(v) for _, v in found}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2
    assert sorted(int(m.name.split("-")[0]) for m in marks.iterdir()) == sorted(pids)


def test_open_that_fails_is_named(tmp_path):
    """Open that fails is named."""

    def load():
        raise FileNotFoundError("model.bin")

    p = declared(tmp_path, lambda model, x: x, open=load, workers=1)

    with pytest.raises(
        DataError, match=r"open of the function mine: FileNotFoundError: model\.bin"
    ):
        rows(p, tmp_path, SQL)


def test_worker_loads_the_function_from_its_file(tmp_path):
    """A function of a pipeline file is found there by name, with what the file imports beside it."""
    from mainstem import load
    from mainstem.runtime.run import RunOptions, run

    (tmp_path / "payments.csv").write_text(MANY)
    (tmp_path / "pricing.py").write_text("RATE = 3\n")
    file = tmp_path / "shop.py"
    file.write_text("""
import mainstem as ms
import pricing
p = ms.Pipeline("calls")
p.source("payments", ms.files("payments.csv"), schema="id bigint, amount double, country string")
print("to standard error, not between the batches")
@p.function(workers=2)
def mine(x: float) -> float:
    print("called")
    return x * pricing.RATE
p.table("answer", "SELECT id, mine(amount) AS v FROM payments")
""")
    list(run(load(file).plan(), RunOptions(tmp_path)))

    found = query(tmp_path / ".mainstem" / "calls", "SELECT id, v FROM answer ORDER BY id").rows
    assert found == tuple((i, (i + 0.5) * 3) for i in range(1, 101))


def test_changed_file_is_refused(tmp_path):
    """A worker that would load another function than the one that was checked says so."""
    from mainstem import load
    from mainstem.runtime.run import RunOptions, run

    (tmp_path / "payments.csv").write_text(MANY)
    text = """
import mainstem as ms
p = ms.Pipeline("calls")
p.source("payments", ms.files("payments.csv"), schema="id bigint, amount double, country string")
@p.function(workers=1)
def mine(x: float) -> float:
    return x * 2
p.table("answer", "SELECT id, mine(amount) AS v FROM payments")
"""
    file = tmp_path / "shop.py"
    file.write_text(text)
    plan = load(file).plan()
    file.write_text(text.replace("x * 2", "x * 3"))

    with pytest.raises(EngineError, match="has changed since the run began"):
        list(run(plan, RunOptions(tmp_path)))


def test_what_cannot_be_sent_is_named(tmp_path):
    """What a function holds and no other process can have is named."""
    import threading

    lock = threading.Lock()

    def mine(x):
        with lock:
            return x

    p = declared(tmp_path, mine, workers=1)

    with pytest.raises(DefinitionError, match="function mine cannot be sent to a worker"):
        rows(p, tmp_path, SQL)


def test_missing_package_is_named(tmp_path, monkeypatch):
    """Without the extra, the command that installs it."""
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "pyarrow" else real(name, *a)
    )
    p = declared(tmp_path, at_42)

    with pytest.raises(UnsupportedError, match=r"pip install 'mainstem\[arrow\]'"):
        rows(p, tmp_path, SQL)


def test_failing_argument_is_named_as_any_expression(tmp_path):
    """An argument that fails is an expression that fails, with its row."""
    p = declared(tmp_path, lambda x: x, workers=0)

    with pytest.raises(DataError, match=r"1\.0e0|id=50"):
        rows(p, tmp_path, "SELECT mine(CAST(if(id = 50, 'x', '1') AS double)) AS v FROM payments")


def test_argument_that_fails_late_is_named_too(tmp_path):
    """The error of a query comes through Arrow when some batches have gone out already."""
    text = "id,amount,country\n" + "".join(f"{i},1.5,{i}\n" for i in range(250_000)) + "7,1.5,x\n"
    p = declared(tmp_path, lambda x: x, text, workers=0, batch_size=65_536)

    with pytest.raises(DataError, match="country=x") as caught:
        rows(p, tmp_path, "SELECT mine(CAST(country AS double)) AS v FROM payments")
    assert caught.value.finding.code == "ExpressionFailed"
