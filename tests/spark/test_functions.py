"""Python functions of pipelines in Spark's workers: the values, dead letters and errors of the embedded engine."""

import os

import pytest

import mainstem as ms
from mainstem.errors import DataError
from mainstem.runtime.query import query
from mainstem.runtime.start import run_pipeline
from tests.unit.python_functions.case import ANSWERS, pipeline, with_functions

TYPES = {
    "b": "boolean", "n": "bigint", "d": "decimal(10,2)", "f": "double", "s": "string", "x": "bytes",
    "day": "date", "ts": "timestamp", "l": "bigint[]", "m": "map(string, bigint)",
    "o": "struct(a bigint, c string)",
}  # fmt: skip
LINE = (
    '{"b":true,"n":-9223372036854775808,"d":"1.50","f":0.1,"s":"é\\\\\'\\n","x":"AP8=","day":"0001-01-01",'
    '"ts":"9999-12-31T23:59:59.999999Z","l":[1,null],"m":{"k":7},"o":{"a":1,"c":null}}\n'
)


def found(folder, sql, name="p"):
    """Rows of the state file."""
    return list(query(folder / ".mainstem" / name, sql).rows)


def test_calls_give_what_they_give_on_the_embedded_engine(tmp_path):
    """In every place of a query where one may stand."""
    p = with_functions(tmp_path)
    for number, (sql, _) in enumerate(ANSWERS):
        p.table(f"answer_{number}", sql)

    run_pipeline(p, base_dir=tmp_path, engine="spark")

    for number, (sql, expected) in enumerate(ANSWERS):
        rows = found(tmp_path, f"SELECT * FROM answer_{number} ORDER BY ALL", "calls")
        assert rows == expected, sql


def test_each_type_goes_into_a_function_and_comes_back(tmp_path):
    """By rows and by batches; a NULL is not called for, or is where the function wants it."""
    (tmp_path / "a.jsonl").write_text(LINE + "{}\n")
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.jsonl"), schema=", ".join(f"{n} {x}" for n, x in TYPES.items()))
    for name, type_ in TYPES.items():
        p.function(takes=type_, returns=type_, name=f"row_{name}")(lambda value: value)
        p.function(takes=type_, returns=type_, name=f"batch_{name}", batch=True)(lambda one: one)
    p.function(takes="bigint", returns="boolean", name="is_absent", null="call")(
        lambda n: n is None
    )
    each = ", ".join(f"row_{n}({n}) AS {n}, batch_{n}({n}) AS {n}_2" for n in TYPES)
    p.table("t", f"SELECT {each}, is_absent(n) AS absent FROM s")

    run_pipeline(p, base_dir=tmp_path, engine="spark")
    there = found(tmp_path, "SELECT * FROM t ORDER BY ALL")
    run_pipeline(p, base_dir=tmp_path)

    assert there == found(tmp_path, "SELECT * FROM t ORDER BY ALL")
    assert [row[-1] for row in there] == [False, True]


def failing(folder, **options):
    """A function that fails on two of five rows: by an exception, and by what it gives."""
    (folder / "a.csv").write_text("k,n\na,1\nb,0\nc,-7\nd,4\ne,\n")
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.csv"), schema="k string, n bigint")

    @p.function(takes="bigint", returns="bigint", **options)
    def share(n):
        return 12 // n if n >= 0 else "none"

    p.view("v", "SELECT k, share(n) AS n FROM s")
    p.table("t", "SELECT k, n FROM v WHERE n > 3 OR n IS NULL")
    p.table("u", "SELECT count(*) AS c FROM v")
    return p


def test_rows_that_fail_are_the_dead_letters_of_the_embedded_engine(tmp_path):
    """Each once, although two tables read the view; the ledger counts them alike."""
    dead = "SELECT __function, __arguments, __reason, __message FROM v__dead ORDER BY ALL"
    told = []
    for engine in ("spark", "embedded"):
        folder = tmp_path / engine
        folder.mkdir()
        result = run_pipeline(
            failing(folder, on_error="dead_letter"), base_dir=folder, engine=engine
        )
        told.append((
            found(folder, dead), found(folder, "SELECT * FROM t ORDER BY ALL"),
            found(folder, "SELECT * FROM u"), result.ledger,
        ))  # fmt: skip

    there, here = told
    assert there[:3] == here[:3]
    assert [row[2] for row in there[0]] == ["result", "exception"]
    assert there[1:3] == ([("a", 12), ("e", None)], [(3,)])
    for name, facts in here[3]["steps"].items():
        assert there[3]["steps"][name] == facts | {"seconds": there[3]["steps"][name]["seconds"]}


def test_a_function_that_fails_ends_the_run_with_its_words(tmp_path):
    """The exception, the arguments and the line of the user's own."""
    with pytest.raises(DataError, match="the Python function share, called with") as caught:
        run_pipeline(failing(tmp_path), base_dir=tmp_path, engine="spark")

    finding = caught.value.finding
    assert finding.code == "PythonFunctionFailed"
    assert any(
        w in str(caught.value) for w in ("ZeroDivisionError", "'none', a str, which is no bigint")
    )
    assert finding.step == "v"
    assert not (tmp_path / ".mainstem/p/tmp").exists()


PIPELINE = """
import os
import mainstem as ms
import weights

p = ms.Pipeline("p")
p.source("s", ms.files("a.csv"), schema="n bigint")

def model():
    return weights.Model()

@p.function(takes="bigint", returns="bigint", open=model, batch=True, batch_size=2)
def weighed(model, n):
    return model.weigh(n.to_pylist())

@p.function(takes="bigint", returns="bigint")
def process(n):
    return os.getpid()

p.table("t", "SELECT n, weighed(n) AS w, process(n) AS pid FROM s")
"""
WEIGHTS = """
class Model:
    def weigh(self, values):
        assert len(values) <= 2, values
        return [value * FACTOR for value in values]

FACTOR = 3
"""


def test_modules_of_the_project_go_to_the_workers_by_value(tmp_path):
    """The pipeline's file and those beside it; what is opened is opened there, and batches have their size."""
    from mainstem.definition.load import load

    (tmp_path / "a.csv").write_text("n\n1\n2\n3\n4\n5\n")
    (tmp_path / "p.py").write_text(PIPELINE)
    (tmp_path / "weights.py").write_text(WEIGHTS)
    p = load(str(tmp_path / "p.py"))
    # Now only this process has them.
    (tmp_path / "p.py").unlink()
    (tmp_path / "weights.py").unlink()

    run_pipeline(p, base_dir=tmp_path, engine="spark")

    assert found(tmp_path, "SELECT n, w FROM t ORDER BY n") == [(n, 3 * n) for n in range(1, 6)]
    assert (os.getpid(),) not in found(tmp_path, "SELECT pid FROM t")


def test_a_function_that_kills_its_worker_is_named(tmp_path):
    """Not a stack of Spark's."""
    p = pipeline(tmp_path)
    p.function(takes="bigint", returns="bigint", name="gone")(lambda _: os._exit(3))
    p.table("t", "SELECT gone(id) AS n FROM payments")

    with pytest.raises(ms.errors.EngineError, match="gone") as caught:
        run_pipeline(p, base_dir=tmp_path, engine="spark")

    assert caught.value.finding.code == "WorkerLost"
