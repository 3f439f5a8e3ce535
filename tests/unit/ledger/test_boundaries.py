"""One row lost or doubled at any boundary stops the run, and the outputs are as they were."""

import re

import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.connectors.keyed import history, merge
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.rule import unique
from mainstem.engines.embedded import run as engine_run
from mainstem.engines.embedded.judging import expected, keep
from mainstem.engines.embedded.judging.expect import Judgement
from mainstem.engines.embedded.reading import ingest, sources, statements
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.writing import duckdb_keyed, duckdb_sink, keyed
from mainstem.errors import InternalError
from tests.unit.ledger.boundaries import (
    NAME,
    ROWS,
    SCHEMA,
    altered,
    kept_rows,
    outputs,
    rewrite,
    run_plan,
    with_select,
    write_csv,
    write_source,
)

pytestmark = pytest.mark.parametrize("by", [-1, 1], ids=["lost", "doubled"])


def stops(base, p, **options) -> str:
    """The run ends with books that do not balance, and nothing has changed; gives what is said."""
    before = outputs(base), kept_rows(base)
    with pytest.raises(InternalError) as caught:
        run_plan(base, p, **options)
    assert caught.value.finding.code == "LedgerUnbalanced"
    assert (outputs(base), kept_rows(base)) == before
    return caught.value.finding.what


def one_table(binding, sink, *, on_bad="fail", sql="SELECT id, v FROM rows", schema=SCHEMA):
    """A source and a table."""
    p = Pipeline(NAME)
    p.source("rows", binding, schema=schema, on_bad=on_bad)
    p.table("t", sql, sink=sink)
    return p


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "duckdb"])
def test_between_a_source_and_its_readers(tmp_path, monkeypatch, kind, by):
    """Lines against the table, footers against the scan, a table against its view."""
    sink = files("out/t", format="parquet")
    run_plan(tmp_path, one_table(write_source(tmp_path, kind, 1), sink))
    p = one_table(write_source(tmp_path, kind, 2), sink)
    if kind in ("csv", "json"):
        original = ingest.ingest

        def tampered(connection, source, options):
            report = original(connection, source, options)
            sql = f"INSERT INTO {report.table} SELECT * FROM {report.table} LIMIT 1"
            connection.execute(f"DELETE FROM {report.table} WHERE rowid = 0" if by < 0 else sql)
            return report

        monkeypatch.setattr(ingest, "ingest", tampered)
    else:
        scan = sources.scan
        monkeypatch.setattr(sources, "scan", lambda *a, **k: with_select(scan(*a, **k), by))

    assert f"its readers see {4 + by}" in stops(tmp_path, p)


def test_between_the_lines_of_a_file_and_its_table(tmp_path, monkeypatch, by):
    """What DuckDB's reader lost or doubled is read again by the slow reader: here nothing stops."""
    sql_of = statements.insert_sql

    def tampered(*given):
        sql, values = sql_of(*given)
        head, _, select = sql.partition(" SELECT ")
        # A parameter stands in the text twice when the SELECT does.
        return f"{head} {altered('SELECT ' + select, by)}", values * (1 if by < 0 else 2)

    monkeypatch.setattr(statements, "insert_sql", tampered)
    p = one_table(write_source(tmp_path, "csv", 1), files("out/t.csv"))

    assert run_plan(tmp_path, p)["sinks"]["t"]["committed"] == 4
    assert (tmp_path / "out/t.csv").read_text().splitlines()[1:] == ["1,a", "2,b", "3,c", "4,d"]


def test_above_a_cursor(tmp_path, monkeypatch, by):
    """The rows above it, counted against the view that steps read."""
    sink = files("out/t", format="parquet", mode="append")
    run_plan(tmp_path, one_table(write_source(tmp_path, "cursor", 1), sink))
    p = one_table(write_source(tmp_path, "cursor", 2), sink)
    rows = Session.rows
    view = re.compile(r'(CREATE TEMP VIEW "rows" AS )(SELECT \* FROM "rows__whole" WHERE .*)')

    def tampered(self, sql, values=None):
        found = view.fullmatch(sql)
        return rows(self, found[1] + altered(found[2], by) if found else sql, values)

    monkeypatch.setattr(Session, "rows", tampered)
    assert f"let in 4 rows, and its readers see {4 + by}" in stops(tmp_path, p)


