"""Which operators keep new rows final, and what check says about tables that cannot keep them."""

import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.resolve import resolve
from mainstem.sql.delta import growths, needs_key

SCHEMA = "id bigint, k string, at timestamp, tags string[]"


def pipeline(sql, sink=None, **views):
    """New rows as `new` and `other`, whole ones as `whole`; one table `t`."""
    p = Pipeline("growth")
    p.source("new", files("new/*.csv", incremental=True), schema=SCHEMA, event_time="at")
    p.source("other", duckdb_table("o.duckdb", "rows", cursor="id"), schema=SCHEMA)
    p.source("whole", files("whole.csv"), schema=SCHEMA)
    for name, text in views.items():
        p.view(name, text)
    p.table("t", sql, sink=sink)
    return p


def growth(sql, **views):
    """How the table grows."""
    resolved = resolve(pipeline(sql, **views))
    assert not resolved.findings.errors, resolved.findings.errors
    return growths(resolved.plan)["t"]


FINAL = {
    "project": "SELECT id + 1 AS n FROM new",
    "filter": "SELECT id FROM new WHERE k = 'a'",
    "cursor": "SELECT id FROM other",
    "order": "SELECT id FROM new ORDER BY id",
    "cte": "WITH a AS (SELECT id FROM new) SELECT id FROM a",
    "subquery": "SELECT id FROM (SELECT id FROM new) AS q",
    "unnest": "SELECT id, x FROM new, UNNEST(tags) AS u(x)",
    "lateral over its own list": "SELECT id, n FROM new, LATERAL (SELECT count(*) AS n FROM "
    "UNNEST(new.tags) AS u(x)) AS q",
    "join": "SELECT new.id FROM new JOIN whole ON new.id = whole.id",
    "join, turned": "SELECT new.id FROM whole JOIN new ON new.id = whole.id",
    "cross": "SELECT new.id FROM new CROSS JOIN whole",
    "left": "SELECT new.id FROM new LEFT JOIN whole ON new.id = whole.id",
    "right": "SELECT new.id FROM whole RIGHT JOIN new ON new.id = whole.id",
    "semi": "SELECT new.id FROM new SEMI JOIN whole ON new.id = whole.id",
    "anti": "SELECT new.id FROM new ANTI JOIN whole ON new.id = whole.id",
    "asof": "SELECT new.id FROM new ASOF JOIN whole ON new.k = whole.k AND new.at >= whole.at",
    "in": "SELECT id FROM new WHERE id IN (SELECT id FROM whole)",
    "exists": "SELECT id FROM new WHERE EXISTS (SELECT 1 AS one FROM whole WHERE whole.id = new.id)",
    "scalar": "SELECT id, (SELECT max(id) FROM whole) AS m FROM new",
    "join with a group": "SELECT new.id, q.n FROM new JOIN (SELECT k, count(*) AS n FROM whole "
    "GROUP BY k) AS q ON q.k = new.k",
    "union all": "SELECT id FROM new UNION ALL SELECT id FROM other",
    "tumble": "SELECT id, window_start FROM TUMBLE(new, at, INTERVAL '1 hour')",
    "hop": "SELECT id, window_start FROM HOP(new, at, INTERVAL '1 hour', INTERVAL '2 hours')",
}  # fmt: skip


@pytest.mark.parametrize("sql", FINAL.values(), ids=FINAL.keys())
def test_what_is_made_of_single_new_rows_is_final(sql):
    """So each run may append it."""
    assert growth(sql).kind == "delta"


FULL = {
    "project": "SELECT id FROM whole",
    "group": "SELECT k, count(*) AS n FROM whole GROUP BY k",
    "distinct": "SELECT DISTINCT k FROM whole",
    "union": "SELECT id FROM whole UNION SELECT id FROM whole",
    "values": "SELECT * FROM (VALUES (1), (2)) AS v(id)",
    "whole join": "SELECT a.id FROM whole AS a FULL JOIN whole AS b ON a.id = b.id",
    "recursive": "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) "
    "SELECT n FROM r",
}  # fmt: skip


@pytest.mark.parametrize("sql", FULL.values(), ids=FULL.keys())
def test_what_is_made_of_full_sources_is_full(sql):
    """Every run gives it again."""
    assert growth(sql).kind == "static"


