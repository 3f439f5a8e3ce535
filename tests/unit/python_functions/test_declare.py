"""What ``@p.function`` takes, refuses and remembers."""

import datetime as dt
from decimal import Decimal

import pytest

import mainstem as ms
from mainstem.definition.fingerprint import fingerprints
from mainstem.errors import CheckFailed
from tests.unit.python_functions.case import pipeline


def finding(p):
    """The one thing that is wrong."""
    p.table("answer", "SELECT id FROM payments")
    with pytest.raises(CheckFailed) as caught:
        p.plan()
    (found,) = caught.value.findings
    return found


def test_types_are_those_of_annotations(tmp_path):
    """Types are those of annotations."""
    p = pipeline(tmp_path)

    @p.function
    def f(
        a: int, b: float, c: str, d: bool, e: bytes, g: dt.date, h: dt.datetime, i: list[int],
        j: float | None,
    ) -> str: ...  # fmt: skip

    (row,) = p.functions
    assert [str(x) for x in row.takes] == [
        "bigint", "double", "string", "boolean", "bytes", "date", "timestamp", "bigint[]", "double",
    ]  # fmt: skip
    assert str(row.gives) == "string"


@pytest.mark.parametrize("place", ["rule", "delete_when"])
def test_condition_that_calls_one_is_told_what_it_is(place, tmp_path):
    """Not that it does not exist: it was declared a line before."""
    p = pipeline(tmp_path)
    p.function(lambda x: x, name="f", takes="bigint", returns="bigint")
    mode = ms.merge(key="id", delete_when="f(id) > 0") if place == "delete_when" else "overwrite"
    p.table("answer", "SELECT id FROM payments", sink=ms.files("out", format="parquet", mode=mode))
    if place == "rule":
        p.expect("answer", "f(id) > 0")

    with pytest.raises(CheckFailed) as caught:
        p.plan()
    (found,) = caught.value.findings
    assert found.what.endswith("no function 'f' in a condition: it is a Python function")
    assert found.fix.startswith("call it in a view")


def test_types_may_be_given(tmp_path):
    """Types may be given."""
    p = pipeline(tmp_path)

    @p.function(returns="decimal(12,2)", takes="decimal(12, 2), map(string, bigint)")
    def f(a, b): ...

    assert [str(x) for x in p.functions[0].takes] == ["decimal(12,2)", "map(string, bigint)"]


@pytest.mark.parametrize(
    ("options", "function", "what"),
    [
        ({"returns": "double"}, lambda x: x, "argument 'x' has no type"),
        ({"takes": "double"}, lambda x: x, "the type of the result is not known"),
        ({"takes": "double, double", "returns": "double"}, lambda x: x, "takes has 2 types"),
        ({"takes": "double", "returns": "dubble"}, lambda x: x, "dubble"),
        ({"takes": "integer", "returns": "double"}, lambda x: x, "expressions know one whole number"),
        ({"takes": "", "returns": "double", "on_error": "skip"}, lambda: 1, "on_error is 'skip'"),
        ({"takes": "", "returns": "double", "null": None}, lambda: 1, "null is None"),
        ({"takes": "", "returns": "double", "workers": -1}, lambda: 1, "workers is -1"),
        ({"takes": "", "returns": "double", "batch_size": 0}, lambda: 1, "batch_size is 0"),
        ({"takes": "", "returns": "double", "open": "model"}, lambda m: 1, "open is a str"),
        ({"takes": "", "returns": "double", "open": dict}, lambda: 1, "open= gives the first argument"),
        ({"takes": "double", "returns": "double"}, lambda *, x: x, "argument 'x' is not one by"),
    ],
)  # fmt: skip
def test_wrong_option_is_named(tmp_path, options, function, what):
    """Wrong option is named."""
    p = pipeline(tmp_path)
    p.function(name="mine", **options)(function)

    found = finding(p)

    assert found.code == "FunctionOption"
    assert what in found.what
    assert found.where.line
    assert found.fix


def test_decimal_needs_its_digits(tmp_path):
    """A Decimal says no type by itself."""
    p = pipeline(tmp_path)

    @p.function
    def f(a: Decimal) -> float: ...

    found = finding(p)
    assert "Decimal without its digits" in found.what
    assert "takes=" in found.fix


@pytest.mark.parametrize(
    ("name", "code"),
    [("upper", "FunctionNameTaken"), ("sum", "FunctionNameTaken"), ("case", "FunctionNameTaken"),
     ("my__f", "NameNotValid")],
)  # fmt: skip
def test_name_is_refused(tmp_path, name, code):
    """Name is refused."""
    p = pipeline(tmp_path)
    p.function(name=name, takes="double", returns="double")(lambda x: x)

    assert finding(p).code == code


