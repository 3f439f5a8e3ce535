"""The pytest plugin as users have it: pytest in a process of its own, in a project of its own."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

PIPELINE = """
import mainstem as ms

p = ms.Pipeline("shop")
p.param("day", "date", default="2024-01-31")
p.source(
    "orders", ms.files("in/*.csv", null="NA", delimiter=";"),
    schema="id bigint not null, customer string, amount decimal(12,2), tags string[]",
    on_bad="dead_letter",
)
p.source("customers", ms.files("customers.csv"), schema="name string")
p.expect("orders", "amount > 0", name="positive", on_fail="quarantine")
p.view("known", "SELECT o.* FROM orders o SEMI JOIN customers c ON c.name = o.customer")
p.table(
    "totals",
    "SELECT customer, count(*) AS n, sum(amount) AS total, avg(amount) AS mean, :day AS day,"
    " now() AS at FROM known GROUP BY customer ORDER BY customer",
    sink=ms.files("out.csv"),
)
"""

RIGHT = '''
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from mainstem.errors import DataError, SettingsError
from mainstem.testing import csv

ADA = {"id": 1, "customer": "ada", "amount": "12.50"}
NAMES = [("ada",), ("eve",)]

@pytest.mark.parametrize("orders", [
    [ADA],
    [(1, "ada", Decimal("12.5"), None)],
    [{**ADA, "amount": 12.5, "tags": ["a", "b|c"]}],
    "1 | ada | 12.50 | null",
    """
    id | customer | amount
    -- | -------- | ------
    1  | ada      | 12.50
    """,
    csv("""
        id;customer;amount;tags
        1;ada;12.50;NA
        """),
    b"id;customer;amount;tags\\n1;ada;12.50;NA\\n",
    Path("given.csv"),
], ids=["dicts", "tuples", "nested", "text", "head", "csv", "bytes", "path"])
def test_every_form(run_pipeline, orders):
    Path(__file__).with_name("given.csv").write_text("id;customer;amount;tags\\n1;ada;12.50;NA\\n")
    ran = run_pipeline("shop.py", {"orders": orders, "customers": NAMES}, views=["known"])
    ran.assert_rows("totals", [{"customer": "ada", "n": 1, "total": "12.50", "day": "2024-01-31"}])
    (row,) = ran.rows("known")
    assert (row["id"], row["customer"], row["amount"]) == (1, "ada", Decimal("12.50"))

def test_words(run_pipeline, mainstem_engine):
    ran = run_pipeline(
        "shop.py", {"orders": [ADA], "customers": NAMES}, params={"day": date(2024, 2, 1)},
        now="2024-02-01T12:00:00Z", run_key="k",
    )
    ran.assert_rows("totals", [("ada", 1, "12.50", 12.5, "2024-02-01", "2024-02-01T12:00:00Z")])
    assert ran.late("totals") == []
    assert ran.warnings == ()
    assert mainstem_engine == "embedded"
    again = ran.again()
    assert again.ledger["sinks"]["totals"]["already_there"] == 1

def test_aside(run_pipeline):
    ran = run_pipeline("shop.py", {"orders": csv("id;customer;amount;tags\\n1;ada;-1;NA\\nx;ada;1;NA"),
                                   "customers": []})
    assert [(r["__rule"], r["__row"], r["id"]) for r in ran.quarantine("orders")] == [("positive", 0, 1)]
    assert [(r["__column"], r["__row"]) for r in ran.dead("orders")] == [("id", 1)]
    assert ran.dead("customers") == []
    assert ran.expectations["orders.positive"]["failed"] == 1
    ran.assert_rows("totals", [])
    ran.assert_rows("orders__quarantine", [{"id": 1, "amount": -1}])

def test_an_error_is_mainstems(run_pipeline):
    with pytest.raises(SettingsError, match="GivenMissing.*customers"):
        run_pipeline("shop.py", {"orders": []})
    with pytest.raises(DataError):
        run_pipeline("shop.py", {"orders": [], "customers": b"nome\\nada\\n"})

def test_real_files(run_pipeline):
    Path(__file__).with_name("customers.csv").write_text("name\\nada\\n")
    ran = run_pipeline("shop.py", {"orders": [ADA]}, real=["customers"])
    assert len(ran.rows("totals")) == 1

def test_a_pipeline_of_the_test(run_pipeline):
    import mainstem as ms
    p = ms.Pipeline("own")
    p.source("t", ms.files("x.csv"), schema="a bigint")
    p.table("twice", "SELECT 2 * a AS a FROM t")
    run_pipeline(p, {"t": [(2,), (2,)]}).assert_rows("twice", "4\\n4")
'''

WRONG = '''
ADA = {"id": 1, "customer": "ada", "amount": "12.50"}
EVE = {"id": 2, "customer": "eve", "amount": "1"}
NAMES = "ada\\neve"

def ran_of(run_pipeline):
    return run_pipeline("shop.py", {"orders": [ADA, EVE], "customers": NAMES})

def test_changed(run_pipeline):
    ran_of(run_pipeline).assert_rows("totals", """
        customer | n | total
        -------- | - | -----
        ada      | 1 | 12.60
        joe      | 5 | 7
    """)

def test_order(run_pipeline):
    ran_of(run_pipeline).assert_rows(
        "totals", [{"customer": "eve"}, {"customer": "ada"}], ordered=True)

def test_column(run_pipeline):
    ran_of(run_pipeline).assert_rows("totals", [{"custmer": "eve"}])

def test_value(run_pipeline):
    ran_of(run_pipeline).assert_rows("totals", [{"n": "one"}])

def test_cells(run_pipeline):
    run_pipeline("shop.py", {"orders": [(1, "ada")], "customers": []})

def test_source(run_pipeline):
    run_pipeline("shop.py", {"order": [], "customers": []})

def test_view(run_pipeline):
    ran_of(run_pipeline).rows("known")

def test_word(run_pipeline):
    run_pipeline("shop.py", {}, parms={})

def test_clock(run_pipeline):
    run_pipeline("shop.py", {"orders": [], "customers": []}, now="yesterday")

def test_file(run_pipeline):
    run_pipeline("shp.py")
'''

SNAPSHOT = """
import pytest