# Operator as it is named, by query.
UNSAFE = {
    "SELECT k, sum(id) AS n FROM new GROUP BY k": "GROUP BY",
    "SELECT k, sum(id) AS n FROM new GROUP BY ROLLUP (k)": "GROUP BY",
    "SELECT count(*) AS n FROM new": "count()",
    "SELECT max(id) + 1 AS n FROM new": "max()",
    "SELECT id, row_number() OVER (ORDER BY id, k, at, tags) AS r FROM new": "row_number() OVER",
    "SELECT id, sum(id) OVER () AS r FROM new": "sum() OVER",
    "SELECT id FROM new QUALIFY row_number() OVER (PARTITION BY k ORDER BY id, at, tags) = 1":
        "row_number() OVER",
    "SELECT id, window_start FROM SESSION(new, at, INTERVAL '1 hour')": "SESSION",
    "SELECT window_start, count(*) AS n FROM TUMBLE(new, at, INTERVAL '1 hour') GROUP BY ALL":
        "GROUP BY",
    "SELECT DISTINCT k FROM new": "DISTINCT",
    "SELECT id FROM new ORDER BY id, k LIMIT 3": "LIMIT",
    "SELECT id FROM new ORDER BY id OFFSET 3": "LIMIT",
    "SELECT id FROM new UNION SELECT id FROM other": "UNION",
    "SELECT id FROM new INTERSECT SELECT id FROM whole": "INTERSECT",
    "SELECT id FROM new EXCEPT SELECT id FROM whole": "EXCEPT",
    "SELECT id FROM new UNION ALL SELECT id FROM whole": "UNION ALL",
    "SELECT new.id FROM new JOIN other ON new.id = other.id": "JOIN",
    "SELECT a.id FROM new AS a JOIN new AS b ON a.id = b.id": "JOIN",
    "SELECT new.id FROM new LEFT JOIN other ON new.id = other.id": "LEFT JOIN",
    "SELECT whole.id FROM whole LEFT JOIN new ON new.id = whole.id": "LEFT JOIN",
    "SELECT new.id FROM new RIGHT JOIN whole ON new.id = whole.id": "RIGHT JOIN",
    "SELECT new.id FROM new FULL JOIN whole ON new.id = whole.id": "FULL JOIN",
    "SELECT whole.id FROM whole SEMI JOIN new ON new.id = whole.id": "SEMI JOIN",
    "SELECT whole.id FROM whole ANTI JOIN new ON new.id = whole.id": "ANTI JOIN",
    "SELECT whole.id FROM whole ASOF JOIN new ON new.k = whole.k AND whole.at >= new.at": "ASOF JOIN",
    "SELECT id FROM whole WHERE id IN (SELECT id FROM new)": "IN (SELECT)",
    "SELECT id FROM new WHERE id IN (SELECT id FROM other)": "IN (SELECT)",
    "SELECT id FROM whole WHERE EXISTS (SELECT 1 AS one FROM new WHERE new.id = whole.id)": "EXISTS",
    "SELECT id, (SELECT max(id) FROM other) AS m FROM new": "max()",
    "WITH RECURSIVE r AS (SELECT id FROM new UNION ALL SELECT id + 1 FROM r WHERE id < 3) "
    "SELECT id FROM r": "UNION ALL",
}  # fmt: skip


@pytest.mark.parametrize(("sql", "operator"), UNSAFE.items(), ids=UNSAFE.keys())
def test_what_needs_rows_of_several_runs_is_named(sql, operator):
    """Its place is in the query."""
    found = growth(sql)

    assert (found.kind, found.operator, found.step) == ("unsafe", operator, "t")
    assert found.at >= 0


def test_reason_is_kept_through_views():
    """The step that stands there is named, not the one that reads it."""
    found = growth("SELECT n FROM grouped", grouped="SELECT k, count(*) AS n FROM new GROUP BY k")

    assert (found.kind, found.operator, found.step) == ("unsafe", "GROUP BY", "grouped")


def codes(sql, sink, **views):
    """Codes, severities and texts of everything that check finds."""
    found = resolve(pipeline(sql, sink, **views)).findings.items
    return [f for f in found if f.code not in {"Unused", "OrderNotTotal"}]


OUT = "out/t/"


def append(**more):
    """A sink that appends."""
    return files(OUT, format="parquet", mode="append", **more)


