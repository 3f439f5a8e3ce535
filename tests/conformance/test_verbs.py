"""Verbs build the plan that SQL builds: equal bound trees, equal fingerprints, the same errors."""

import ast
import linecache
from datetime import datetime
from pathlib import Path

import pytest

import mainstem as ms
from benchmarks.tpch.pipeline import TABLES
from mainstem import col
from mainstem.definition.fingerprint import fingerprints
from mainstem.definition.verbs import JOINS, Verbs
from mainstem.errors import CheckFailed, MainstemError
from tests.conformance.tpch_verbs import QUERIES
from tests.conformance.verb_rows import EXPRESSIONS, ROWS, pipeline

SQL = Path(__file__).parents[2] / "benchmarks" / "tpch"


def same(p, sql, frame):
    """Check that SQL, verbs, and the SQL that the verbs print are the same plan."""
    p.table("as_sql", sql)
    p.table("as_verbs", frame)
    plan = p.plan()
    ours, theirs = plan.step("as_sql"), plan.step("as_verbs")
    assert theirs.schema == ours.schema
    assert theirs.inputs == ours.inputs
    assert theirs.query == ours.query
    p.table("printed", frame.to_sql())
    # Columns that are put in the place of others are printed behind them.
    if "put=()" in repr(frame.query) or "put=" not in repr(frame.query):
        assert p.plan().step("printed").query == theirs.query


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1][:60]}")
def test_verb_is_its_sql(row):
    """The bound tree of the verbs is the bound tree of the SQL."""
    _, sql, build = row
    p = pipeline()

    same(p, sql, build(*map(p.ref, ("t", "c", "u"))))


@pytest.mark.parametrize("row", EXPRESSIONS, ids=lambda row: row[0])
def test_expression_is_its_sql(row):
    """The same for expressions, one by one."""
    sql, build = row
    p = pipeline()

    table = "m" if "prices" in sql else "t"
    same(p, f"SELECT {sql} AS v FROM {table}", p.ref(table).select(v=build()))


@pytest.mark.parametrize("name", QUERIES)
def test_tpch_query_is_its_sql(name):
    """Queries of TPC-H, with the very text that the benchmark runs."""
    p = ms.Pipeline("tpch")
    for table, schema in TABLES.items():
        p.source(table, ms.files(f"{table}.parquet"), schema=schema)

    same(p, (SQL / f"{name}.sql").read_text(), QUERIES[name](p))


def test_every_verb_has_a_row():
    """A verb without a row would be a promise that nothing keeps."""
    verbs = {name for name in vars(Verbs) if not name.startswith("_")} - {"frame", "query"}
    tested = {row[0] for row in ROWS}

    # An alias is tested by the joins that need one.
    assert verbs - {"alias"} == tested - {"all rows"}


def test_every_kind_of_join_has_a_row():
    """Kinds are words in the same way as verbs."""
    words = " ".join(row[1] for row in ROWS if row[0] == "join")
    shown = {"asof_left": "ASOF LEFT", "inner": "u JOIN"}

    assert [kind for kind in JOINS if f"{shown.get(kind, kind.upper())}" not in words] == []


def test_fingerprints_are_equal():
    """A table of verbs that becomes a table of SQL is no other table."""
    found = []
    for build in (
        lambda p: p.ref("t").filter(col("day") == ms.lit(p.params[0])).select("id"),
        lambda p: "SELECT id FROM t WHERE day = :day",
    ):
        p = pipeline()
        p.table("x", build(p))
        found.append(fingerprints(p.plan())["x"])

    assert found[0] == found[1]


def test_function_may_return_verbs_and_a_step_may_be_built_on():
    """The decorator, the direct form, and what they give."""
    p = pipeline()

    @p.view
    def large():
        return p.ref("t").filter(col("amount") > 10)

    small = p.view("small", p.ref("large").filter(col("amount") < 20))
    p.table("n", small.agg(n=ms.count()))
    p.table("whole", p.ref("t"))
    plan = p.plan()

    assert plan.step("n").inputs == ("small",)
    assert plan.step("small").inputs == ("large",)
    assert plan.step("whole").schema.names == plan.source("t").schema.names


def test_function_of_the_pipeline_is_called_by_its_name():
    """Its Python is the user's; the call is one of SQL."""
    p = pipeline()

    @p.function(takes="bigint", returns="bigint")
    def twice(x):
        return x * 2

    same(p, "SELECT twice(id) AS v FROM t", p.ref("t").select(v=ms.call("twice", "id")))
    assert "<td>bigint</td>" in p.ref("t").select(v=ms.call("twice", "id"))._repr_html_()


def line_of(text):
    """The line of this file that holds a text and a mark."""
    lines = linecache.getlines(__file__)
    return next(n for n, line in enumerate(lines, 1) if text in line and "# here" in line)


