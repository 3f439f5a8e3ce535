"""The project of `mainstem init`, from its first check to questions about its tables.

Its eight orders, by hand: paid are 120.00 + 80.50 (1 March, IT), 42.00 + 230.00 (2 March, FR), and
60.00 (IT) and 18.75 (FR) on 3 March. One is refunded (15.25), one open and without an amount.
"""

import json
from pathlib import Path

import pytest

from mainstem.cli.inference import identifier
from tests.unit.cli.program import call, start

BY_COUNTRY = """\
day,country,orders,total
2025-03-01,IT,2,200.50
2025-03-02,FR,2,272.00
2025-03-03,FR,1,18.75
2025-03-03,IT,1,60.00
"""


@pytest.fixture
def finished(project, capsys):
    """The project after a run."""
    said = call(capsys, "run", "-o", "text")
    assert (said.code, said.err) == (0, "")
    return project


@pytest.mark.parametrize("template", ["python", "sql"])
def test_project_runs_and_counts_right(tmp_path, monkeypatch, capsys, template):
    """Both ways of writing it give the same rows, and stderr stays empty."""
    monkeypatch.chdir(tmp_path)
    made = call(capsys, "init", "shop", "--template", template)
    monkeypatch.chdir(tmp_path / "shop")
    checked = call(capsys, "check")
    ran = call(capsys, "run", "-o", "text")

    assert (made.code, made.err) == (0, "")
    assert made.out.endswith("next: cd shop && mainstem run\n")
    assert checked.out == "orders: ok (2 sources, 1 view, 2 tables, 0 warnings)\n"
    assert (ran.code, ran.err) == (0, "")
    assert (tmp_path / "shop/out/by_country.csv").read_text() == BY_COUNTRY
    assert call(capsys, "query", "SELECT * FROM best ORDER BY total DESC").out == (
        "customer   total\n────────  ──────\ndee       230.00\nada       180.00\n"
        "bob        80.50\ncy         60.75\n4 rows\n"
    )


def test_ledger_is_printed_at_the_end(project, capsys):
    """What was read and written, and where."""
    said = call(capsys, "run", "-o", "text").out.splitlines()

    assert said[:6] == [
        "read",
        "  orders     8 rows  1 file  346 B",
        "  customers  4 rows  1 file  147 B",
        "written",
        "  by_country  4 rows  out/by_country.csv (1 file, 115 B)",
        "  best        4 rows  in the state file",
    ]
    assert said[6].startswith("orders succeeded in ")


def test_init_changes_no_file_that_exists(project, capsys):
    """Nothing at all is written when one of them is there."""
    (project / "mainstem.toml").unlink()
    (project / "pipeline.py").write_text("mine")
    said = call(capsys, "init", "-q")

    assert said.code == 4
    assert said.err.startswith("FileExists: pipeline.py, ")
    assert (project / "pipeline.py").read_text() == "mine"
    assert not (project / "mainstem.toml").exists()


def test_init_from_a_file_gives_a_pipeline_that_runs(project, monkeypatch, capsys):
    """The schema is inferred once, here, and stands in the file."""
    (project / "mainstem.toml").unlink()
    folder = project / "first"
    (folder / "data").mkdir(parents=True)
    (project / "data/orders.csv").rename(folder / "data/My-orders.2025.csv")
    monkeypatch.chdir(folder)
    made = call(capsys, "init", ".", "--from", "data/My-orders.2025.csv")
    ran = call(capsys, "run", "-o", "text")

    assert (made.code, made.err) == (0, "")
    text = (folder / "pipeline.py").read_text()
    assert "order_id bigint, customer string, ordered_at timestamp, amount double" in text
    assert "data/My-orders.2025.csv" in text
    assert (ran.code, ran.err) == (0, "")
    assert "my_orders  8 rows" in ran.out
    assert call(capsys, "init", "x", "--from", "none.csv").err.startswith("DataFileMissing: ")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("rides-2025.csv.gz", "rides_2025"),
        ("2025 rides.csv", "data_2025_rides"),
        ("order.csv", "data_order"),
        ("__.csv", "data"),
    ],
)
def test_source_is_named_after_its_file(file, name):
    """A name that SQL can say without quotes."""
    assert identifier(Path(file)) == name


