"""Rules in Python and in SQL files mean the same, and whatever is wrong with them is told at once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import mainstem as ms
from mainstem.definition.fingerprint import fingerprints, plan_fingerprint
from mainstem.definition.rule import literal
from mainstem.definition.sqlfile import read_sql_file
from mainstem.errors import CheckFailed, DefinitionError
from mainstem.plan.types import parse_type
from mainstem.sql.text import to_text

SCHEMA = "id bigint, who string, amount decimal(12,2), at timestamp, day date, ok boolean"
HEAD = (
    f"CREATE SOURCE t ({SCHEMA}) FROM files('t.csv') WITH (on_bad = 'dead_letter', max_bad = 0.1);"
    "CREATE SOURCE people (name string, land string) FROM files('p.csv');"
    "CREATE TABLE kept AS SELECT id, at FROM t;"
)
# The same rule in both forms.
FORMS = [
    ("amount > 0", {"name": "positive"}, "positive ON t CHECK (amount > 0)"),
    ("amount > 0", {}, "ON t CHECK ( amount > 0 )"),
    (ms.not_null("id", "who"), {"on_fail": "drop"}, "ON t NOT NULL (id, who) ON FAIL DROP"),
    (ms.not_null("ID"), {"on_fail": "warn"}, "ON t not_null ('id') ON FAIL warn"),
    (ms.unique("id"), {"on_fail": "quarantine", "max_bad": 5},
     "ON t UNIQUE (id) ON FAIL quarantine WITH (max_bad=5)"),
    (ms.accepted("who", ["a", None]), {}, "ON t ACCEPTED (who, ['a', NULL])"),
    (ms.between("amount", 0, 1.5), {}, "ON t BETWEEN (amount, 0, 1.5)"),
    (ms.between("day", high=date(2024, 1, 31)), {}, "ON t BETWEEN (day, high => DATE '2024-01-31')"),
    (ms.matches("who", "[a-z]+"), {}, "ON t MATCHES (who, '[a-z]+')"),
    (ms.foreign_key("who", "people", "name"), {}, "ON t FOREIGN KEY (who) REFERENCES people (name)"),
    (ms.foreign_key("who", "People", ["NAME"]), {}, "ON t FOREIGN_KEY (who, people, name)"),
    (ms.row_count(min=1, max=10), {}, "ON t ROW_COUNT (min => 1, max => 10)"),
    (ms.freshness("at", within=timedelta(days=1)), {}, "ON t FRESHNESS (at, within => '24 hours')"),
    (ms.volume(within=0.5), {"on_fail": "warn"}, "ON t VOLUME (within => 0.5, of => 7) ON FAIL WARN"),
    (ms.completeness("who", at_least=0.95), {}, "ON t COMPLETENESS (who, at_least => 0.95)"),
]  # fmt: skip


def pipeline(*rules):
    """A pipeline with a source, a lookup table and these rules on the source."""
    p = ms.Pipeline("shop")
    p.source("t", ms.files("t.csv"), schema=SCHEMA, on_bad="dead_letter", max_bad=0.1)
    p.source("people", ms.files("p.csv"), schema="name string, land string")
    p.table("kept", "SELECT id, at FROM t")
    for rule, words in rules:
        p.expect("t", rule, **words)
    return p


def findings(p):
    """(code, words of the text) of every error."""
    with pytest.raises(CheckFailed) as failed:
        p.check()
    return [(f.code, f.what) for f in failed.value.findings if f.severity == "error"]


@pytest.mark.parametrize(("rule", "words", "sql"), FORMS, ids=[form[2] for form in FORMS])
def test_both_forms_have_equal_plans_and_fingerprints(rule, words, sql):
    """A file says the same as the Python words."""
    python = pipeline((rule, words)).plan()
    file = read_sql_file(
        f"CREATE PIPELINE shop; {HEAD} CREATE EXPECTATION {sql};", "shop.sql"
    ).plan()

    assert python.expectations == file.expectations
    assert len(python.expectations) == 1
    assert (python.sources, python.steps) == (file.sources, file.steps)
    assert plan_fingerprint(python) == plan_fingerprint(file)


def test_a_condition_written_as_verbs_is_the_same_test():
    """Its name is how it prints; a column that is not there is told at the call."""
    condition = (ms.col("amount") > 0) & ms.col("who").is_not_null()
    verbs = pipeline((condition, {"name": "good"})).plan().expectations
    text = pipeline(("amount > 0 AND who IS NOT NULL", {"name": "good"})).plan().expectations

    assert verbs == text
    assert findings(pipeline((ms.col("amout") > 0, {})))[0][0] == "ColumnNotFound"


def test_a_condition_is_one_bound_column():
    """What is judged is explicit: names resolved, types cast."""
    (found,) = pipeline((ms.between("amount", 0, None), {})).plan().expectations

    assert found.name == "between_amount"
    assert to_text(found.test) == (
        'SELECT ("t"."amount" >= CAST(0 AS decimal(12,2))) AS "passes" FROM "t" AS "t"'
    )


def test_a_rule_changes_the_fingerprints_of_what_sees_its_rows():
    """A table over other rows is another table."""
    plain, judged = pipeline().plan(), pipeline(("id > 0", {"on_fail": "drop"})).plan()
    other = pipeline(("id > 1", {"on_fail": "drop"})).plan()

    prints = [fingerprints(plan) for plan in (plain, judged, other)]
    assert len({p["t"] for p in prints}) == len({p["kept"] for p in prints}) == 3
    assert len({p["people"] for p in prints}) == 1


def test_a_view_behind_a_foreign_key_changes_the_fingerprint_of_readers():
    """Which rows pass depends on it."""

    def prints(condition):
        p = pipeline((ms.foreign_key("who", "good", "name"), {"on_fail": "drop"}))
        p.view("good", f"SELECT name FROM people WHERE {condition}")
        return fingerprints(p.plan())["kept"]

    assert prints("land = 'IT'") != prints("land = 'DE'")


def test_steps_that_a_rule_looks_into_come_first():
    """Before the rows are judged they have to be there."""
    p = ms.Pipeline("shop")
    p.source("t", ms.files("t.csv"), schema=SCHEMA)
    p.table("kept", "SELECT id FROM t")
    p.view("known", "SELECT 1 AS id")
    p.expect("t", "id IN (SELECT id FROM known)")

    assert [step.name for step in p.plan().steps] == ["known", "kept"]


def test_a_relation_with_rules_only_is_used():
    """The rule is what it is there for."""
    p = pipeline((ms.foreign_key("who", "people", "name"), {}))

    assert p.check() == ()


def test_a_place_is_that_of_the_condition():
    """Line and column of the user's own text."""
    p = pipeline()
    p.expect("t", "amount > 0 AND amout < 9")
    with pytest.raises(CheckFailed) as failed:
        p.check()

    finding = failed.value.findings[0]
    assert (finding.code, finding.fix) == ("ColumnNotFound", "write amount")
    line = Path(__file__).read_text("utf-8").splitlines()[finding.where.line - 1]
    assert line[finding.where.column - 1 :].startswith("amout < 9")