@pytest.mark.parametrize("on", ["rows", "middle", "t"])
@pytest.mark.parametrize("on_fail", ["quarantine", "drop", "warn"])
def test_behind_expectations(tmp_path, monkeypatch, on, on_fail, by):
    """What passed, against what is seen behind the rules; also where every row passes."""

    def judged():
        p = Pipeline(NAME)
        p.source("rows", files("in.csv"), schema=SCHEMA)
        p.view("middle", "SELECT id, v FROM rows")
        p.table("t", "SELECT id, v FROM middle", sink=files("out/t.csv"))
        p.expect(on, "v <> 'f'", name="no_f", on_fail=on_fail)
        p.expect(on, unique("id"), on_fail="warn")
        return p

    write_csv(tmp_path / "in.csv", ROWS[1])
    run_plan(tmp_path, judged())
    write_csv(tmp_path / "in.csv", ROWS[2])
    n_passing = 4 if on_fail == "warn" else 3
    through = Judgement.let_through
    show = expected.Expected._show
    if on_fail == "warn":
        # Nobody is kept out: the view over all rows is what can go wrong.
        def tampered(self, rows, relation):
            if rows.name == on:
                relation = f"({altered(f'SELECT * FROM {relation}', by)}) AS r"
            show(self, rows, relation)

        monkeypatch.setattr(expected.Expected, "_show", tampered)
    else:

        def less(self, before=None):
            relation = through(self, before)
            return f"({altered(f'SELECT r.* FROM {relation}', by, n_passing)}) AS r"

        monkeypatch.setattr(Judgement, "let_through", less)

    assert f"see {n_passing + by} rows" in stops(tmp_path, judged())


@pytest.mark.parametrize("kept", ["quarantined", "dead"])
def test_on_the_way_into_the_tables_of_rows_kept_aside(tmp_path, monkeypatch, kept, by):
    """What was taken out, against what is written into the state file."""

    def keeping(version):
        text = "id,v\n" + "".join(f"{i},{v}\n" for i, v in ROWS[version])
        (tmp_path / "in.csv").write_text(text + "x,y\nz,y\n")
        p = one_table(files("in.csv"), files("out/t.csv"), on_bad="dead_letter")
        p.expect("rows", "id > 5", name="above", on_fail="quarantine")
        return p

    run_plan(tmp_path, keeping(1))
    p = keeping(2)
    original = getattr(keep, kept)
    monkeypatch.setattr(keep, kept, lambda *a, **k: with_select(original(*a, **k), by, 2))

    assert f"2 rows of 'rows' were to be kept and {2 + by} were" in stops(tmp_path, p)


def test_between_a_step_that_is_kept_and_its_sink(tmp_path, monkeypatch, by):
    """A table that another one reads: the rows it gave, against those its sink is given."""

    def two(version):
        write_csv(tmp_path / "in.csv", ROWS[version])
        p = one_table(files("in.csv"), files("out/t.csv"))
        p.table("u", "SELECT id FROM t", sink=files("out/u.csv"))
        return p

    run_plan(tmp_path, two(1))
    p = two(2)
    stage = engine_run.stage
    monkeypatch.setattr(engine_run, "stage", lambda s, sql, to: stage(s, altered(sql, by), to))

    assert f"step 't' gave 4 rows, and {4 + by} went to its sink" in stops(tmp_path, p)


def test_between_the_expectations_of_a_table_and_its_sink(tmp_path, monkeypatch, by):
    """What passed is what its sink is offered."""

    def judged(version):
        write_csv(tmp_path / "in.csv", ROWS[version])
        p = one_table(files("in.csv"), files("out/t.csv"))
        p.expect("t", "id > 0", on_fail="warn")
        return p

    run_plan(tmp_path, judged(1))
    p = judged(2)
    stage = engine_run.stage
    monkeypatch.setattr(engine_run, "stage", lambda s, sql, to: stage(s, altered(sql, by), to))

    assert "the edge from the expectations of 't' to its sink" in stops(tmp_path, p)


SINKS = {
    "csv": lambda: files("out/t.csv"),
    "json": lambda: files("out/t.jsonl"),
    "text": lambda: files("out/t.txt"),
    "parquet file": lambda: files("out/t.parquet"),
    "parquet": lambda: files("out/t", format="parquet"),
    "csv partitions": lambda: files(
        "out/t", format="csv", partition_by="v", mode="overwrite_partitions"),
    "append": lambda: files("out/t", format="parquet", mode="append"),
    "append csv": lambda: files("out/t", format="csv", mode="append"),
    "merge": lambda: files("out/t", format="parquet", mode=merge(key="id")),
    "history": lambda: files(
        "out/t", format="parquet", mode=history(key="id", sequence_by="at")),
    "duckdb": lambda: duckdb_table("ext.duckdb", "rows"),
    "duckdb append": lambda: duckdb_table("ext.duckdb", "rows", mode="append"),
    "duckdb merge": lambda: duckdb_table("ext.duckdb", "rows", mode=merge(key="id")),
    "duckdb history": lambda: duckdb_table(
        "ext.duckdb", "rows", mode=history(key="id", sequence_by="at")),
}  # fmt: skip


def pipeline_into(base, name, version):
    """Rows of a version into a sink; a history needs a sequence, text has one column."""
    write_csv(base / "in.csv", ROWS[version])
    sql = (
        f"SELECT id, v, {version} AS at FROM rows"
        if "history" in name
        else "SELECT id, v FROM rows"
    )
    sql = "SELECT v FROM rows" if name == "text" else sql
    p = one_table(files("in.csv"), SINKS[name](), sql=sql)
    # So that something happens between the staging of one table and the commit.
    p.table("u", "SELECT id FROM rows", sink=files("out/u.csv"))
    return p