def test_check_writes_missing_schemas_and_nothing_else(project, capsys):
    """The rest of the file stays as it was."""
    (project / "mainstem.toml").unlink()
    before = "CREATE SOURCE customers FROM files('data/customers.jsonl', format => 'json');\n"
    after = "-- mine\nCREATE TABLE n AS SELECT count(*) AS n FROM customers;\n"
    (project / "p.sql").write_text(before + after)
    assert "SchemaMissing" in call(capsys, "check", "p.sql").out
    said = call(capsys, "check", "p.sql", "--infer")

    assert (said.code, said.err) == (0, "")
    text = (project / "p.sql").read_text()
    assert "customer string, country string" in text
    # The change is shown as a diff: what went, what came, and nothing of the user's other lines.
    assert f"-{before}" in said.out
    assert "\n+CREATE SOURCE customers (\n" in said.out
    assert "+-- mine" not in said.out
    assert text.endswith(after)
    assert call(capsys, "check", "p.sql", "--infer").out.startswith("every source has a schema\n")
    (project / "p.sql").write_text(before + after)
    document = json.loads(call(capsys, "check", "p.sql", "--infer", "-o", "json").out)
    assert document["inferred"] == {"customers": "customer string, country string"}


def test_query_as_json_and_csv(finished, capsys):
    """A list of objects; a head and lines. Decimals keep their digits."""
    sql = "SELECT customer, total, NULL AS gone FROM best WHERE customer < 'c' ORDER BY customer"

    assert json.loads(call(capsys, "query", sql, "-o", "json").out) == [
        {"customer": "ada", "total": "180.00", "gone": None},
        {"customer": "bob", "total": "80.50", "gone": None},
    ]
    assert call(capsys, "query", sql, "-o", "csv").out == (
        "customer,total,gone\nada,180.00,\nbob,80.50,\n"
    )
    assert json.loads(call(capsys, "query", "SELECT * FROM best LIMIT 0", "-o", "json").out) == []


def test_query_shows_as_many_rows_as_asked_and_says_so(finished, capsys):
    """The rest is not passed over in silence."""
    sql = "SELECT customer FROM best ORDER BY customer"

    assert call(capsys, "query", sql, "-n", "1").out == (
        "customer\n────────\nada\n4 rows; 1 shown, --limit 0 shows all\n"
    )
    assert call(capsys, "query", sql, "-n", "0", "-q").out.splitlines()[2:] == [
        "ada", "bob", "cy", "dee",
    ]  # fmt: skip


def test_query_refuses_what_it_cannot_answer(finished, capsys):
    """Two columns of one name as JSON would be one; tables cannot be written."""
    twice = call(capsys, "query", "SELECT 1 AS a, 2 AS a", "-o", "json")
    wrong = call(capsys, "query", "SELECT nothing FROM best")
    write = call(capsys, "query", "DROP TABLE best")

    assert twice.err.startswith("ColumnTwice: ")
    assert [said.code for said in (twice, wrong, write)] == [6, 6, 6]
    assert call(capsys, "query", "SELECT count(*) AS n FROM best", "-o", "csv").out == "n\n4\n"


def test_long_question_draws_no_bar_into_its_answer(finished, capsys):
    """After two seconds DuckDB would, on standard output."""
    said = call(
        capsys, "query", "SELECT current_setting('enable_progress_bar') AS bar", "-o", "json"
    )

    assert json.loads(said.out) == [{"bar": False}]


def test_query_before_the_first_run_says_what_to_do(project, capsys):
    """There are no tables yet."""
    said = call(capsys, "query", "SELECT 1")

    assert (said.code, said.out) == (7, "")
    assert "run the pipeline first" in said.err