@pytest.mark.parametrize("amount", ["-1.5"])
def test_aside(run_pipeline, amount):
    rows = [(7, "a|b", amount, None), (3, "it's", "-2", ["x"])]
    ran = run_pipeline("shop.py", {"orders": rows, "customers": []})
    ran.assert_snapshot()
    ran.assert_snapshot("totals", name="second")
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a pipeline; what the outer suite requires is not asked of it."""
    for name in ("CI", "MAINSTEM_REQUIRE", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(shop=PIPELINE)
    return pytester


def test_right_tests_pass(project):
    """Every form of rows, every word, and what is kept aside."""
    project.makepyfile(test_it=RIGHT)

    project.runpytest_subprocess().assert_outcomes(passed=13)


def test_wrong_tests_fail_and_say_why(project):
    """Cells, rows and fixes are told, and no line of mainstem's own code is shown."""
    project.makepyfile(test_it=WRONG)

    result = project.runpytest_subprocess("-p", "no:randomly")

    result.assert_outcomes(failed=10)
    result.stdout.fnmatch_lines([
        "*table 'totals': 2 rows found, 2 expected",
        "*1 row changed (found → expected):",
        "*ada *| 1 *| 12.50 → 12.60",
        "*1 row missing:",
        "*joe *| 5 *| 7.00",
        "*1 row not expected:",
        "*eve *| 1 *| 1.00",
        "*the right rows in another order; row 1 found, and expected:",
        "*GivenForm: table 'totals': no column 'custmer'*",
        "*fix: write customer",
        "*GivenForm: row 1 of table 'totals', column 'n': 'one'*",
        "*GivenForm: row 1 of the rows of source 'orders' has 2 cells for 4 columns*",
        "*GivenUnknown: rows are given for 'order'*",
        "*fix: write orders",
        "*GivenUnknown: 'known' is a view*",
        "*fix: give run_pipeline views=[[]\"known\"]",
        "*GivenUnknown: a run in a test has no word 'parms'*",
        "*fix: write params",
        "*GivenForm: now is 'yesterday'*",
        "*PipelineFileMissing:*",
    ])  # fmt: skip
    assert "mainstem/testing/" not in result.stdout.str()
    assert "mainstem/runtime/" not in result.stdout.str()