@pytest.mark.parametrize("name", SINKS)
def test_between_a_step_and_its_staged_files(tmp_path, monkeypatch, name, by):
    """What COPY says it has written, against footers and lines."""
    run_plan(tmp_path, pipeline_into(tmp_path, name, 1), run_key="1")
    p = pipeline_into(tmp_path, name, 2)
    stage = engine_run.stage

    def tampered(session, relation, staging):
        staged = yield from stage(session, relation, staging)
        if staging.output.step.name == "t":
            rewrite(staged, by)
        return staged

    monkeypatch.setattr(engine_run, "stage", tampered)
    stops(tmp_path, p, run_key="2")


@pytest.mark.parametrize("name", SINKS)
def test_between_the_staged_files_and_the_commit(tmp_path, monkeypatch, name, by):
    """Files that somebody changes while other tables are computed."""
    run_plan(tmp_path, pipeline_into(tmp_path, name, 1), run_key="1")
    p = pipeline_into(tmp_path, name, 2)
    finish = engine_run.Run.finish

    def tampered(self):
        (staged,) = (s for s in self.staged if s.output.step.name == "t")
        rewrite(staged, by)
        finish(self)

    monkeypatch.setattr(engine_run.Run, "finish", tampered)
    assert "somebody has changed them" in stops(tmp_path, p, run_key="2")


@pytest.mark.parametrize("name", ["merge", "history"])
def test_in_the_new_files_of_a_folder_by_key(tmp_path, monkeypatch, name, by):
    """What stays and what comes, against the rows of the new files."""
    run_plan(tmp_path, pipeline_into(tmp_path, name, 1))
    p = pipeline_into(tmp_path, name, 2)
    new_rows = keyed._new_rows
    # 7 keys; a history also has the ended version of the key that is in both.
    rows = {"merge": 7, "history": 8}[name]
    monkeypatch.setattr(keyed, "_new_rows", lambda *a: altered(new_rows(*a), by, rows))

    assert f"its new files hold {rows + by}" in stops(tmp_path, p)


@pytest.mark.parametrize("name", ["duckdb", "duckdb append"])
def test_in_the_transaction_of_a_table(tmp_path, monkeypatch, name, by):
    """The rows of the table before its COMMIT."""
    run_plan(tmp_path, pipeline_into(tmp_path, name, 1), run_key="1")
    p = pipeline_into(tmp_path, name, 2)
    method = {"duckdb": "_replace_rows", "duckdb append": "_append_rows"}[name]
    original = getattr(duckdb_sink.DuckdbCommit, method)

    def tampered(self, schema, table, rows):
        return original(self, schema, table, altered(rows, by))

    monkeypatch.setattr(duckdb_sink.DuckdbCommit, method, tampered)
    held = {"duckdb": 4, "duckdb append": 8}[name]
    said = stops(tmp_path, p, run_key="2")
    assert f"was to hold {held} rows in its transaction, and holds {held + by}" in said


@pytest.mark.parametrize("name", ["duckdb merge", "duckdb history"])
def test_in_the_transaction_of_a_table_by_key(tmp_path, monkeypatch, name, by):
    """What the table held, lost and got."""
    run_plan(tmp_path, pipeline_into(tmp_path, name, 1))
    p = pipeline_into(tmp_path, name, 2)
    replace_rows = duckdb_keyed._replace

    def tampered(ask, table, key, touched, rows):
        brought = ask(f"SELECT count(*) FROM ({rows})")[0][0]
        is_memory = "__memory" in table
        return replace_rows(
            ask, table, key, touched, rows if is_memory else altered(rows, by, brought)
        )

    monkeypatch.setattr(duckdb_keyed, "_replace", tampered)
    held = {"duckdb merge": 7, "duckdb history": 8}[name]
    assert f"and holds {held + by}" in stops(tmp_path, p)


@pytest.mark.parametrize("at", ["made", "later"])
def test_in_a_table_of_the_state_file(tmp_path, monkeypatch, at, by):
    """What the step gave, against the table in the run's transaction, twice."""

    def plain(version):
        write_csv(tmp_path / "in.csv", ROWS[version])
        return one_table(files("in.csv"), None)

    run_plan(tmp_path, plain(1))
    p = plain(2)
    table = '"__mainstem_state"."main"."t"'
    sql = f"DELETE FROM {table} WHERE id = 7" if by < 0 else f"INSERT INTO {table} VALUES (7, 'h')"
    method = {"made": "_state_rows", "later": "finish"}[at]
    original = getattr(engine_run.Run, method)
    done = []

    def tampered(self, *given):
        if not done:
            done.append(self.session.rows(sql))
        return original(self, *given)

    monkeypatch.setattr(engine_run.Run, method, tampered)
    stops(tmp_path, p)