def test_append_of_new_rows_is_allowed():
    """That is what it is for."""
    assert codes("SELECT id FROM new WHERE id > 1", append()) == []


def test_append_behind_a_group_is_refused_at_the_group():
    """With the operator, its place in the file and the fix."""
    (found,) = codes(
        "SELECT k, n FROM grouped", append(),
        grouped="SELECT k, count(*) AS n FROM new GROUP BY k",
    )  # fmt: skip

    assert (found.code, found.severity, found.step) == ("AppendNotFinal", "error", "grouped")
    assert "table 't' appends, and GROUP BY of 'grouped' gives a row for each group" in found.what
    assert "merge" in found.fix
    assert "overwrite_partitions" in found.fix
    assert found.where.file == __file__


def test_place_of_the_operator_is_exact(tmp_path):
    """In a file of SQL, line and column."""
    from mainstem.definition.sqlfile import read_sql_file

    text = (
        "CREATE SOURCE new (id bigint, k string) FROM files('new/*.csv', incremental => true);\n"
        "CREATE TABLE t INTO files('t/', format => 'parquet', mode => 'append') AS\n"
        "SELECT k, count(*) AS n\nFROM new GROUP BY k;\n"
    )
    (found,) = resolve(read_sql_file(text, str(tmp_path / "p.sql"))).findings.items

    assert (found.code, found.where.line, found.where.column) == ("AppendNotFinal", 4, 19)
    assert found.snippet.splitlines()[1].index("^") == 18


def test_append_of_a_full_source_is_a_warning_until_the_run_has_a_key():
    """The key is known at the run only."""
    (found,) = codes("SELECT id FROM whole", append())

    assert (found.code, found.severity) == ("AppendNeedsKey", "warning")
    assert needs_key(resolve(pipeline("SELECT id FROM whole", append())).plan) == ["t"]


def test_reread_files_do_not_go_into_append():
    """The rows of a changed file would stand beside the old ones."""
    p = Pipeline("growth")
    p.source("new", files("*.csv", incremental=True, changed="reread"), schema="id bigint")
    p.table("t", "SELECT id FROM new", sink=append())

    (found,) = resolve(p).findings.items
    assert found.code == "AppendNotFinal"
    assert "changed=\"reread\" of 'new' gives all rows of a changed file again" in found.what


def test_partial_groups_in_partitions_are_a_warning():
    """Allowed, since a run may bring whole partitions."""
    sink = files(OUT, format="parquet", mode="overwrite_partitions", partition_by="k")
    (found,) = codes("SELECT k, count(*) AS n FROM new GROUP BY k", sink)

    assert (found.code, found.severity) == ("NewRowsOnly", "warning")
    assert "GROUP BY" in found.what


def test_new_rows_that_replace_the_table_are_a_warning():
    """Yesterday's rows would be gone."""
    (found,) = codes("SELECT id FROM new", files("t.csv"))

    assert (found.code, found.severity) == ("NewRowsReplaceAll", "warning")


def test_all_tables_are_judged_at_once():
    """One finding for each."""
    p = pipeline("SELECT k, count(*) AS n FROM new GROUP BY k", append())
    p.table("u", "SELECT DISTINCT k FROM new", sink=files("u/", format="csv", mode="append"))

    found = [f for f in resolve(p).findings.items if f.code == "AppendNotFinal"]
    assert [f.step for f in found] == ["t", "u"]


@pytest.mark.parametrize(
    ("declare", "code"),
    [
        (lambda p: p.source("s", duckdb_table("d", "t", cursor="no"), schema="id bigint"),
         "ColumnNotFound"),
        (lambda p: p.source("s", duckdb_table("d", "t", cursor="x"), schema="x double"),
         "CursorType"),
        (lambda p: p.source("s", files("a.csv", changed="reread"), schema="id bigint"),
         "ChangedNotUsed"),
        (lambda p: p.lookup("s", files("a.csv", incremental=True), schema="id bigint", key="id"),
         "LookupNotWhole"),
        (lambda p: p.source("s", files("a.csv", incremental=True, changed="no"), schema="id bigint"),
         "OptionType"),
    ],
)  # fmt: skip
def test_wrong_options_are_found(declare, code):
    """Before anything runs."""
    p = Pipeline("wrong")
    declare(p)
    p.table("t", "SELECT * FROM s")

    assert code in [f.code for f in resolve(p).findings.errors]