def test_unknown_column_is_told_at_the_line_of_its_verb():
    """All mistakes come together, each at its own line of a chain, with the nearest name."""
    p = pipeline()
    p.table(
        "x",
        p.ref("t")
        .filter(col("amout") > 1)  # here
        .select("id", upper=ms.f.upper("nmae"))  # here
        .distinct(),
    )

    with pytest.raises(CheckFailed) as caught:
        p.plan()
    found = [f for f in caught.value.findings if f.severity == "error"]
    assert [(f.code, f.where.file, f.where.line, f.fix) for f in found] == [
        ("ColumnNotFound", __file__, line_of("amout"), "write amount"),
        ("ColumnNotFound", __file__, line_of("nmae"), "write name"),
    ]
    assert ".filter(col(" in found[0].snippet
    assert {f.step for f in found} == {"x"}


def test_wrong_sql_in_a_verb_shows_the_piece_of_sql():
    """The line is that of `ms.expr`, the caret stands in the SQL."""
    p = pipeline()
    p.table("x", p.ref("t").select(v=ms.expr("amount + nmae")))  # here v=

    with pytest.raises(CheckFailed) as caught:
        p.plan()
    found = caught.value.findings[0]
    assert (found.where.line, found.fix) == (line_of("v=ms.expr"), "write name")
    assert found.snippet == "amount + nmae\n         ^"


def test_unknown_table_is_told_where_it_was_named():
    """A chain on a name that is not there is one mistake."""
    p = pipeline()
    other = p.ref("orders")  # here
    p.table("x", other.filter(col("nothing") > 1).select("more"))

    with pytest.raises(CheckFailed) as caught:
        p.plan()
    assert {(f.code, f.where.line) for f in caught.value.findings if f.severity == "error"} == {
        ("TableNotFound", line_of("orders"))
    }


def test_fix_is_in_verbs_where_the_mistake_is():
    """Advice about SQL would not help who writes verbs; in a piece of SQL it does."""
    fixes = {
        'text is ms.lit("…")': lambda t: t.select(x=ms.f.upper("italy")),
        'write .cast("type") behind an argument': lambda t: t.select(x=ms.f.upper("id")),
        "filter behind agg, on the column that agg names": lambda t: t.filter(ms.sum("id") > 1),
        "text goes in single quotes: '…'": lambda t: t.select(x=ms.expr("upper(italy)")),
    }
    for fix, build in fixes.items():
        p = pipeline()
        p.table("x", build(p.ref("t")))
        with pytest.raises(CheckFailed) as caught:
            p.plan()
        assert [f.fix for f in caught.value.findings if f.severity == "error"] == [fix]


WRONG = {
    "SortLost": lambda t: t.sort("id").filter(col("id") > 1),
    "ExpressionAsBool": lambda t: t.filter(1 < col("id") < 3),
    "VerbArguments": lambda t: t.select(),
    "VerbArguments ": lambda t: t.join(t, "id", how="outer"),
    "VerbArguments  ": lambda t: t.join(t),
    "VerbArguments   ": lambda t: t.join(t, "id", how="cross"),
    "VerbArguments    ": lambda t: t.with_columns(col("id") + 1),
    "ValueNotPossible": lambda t: t.filter(col("id").is_in("abc")),
    "ValueNotPossible ": lambda t: t.filter(col("id").is_in([])),
    "ValueNotPossible  ": lambda t: t.filter(col("ts") > datetime(2026, 1, 1)),  # noqa: DTZ001
    "ValueNotPossible   ": lambda t: t.select(object()),
    "ValueNotPossible    ": lambda t: t.select(col("id").over("country")),
    "ValueNotPossible     ": lambda t: t.select(x=float("nan")),
    "DurationSyntax": lambda t: t.select(x=ms.interval("1 fortnight")),
    "SqlSyntax": lambda t: t.select(ms.expr("amount + ?")),
}


@pytest.mark.parametrize("code", WRONG)
def test_wrong_use_is_an_error_with_its_line(code):
    """It is raised where it is written, and says what to write."""
    t = pipeline().ref("t")

    with pytest.raises(MainstemError) as caught:
        WRONG[code](t)

    assert caught.value.finding.code == code.strip()
    assert "WRONG" not in linecache.getline(__file__, caught.value.finding.where.line)
    assert caught.value.finding.where.file == __file__
    assert caught.value.finding.fix


def test_editors_know_every_function_and_no_other():
    """The stub has each name of the catalogue, so that completion and type checks are right."""
    stub = ast.parse((Path(ms.__file__).parent / "definition" / "catalogue.pyi").read_text())
    listed = next(n for n in stub.body if isinstance(n, ast.ClassDef)).body
    names = {n.name for n in listed if isinstance(n, ast.FunctionDef)}
    names |= {n.targets[0].id for n in listed if isinstance(n, ast.Assign)}

    assert names == set(dir(ms.f))
    assert {"upper", "if_", "len", "row_number"} <= names
    assert not {"and", "+", "if"} & names
    assert all(callable(getattr(ms.f, name)) for name in names)


def test_unknown_function_has_its_nearest_name():
    """Editors know the names; who does not use one is told."""
    with pytest.raises(AttributeError, match="did you mean 'upper'"):
        ms.f.uper("name")