def test_two_functions_of_one_name(tmp_path):
    """Two functions of one name."""
    p = pipeline(tmp_path)
    for name in ("mine", "MINE"):
        p.function(name=name, takes="double", returns="double")(lambda x: x)

    assert finding(p).code == "DuplicateName"


def test_broken_function_is_one_finding(tmp_path):
    """What calls a function that is wrong itself is not a second mistake."""
    p = pipeline(tmp_path)
    p.function(name="mine", takes="double", returns="dubble")(lambda x: x)
    p.table("calls", "SELECT mine(amount) AS v FROM payments")

    assert finding(p).code == "FunctionOption"


# Fingerprints


def prints(base, make, sql="SELECT mine(amount) AS v FROM payments"):
    """Fingerprints of a step that calls `mine` and one that does not."""
    p = pipeline(base)
    p.function(name="mine", **make[0])(make[1])
    p.table("calls", sql)
    p.table("other", "SELECT id FROM payments")
    return fingerprints(p.plan())


FACTOR = 2.0


def helper(x):
    """What another function calls, with a constant of its own."""
    return x * FACTOR


def test_fingerprint_changes_with_the_function(tmp_path, monkeypatch):
    """A changed function changes the steps that call it, and no other."""
    types = {"takes": "double", "returns": "double"}

    def first(x):
        return x + 1

    same = first

    def first(x):
        return x + 2

    def calls_helper(x):
        return helper(x)

    one, again = prints(tmp_path, (types, same)), prints(tmp_path, (types, same))
    two = prints(tmp_path, (types, first))
    called = prints(tmp_path, (types, calls_helper))
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    other = prints(tmp_path, (types, calls_helper))
    null = prints(tmp_path, ({**types, "null": "call"}, same))

    assert one == again
    assert len({one["calls"], two["calls"], called["calls"], other["calls"], null["calls"]}) == 5
    assert len({x["other"] for x in (one, two, called, other, null)}) == 1


# Determinism (V9)


@pytest.mark.parametrize(
    ("sql", "is_right"),
    [
        ("SELECT id, chance() AS v FROM payments", True),
        ("SELECT country, chance() AS v, count(*) AS n FROM payments GROUP BY country", True),
        ("SELECT id FROM payments WHERE chance() < 0.5", True),
        ("SELECT id FROM (SELECT id, chance() AS v FROM payments) q WHERE v < 0.5", True),
        ("SELECT id, chance() AS v FROM payments UNION ALL SELECT id, 0.0 FROM payments", True),
        ("SELECT sum(chance()) AS v FROM payments", False),
        ("SELECT DISTINCT chance() AS v FROM payments", False),
        ("SELECT chance() AS v, count(*) AS n FROM payments GROUP BY ALL", False),
        ("SELECT id, chance() AS v FROM payments ORDER BY id LIMIT 3", False),
        ("SELECT max(v) AS m FROM (SELECT chance() AS v FROM payments) q", False),
        ("SELECT a.id FROM payments a JOIN payments b ON a.id = b.id AND chance() < 1", False),
        ("SELECT b.id FROM (SELECT id, chance() AS v FROM payments) a JOIN payments b ON a.id = b.id",
         False),
        ("SELECT rank() OVER (ORDER BY chance()) AS v FROM payments", False),
    ],
)  # fmt: skip
def test_what_differs_stands_last(tmp_path, sql, is_right):
    """A function that is not deterministic stands after all that looks at several rows."""
    p = pipeline(tmp_path)
    p.function(name="chance", takes="", returns="double", deterministic=False)(lambda: 0.5)
    p.table("answer", sql)

    if is_right:
        assert p.plan().functions
        return
    with pytest.raises(CheckFailed) as caught:
        p.plan()
    assert "NotDeterministic" in {found.code for found in caught.value.findings}


@pytest.mark.parametrize(
    ("sql", "is_right"),
    [("SELECT id, v FROM marked WHERE v > 1", True),
     ("SELECT count(*) AS n FROM marked", False),
     ("SELECT m.id FROM marked m JOIN payments p ON p.id = m.id", False)],
)  # fmt: skip
def test_readers_take_its_rows_one_by_one(tmp_path, sql, is_right):
    """Readers take its rows one by one."""
    p = pipeline(tmp_path)
    p.function(name="chance", takes="", returns="double", deterministic=False)(lambda: 0.5)
    p.view("marked", "SELECT id, chance() AS v FROM payments")
    p.view("middle", "SELECT * FROM marked")
    p.table("answer", sql.replace("marked", "middle"))

    if is_right:
        assert p.plan().functions
        return
    with pytest.raises(CheckFailed, match="'answer' groups, joins or sorts what it gives"):
        p.plan()