def test_environment_overrides_one_option_and_plan_says_so(finished, capsys):
    """Only the file of one sink moves."""
    said = call(capsys, "run", "--env", "test", "-o", "text")
    plan = call(capsys, "plan", "--env", "test").out

    assert (said.code, said.err) == (0, "")
    assert (finished / "out/test/by_country.csv").read_text() == BY_COUNTRY
    assert "  sinks.by_country.path     out/test/by_country.csv  mainstem.toml:8\n" in plan
    assert "  run.memory_limit          1GB                      mainstem.toml:4\n" in plan


def test_flags_go_before_everything_and_say_so(project, capsys):
    """--set, --threads and --memory-limit are settings like all others."""
    words = ["--set", "sinks.by_country.path=other.csv", "--env", "test"]
    rows = json.loads(call(capsys, "config", "show", *words, "-o", "json").out)["settings"]
    found = {f"{row['section']}.{row['option']}": (row["value"], row["origin"]) for row in rows}

    assert found["sinks.by_country.path"] == ("other.csv", "--set sinks.by_country.path")
    assert found["run.memory_limit"] == ("1GB", "mainstem.toml:4")
    assert found["sources.customers.format"] == ("json", "definition")
    shown = call(capsys, "config", "show", *words).out
    assert [line.split() for line in shown.splitlines() if "by_country.path" in line] == [
        ["sinks.by_country.path", "other.csv", "--set", "sinks.by_country.path"]
    ]


def test_plan_tells_what_has_changed_since_the_last_run(project, capsys):
    """Nothing, then a step of another text, one that is new and one that is gone."""
    assert "nothing has run yet" in call(capsys, "plan").out
    call(capsys, "run", "-q")
    assert "the definition is the same" in call(capsys, "plan").out
    file = project / "pipeline.py"
    text = (
        file.read_text().replace("best", "spent").replace("WHERE status", "WHERE TRUE AND status")
    )
    file.write_text(text)

    plan = call(capsys, "plan").out
    changes = [
        line.split()[:3] for line in plan.splitlines() if line[:4] in ("  ~ ", "  + ", "  - ")
    ]
    assert ["~", "paid", "step"] in changes
    assert ["+", "spent", "step"] in changes
    assert ["-", "best", "step"] in changes
    document = json.loads(call(capsys, "plan", "-o", "json").out)
    found = {change["name"]: change["change"] for change in document["changes"]}
    assert (found["paid"], found["spent"], found["best"]) == ("changed", "added", "removed")
    assert (found["orders"], found["customers"]) == ("same", "same")


def test_plan_is_words_for_the_whole_pipeline(project, capsys):
    """What is read, by whom, and where everything goes."""
    assert call(capsys, "plan").out.startswith(
        "pipeline orders (pipeline.py)\n\n"
        "parameters\n  :status  string  default paid\n\n"
        "reads\n"
        "  orders     source  files data/orders.csv                   read by paid\n"
        "  customers  source  files data/customers.jsonl format=json  read by by_country\n\n"
        "steps\n"
        "  paid        view   from orders           not kept\n"
        "  by_country  table  from paid, customers  writes files out/by_country.csv\n"
        "  best        table  from paid             kept in the state file\n"
    )


def test_render_shows_one_step_or_all(project, capsys):
    """In Mainstem's SQL and in the engine's; a wrong name gets the nearest."""
    one = call(capsys, "render", "paid")
    every = call(capsys, "render", "pipeline.py", "-o", "json")
    wrong = call(capsys, "render", "piad")

    assert one.out.startswith("-- paid: Mainstem\nSELECT ")
    assert "-- paid: embedded\nSELECT " in one.out
    assert "by_country" not in one.out
    steps = json.loads(every.out)["steps"]
    assert [step["name"] for step in steps] == ["paid", "by_country", "best"]
    assert ":status" in steps[0]["mainstem"]
    assert "getvariable('status')" in steps[0]["embedded"]
    assert (wrong.code, "write paid" in wrong.err) == (2, True)