def test_snapshots_are_written_compared_and_renewed(project):
    """Absent: written and named; then compared; renewed when asked."""
    project.makepyfile(test_it=SNAPSHOT)
    first = project.runpytest_subprocess()
    first.assert_outcomes(passed=1)
    first.stdout.fnmatch_lines(["*snapshots written*", "*test_aside*.txt"])
    files = sorted((project.path / "snapshots" / "test_it").iterdir())
    assert [f.name for f in files] == ["test_aside[-1.5].second.txt", "test_aside[-1.5].txt"]
    text = files[1].read_text("utf-8")
    assert text.splitlines()[-4:] == [
        "__rule   | __row | __status | id | customer | amount | tags",
        "-------- | ----- | -------- | -- | -------- | ------ | -----",
        "positive | 0     | open     | 7  | 'a|b'    | -1.50  | null",
        "positive | 1     | open     | 3  | 'it''s'  | -2.00  | [\"x\"]",
    ]
    project.runpytest_subprocess().assert_outcomes(passed=1)

    files[1].write_text(text.replace("-2.00", "-3.00"), "utf-8")
    changed = project.runpytest_subprocess()
    changed.assert_outcomes(failed=1)
    changed.stdout.fnmatch_lines(["*-2.00 → -3.00*", "*pytest --mainstem-update*"])

    project.runpytest_subprocess("--mainstem-update").assert_outcomes(passed=1)
    assert files[1].read_text("utf-8") == text


def test_snapshots_of_other_processes_are_named_too(project):
    """Tests that run on all cores write them as well."""
    project.makepyfile(test_it=SNAPSHOT)

    result = project.runpytest_subprocess("-n1")

    result.stdout.fnmatch_lines(["*snapshots written*", "*test_aside*.txt"])


def test_absent_snapshot_fails_in_continuous_integration(project, monkeypatch):
    """And it is not written: the next run would take it for right."""
    project.makepyfile(test_it=SNAPSHOT)
    monkeypatch.setenv("CI", "1")

    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*there is no snapshot *test_aside*"])
    assert not (project.path / "snapshots").exists()


@pytest.mark.parametrize(
    ("require", "outcome"), [("", {"skipped": 1}), ("all", {"errors": 1})], ids=["lax", "all"]
)
def test_engine_that_is_not_there_is_named(project, monkeypatch, require, outcome):
    """It is skipped by name, and fails where everything is required."""
    project.makepyfile(test_it="def test_it(run_pipeline):\n    pass\n")
    monkeypatch.setenv("MAINSTEM_REQUIRE", require)

    result = project.runpytest_subprocess("--mainstem-engine", "nowhere", "-rs")

    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines(["*engine nowhere: no engine 'nowhere'*"])


def test_plugin_is_found_by_its_entry_point():
    """Nothing has to be imported or configured."""
    (found,) = [
        entry
        for entry in importlib.metadata.entry_points(group="pytest11")
        if entry.name == "mainstem"
    ]

    assert found.value == "mainstem.testing.plugin"


def test_plugin_costs_nothing_to_those_who_do_not_use_it():
    """Of mainstem only the packages on the way to the module are loaded, and no engine."""
    code = (
        "import json, pytest, sys; before = set(sys.modules); import mainstem.testing.plugin;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == ["mainstem", "mainstem.testing", "mainstem.testing.plugin"]