def test_everything_wrong_is_found_at_once():
    """Each mistake is a finding of its own."""
    found = findings(pipeline(
        ("", {}),
        ("id >", {}),
        (ms.not_null(), {}),
        (ms.unique("idd"), {"on_fail": "quarantin"}),
        (ms.row_count(), {}),
        (ms.row_count(min=5, max=2), {}),
        (ms.row_count(min=-1), {}),
        (ms.volume(within=0), {}),
        (ms.volume(within=0.1, of=0), {}),
        (ms.completeness("who", at_least=95), {}),
        (ms.freshness("id", within="1 day"), {}),
        (ms.freshness("at", within="1 fortnight"), {}),
        (ms.accepted("who", []), {}),
        (ms.accepted("who", [1]), {}),
        (ms.between("who"), {}),
        (ms.between("id", 10, 1), {}),
        (ms.matches("who", "("), {}),
        (ms.foreign_key(["id", "who"], "people", "name"), {}),
        (ms.foreign_key("who", "people", "nam"), {}),
        ("id > 0", {"name": "a b"}),
        ("id > 0", {"max_bad": -1, "on_fail": "warn"}),
        ("id > 0", {"max_bad": True, "on_fail": "warn"}),
        (ms.row_count(min=1), {"name": "some", "on_fail": "warn", "max_bad": 2}),
    ))  # fmt: skip

    assert sorted(code for code, _ in found) == sorted([
        "SqlMissing", "SqlSyntax", "OptionMissing", "ColumnNotFound", "OptionType", "OptionType",
        "OptionType", "OptionType", "OptionType", "OptionType", "OptionType", "TypeMismatch",
        "DurationSyntax", "OptionType", "TypeMismatch", "OptionType", "OptionType", "LiteralRefused",
        "ArgumentCount", "ColumnNotFound", "NameNotValid", "OptionType", "OptionType", "OptionType",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"on_bad": "dead"}, "on_bad of 't' is 'dead'"),
        ({"max_bad": 3}, "the first bad record stops the run"),
        ({"on_bad": "dead_letter", "max_bad": 1.5}, "max_bad is 1.5"),
        ({"on_bad": "dead_letter", "max_bad": "many"}, "max_bad is 'many'"),
    ],
)
def test_words_of_a_source_are_checked(words, what):
    """They say what becomes of records that do not fit."""
    p = ms.Pipeline("shop")
    p.source("t", ms.files("t.csv"), schema=SCHEMA, **words)
    p.table("kept", "SELECT id FROM t")

    ((code, said),) = findings(p)
    assert code == "OptionType"
    assert what in said


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("a ON t UNIK (id)", "'unik' is no rule"),
        ("a ON t UNIQUE id", "( should stand before 'id'"),
        ("a ON t BETWEEN (amount, 0, 1, 2)", "between: too many positional arguments"),
        ("a ON t CHECK ()", "CHECK has no condition"),
        ("a ON t CHECK (id > 0", "the parenthesis of CHECK is not closed"),
        ("a ON t CHECK (id > 0) ON FAIL WARN WITH (most = 2)", "'most' has no meaning"),
        ("a t CHECK (id > 0)", "ON should stand before 't'"),
    ],
)
def test_a_statement_that_cannot_be_read_is_told(statement, what):
    """With its place, and the others are read all the same."""
    p = read_sql_file(f"{HEAD} CREATE EXPECTATION {statement};", "shop.sql")

    ((code, said),) = findings(p)
    assert (code, said[: len(what)]) == ("SqlSyntax", what)


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (5, "bigint", "5"),
        (Decimal("0.10"), "decimal(5,2)", "0.10"),
        (0.1, "double", "0.1"),
        ("it's", "string", "'it''s'"),
        (True, "boolean", "TRUE"),
        ("2024-01-31", "date", "DATE '2024-01-31'"),
        (datetime(999, 1, 1, tzinfo=UTC), "timestamp", "TIMESTAMP '0999-01-01 00:00:00.000000Z'"),
        ("2024-01-01T01:00:00+01:00", "timestamp", "TIMESTAMP '2024-01-01 00:00:00.000000Z'"),
    ],
)
def test_values_become_literals_of_the_column(value, type_, text):
    """Exactly the value that was given."""
    assert literal(value, parse_type(type_)) == text


@pytest.mark.parametrize(
    ("value", "type_"),
    [("5", "bigint"), (True, "bigint"), (5, "string"), (float("nan"), "double"), (1, "boolean"),
     ("31.1.2024", "date"), (b"x", "bytes")],
)  # fmt: skip
def test_values_of_another_type_are_refused(value, type_):
    """Text is never turned into a number, nor the other way round."""
    with pytest.raises(DefinitionError):
        literal(value, parse_type(type_))
