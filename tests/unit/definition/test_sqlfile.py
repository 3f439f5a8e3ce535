"""Plain .sql pipelines: the same plans as the Python words, and errors at their place."""

import pytest

import mainstem as ms
from mainstem.definition.fingerprint import fingerprints, plan_fingerprint
from mainstem.definition.resolve import resolve
from mainstem.definition.sqlfile import read_sql_file
from mainstem.settings.secret import Secret

SQL = """-- Payments, as SQL.
CREATE PIPELINE fraud;

CREATE PARAM day DATE DEFAULT '2024-01-01';
CREATE PARAM "limit" DECIMAL(12,2) DEFAULT 99999.50;

CREATE SOURCE tx (
  id BIGINT NOT NULL,            -- unique; never empty
  card varchar,
  amount decimal(12, 2),
  tags struct(a int, b text[]),
  "odd name" string not null,
  ts TIMESTAMP WITH TIME ZONE
) FROM files('tx/*.csv', null => ['NA', ''), header = FALSE)
  WITH (event_time = ts, watermark = '30 seconds', idle = INTERVAL '1 minute', max_ahead = '1 day');

CREATE LOOKUP cards (card text not null, country text)
  FROM files(path => 'cards.parquet') WITH (key = (card), refresh = '5 minutes');

/* a view; with a semicolon in a comment */
CREATE VIEW big AS
  SELECT id, card, amount, ts FROM tx
  WHERE amount > :limit AND card <> 'a;b' -- ; not the end
  ;

CREATE TABLE velocity (card string, window_end timestamp)
  INTO files('out/v', partition_by => ['card'], mode => 'overwrite')
  WITH (mode = 'append')
  AS SELECT card, window_end FROM HOP(big, ts, INTERVAL '1 minute', INTERVAL '10 minutes');

CREATE TABLE kept AS
  SELECT b.id, c.country FROM big AS b JOIN cards AS c ON c.card = b.card
  WHERE b.ts >= CAST(:day AS timestamp)
""".replace("['NA', '')", "['NA', '']")


def python_form():
    """The same in Python."""
    p = ms.Pipeline("fraud")
    p.param("day", "date", default="2024-01-01")
    p.param("limit", "decimal(12,2)", default="99999.50")
    p.source(
        "tx", ms.files("tx/*.csv", null=["NA", ""], header=False),
        schema="""id bigint not null, card string, amount decimal(12,2),
                  tags struct(a int, b text[]), "odd name" string not null, ts timestamp""",
        event_time="ts", watermark="30 seconds", idle="1 minute", max_ahead="1 day",
    )  # fmt: skip
    p.lookup(
        "cards", ms.files("cards.parquet"), schema={"card": "text not null", "country": "text"},
        key="card", refresh="5 minutes",
    )  # fmt: skip

    @p.view
    def big():
        return "SELECT id, card, amount, ts FROM tx WHERE amount > :limit AND card <> 'a;b'"

    window = ms.hop("ts", size="10 minutes", every="1 minute")
    p.table(
        "velocity", f"SELECT card, window_end FROM {window.over('big')}",
        sink=ms.files("out/v", partition_by=["card"], mode="overwrite"), mode="append",
        schema="card string, window_end timestamp",
    )  # fmt: skip
    p.table(
        "kept",
        """SELECT b.id, c.country
           FROM big b JOIN cards c ON c.card = b.card
           WHERE b.ts >= :day::timestamp""",
    )
    return p


def test_python_and_sql_are_the_same_plan_with_the_same_fingerprints():
    """Sources, lookups, parameters, views, windows, sinks, kinds: all of it."""
    from_sql = read_sql_file(SQL, "anywhere/else.sql").plan(environ={})
    from_python = python_form().plan(environ={})

    assert from_sql == from_python
    assert fingerprints(from_sql) == fingerprints(from_python)
    assert plan_fingerprint(from_sql) == plan_fingerprint(from_python)
    assert len(fingerprints(from_sql)) == 5


def test_name_is_the_files_stem_when_none_is_given():
    """`CREATE PIPELINE` is optional."""
    assert read_sql_file("CREATE TABLE t AS SELECT 1 AS x", "folder/daily.sql").name == "daily"