def test_render_shows_the_sql_of_another_engine(project, capsys):
    """With what is computed by DuckDB inside of it."""
    (project / "p.py").write_text(
        "import mainstem as ms\n"
        "p = ms.Pipeline('p')\n"
        "p.table('t', \"SELECT reverse('ab' || v) AS r FROM (VALUES ('c')) AS x(v)\")\n"
    )
    said = call(capsys, "render", "p.py", "--engine", "spark")
    (step,) = json.loads(call(capsys, "render", "p.py", "--engine", "spark", "-o", "json").out)[
        "steps"
    ]
    ((name, sql),) = step["functions"].items()

    assert (said.code, said.err) == (0, "")
    assert f"SELECT {name}(" in said.out
    assert f"-- {name}: {sql}" in said.out
    assert "`x`.`v`" in step["spark"]


def test_status_and_runs_tell_the_last_run(project, capsys):
    """Before, after a success, and after a failure: the outputs are still those of the first."""
    assert call(capsys, "status").out.endswith("nothing has run yet\n")
    assert call(capsys, "runs").out == "nothing has run yet\n"
    call(capsys, "run", "-q")
    with (project / "data/orders.csv").open("a") as orders:
        orders.write("nine,ada,2025-03-04T00:00:00Z,1.00,paid\n")
    assert call(capsys, "run", "-q", "-o", "text").code == 6

    status = json.loads(call(capsys, "status", "-o", "json").out)
    assert (status["n_runs"], status["last"]["status"]) == (2, "failed")
    assert status["committed"]["ledger"]["sinks"]["best"]["committed"] == 4
    assert f"outputs  of run {status['committed']['run_id']}" in call(capsys, "status").out
    rows = [line.split() for line in call(capsys, "runs").out.splitlines()[2:]]
    assert [(row[1], row[-1]) for row in rows] == [("failed", "BadRow"), ("succeeded", "8")]
    assert [
        run["status"] for run in json.loads(call(capsys, "runs", "-o", "json", "-n", "1").out)
    ] == ["failed"]


def test_demo_shows_an_answer_from_generated_data(project):
    """In a process of its own: DuckDB complains at its end of what was left open.

    The settings of a project around it name other tables, and are none of its business.
    """
    said = start("demo", cwd=project)

    assert (said.code, said.err) == (0, "")
    assert "When does a city ride?" in said.out
    assert "plots: mainstem-demo/report.html\n" in said.out
    assert (project / "mainstem-demo/report.html").exists()


def test_schema_is_not_inferred_from_a_file_with_another_delimiter(project, capsys):
    """One text column named "id;shop" would be accepted by every later run."""
    (project / "mainstem.toml").unlink()
    (project / "o.csv").write_text("id;shop\n1;Oslo\n")
    (project / "p.sql").write_text("CREATE SOURCE o FROM files('o.csv');\n")
    said = call(capsys, "check", "p.sql", "--infer")

    assert said.code == 6
    assert "is one column, 'id;shop'" in said.err
    assert 'bind it with delimiter=";"' in said.err
    assert "  at:  p.sql:1:15 (step 'o')\n" in said.err
    assert (project / "p.sql").read_text() == "CREATE SOURCE o FROM files('o.csv');\n"

    (project / "p.sql").write_text(
        "CREATE SOURCE o FROM files('o.csv', delimiter => ';');\nCREATE TABLE t AS SELECT id FROM o;"
    )
    assert call(capsys, "check", "p.sql", "--infer").code == 0
    assert "id bigint, shop string" in (project / "p.sql").read_text()


def test_schema_is_not_inferred_from_a_damaged_file(tmp_path, monkeypatch, capsys):
    """The file is wrong, not the program."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "o.parquet").write_text("no Parquet")
    said = call(capsys, "init", "--from", "o.parquet")

    assert said.code == 6
    assert said.err.startswith("FileDamaged: the content cannot be read: ")