def test_places_are_lines_of_the_file():
    """Steps and sources at their names."""
    plan = read_sql_file(SQL, "f.sql").plan(environ={})

    lines = {part.name: part.where.line for part in (*plan.sources, *plan.steps, *plan.params)}
    assert lines == {
        "day": 4, "limit": 5, "tx": 7, "cards": 17, "big": 21, "velocity": 26, "kept": 31,
    }  # fmt: skip
    assert plan.file == "f.sql"


WRONG = {
    "SELECT 1;": ("SqlSyntax", 1, 1, "CREATE SOURCE"),
    "CREATE TABEL t AS SELECT 1": ("SqlSyntax", 1, 8, "write CREATE TABLE"),
    "CREATE TABLE t AS ;": ("SqlSyntax", 1, 19, "write SELECT"),
    "CREATE TABLE t AS SELECT 1 AS x FROM": ("SqlSyntax", 1, 37, ""),
    "CREATE TABLE t AS\n  SELECT x\n  FROM s": ("ColumnNotFound", 2, 10, ""),
    "CREATE TABLE t AS SELECT /* x": ("SqlSyntax", 1, 26, "add */"),
    "CREATE VIEW v INTO files('x') AS SELECT 1": ("SqlSyntax", 1, 15, ""),
    "CREATE SOURCE q (a int, b stirng) FROM files('x.csv')": (
        "TypeNotKnown", 1, 25, "write string"),
    "CREATE SOURCE q (a int, A int) FROM files('x.csv')": ("DuplicateName", 1, 25, "rename"),
    "CREATE SOURCE q (a int) FROM fils('x.csv')": ("ConnectorNotFound", 1, 30, "write files"),
    "CREATE SOURCE q (a int) FROM files('x.csv', haeder => TRUE)": (
        "OptionNotFound", 1, 15, "write header"),
    "CREATE SOURCE q (a int) FROM files('x.csv', path => 'y')": ("SqlSyntax", 1, 45, "remove one"),
    "CREATE SOURCE q (a int) FROM files('x.csv') WITH (evnt_time = a)": (
        "SqlSyntax", 1, 51, "write event_time"),
    "CREATE SOURCE q (a timestamp) FROM files('x.csv') WITH (event_time = a, idle = 'soon')": (
        "DurationSyntax", 1, 80, "30 seconds"),
    "CREATE SOURCE q FROM files('x.csv')": ("SchemaMissing", 1, 15, "--infer"),
    "CREATE SOURCE q FROM files('x.log.txt') WITH (key = 1)": ("SqlSyntax", 1, 47, "remove it"),
    "CREATE LOOKUP q (a int) FROM files('x.csv')": ("KeyMissing", 1, 15, 'add key="a"'),
    "CREATE PARAM p dat": ("TypeNotKnown", 1, 14, "write date"),
    "CREATE TABLE t WITH (mode = 'apend') AS SELECT 1": ("SqlSyntax", 1, 38, "write 'append'"),
    "CREATE TABLE t AS SELECT 1 AS x; CREATE PIPELINE late": ("SqlSyntax", 1, 34, "to the top"),
    "CREATE TABLE t AS SELECT 1 AS x CREATE": ("SqlSyntax", 1, 33, ""),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_error_is_at_its_line_and_column(text):
    """File, line, column and something to type; counted by hand."""
    source = "CREATE SOURCE s (id bigint) FROM files('s.csv');"
    pipeline = read_sql_file(f"{text}\n;{source}", "f.sql")  # what comes after is read all the same
    errors = resolve(pipeline, environ={}).findings.errors

    found = errors[0]
    code, line, column, fix = WRONG[text]
    assert (found.code, found.where.file, found.where.line) == (code, "f.sql", line)
    assert found.where.column == column
    assert fix in found.fix


def test_every_statement_is_read_whatever_the_others_are():
    """A wrong statement ends at its semicolon, and the next is read."""
    text = ["CREATE SOURC a", "CREATE VIEW v SELECT 1", "CREATE TABLE t AS SELECT 1 AS x", "DROP t"]
    pipeline = read_sql_file(";\n".join(text), "f.sql")

    assert [found.where.line for found in pipeline.findings.items] == [1, 2, 4]
    assert [step.name for step in pipeline.steps] == ["t"]


def test_secret_in_sql_is_a_reference():
    """The same three kinds as in mainstem.toml."""
    text = "CREATE SOURCE s (a int) FROM files('x.csv', member => secret(env => 'MEMBER'))"
    pipeline = read_sql_file(text, "f.sql")

    assert pipeline.sources[0].binding.as_dict()["member"] == Secret(env="MEMBER")
    assert "is no secret" in resolve(pipeline, environ={}).findings.errors[0].what


@pytest.mark.parametrize(
    ("broken", "use", "code"),
    [
        ("CREATE SOURCE o (id bigit) FROM files('o.csv');", "SELECT id FROM O", "TypeNotKnown"),
        ("CREATE VIEW o AS SELECT (;", "SELECT id FROM o", "SqlSyntax"),
        ("CREATE PARAM o date DEFAULT '2024-13-01';", "SELECT :o AS d", "ParameterValue"),
    ],
)
def test_what_uses_a_wrong_declaration_is_no_second_mistake(broken, use, code):
    """The reader would look for a missing source where one stands with a slip in it."""
    p = read_sql_file(
        f"{broken}\nCREATE TABLE t AS {use};\nCREATE TABLE u AS SELECT 1 AS x;", "p.sql"
    )

    assert [one.code for one in resolve(p, environ={}).findings.errors] == [code]


def test_name_that_nobody_declared_is_still_told_beside_a_wrong_declaration():
    """Only what follows from the first mistake is left out."""
    p = read_sql_file("CREATE SOURCE o (id bigit) FROM files('o.csv');\n"
                      "CREATE TABLE t AS SELECT id FROM other;", "p.sql")  # fmt: skip

    codes = [one.code for one in resolve(p, environ={}).findings.errors]
    assert codes == ["TypeNotKnown", "TableNotFound"]


def test_streams_mean_the_same_in_both_forms():
    """Tables as options, and the words of views and tables."""
    read = read_sql_file("""
        CREATE PIPELINE p;
        CREATE SOURCE s (id BIGINT, at TIMESTAMP)
          FROM kafka('t', 'k:1', metadata => {'at': 'timestamp'}, start => MAP {'0': 12, "1": 3})
          WITH (event_time = at);
        CREATE VIEW v WITH (allowed_lateness = '1 minute', state = 'unbounded') AS SELECT id, at FROM s;
        CREATE TABLE w INTO kafka('o', 'k:1', key => ['id'])
          WITH (mode = 'updating', ttl = INTERVAL '1 hour') AS SELECT id FROM v;
    """, "p.sql")  # fmt: skip
    p = ms.Pipeline("p")
    p.source("s", ms.kafka("t", servers="k:1", metadata={"at": "timestamp"}, start={"0": 12, "1": 3}),
             schema="id bigint, at timestamp", event_time="at")  # fmt: skip
    p.view("v", "SELECT id, at FROM s", allowed_lateness="1 minute", state="unbounded")
    p.table("w", "SELECT id FROM v", sink=ms.kafka("o", servers="k:1", key=["id"]), mode="updating",
            ttl="1 hour")  # fmt: skip

    assert read.plan(environ={}) == p.plan(environ={})


@pytest.mark.parametrize(("statement", "what"), [
    ("CREATE VIEW v WITH (mode = 'append') AS SELECT 1", "'mode' has no meaning in this WITH"),
    ("CREATE TABLE t WITH (state = 'bounded') AS SELECT 1", "state is 'bounded'"),
    ("CREATE TABLE t WITH (mode = 'append', ttl = 'soon') AS SELECT 1", "ttl is 'soon'"),
    ("CREATE SOURCE s FROM kafka('t', metadata => {'a': 'key', 'a': 'topic'})", "'a' stands twice"),
    ("CREATE SOURCE s FROM kafka('t', metadata => {'a' 'key'})", ""),
])  # fmt: skip
def test_wrong_words_of_streams_in_a_file(statement, what):
    """Each is one finding at its place."""
    (finding,) = read_sql_file(f"{statement};", "p.sql").findings.errors

    assert what in finding.what
    assert finding.where.line == 1
