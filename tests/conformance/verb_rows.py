"""Each verb and each expression beside the SQL that a person would write for it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import mainstem as ms
from mainstem import col

SCHEMAS = {
    "t": "id bigint, country string, amount decimal(12,2), ts timestamp, day date, tags string[], "
    "at struct<x double, y double>, ok boolean, name string",
    "m": "prices map<string, double>",
    "c": "country string, tax double, since timestamp",
    "u": "id bigint, country string, amount decimal(12,2)",
}

# A verb, its SQL, and what builds it; the SQL is what a person would write.
ROWS = [
    ("all rows", "SELECT * FROM t", lambda t, c, u: t),
    # Columns
    ("select", "SELECT id, amount FROM t", lambda t, c, u: t.select("id", "amount")),
    ("select", "SELECT *, 1 AS one FROM t", lambda t, c, u: t.select("*", one=1)),
    (
        "select",
        "SELECT id AS key, amount * 2 AS twice, CAST(day AS string) FROM t",
        lambda t, c, u: t.select(
            col("id").alias("key"), (col("amount") * 2).alias("twice"), col("day").cast("string")
        ),
    ),
    ("select", "SELECT t.id, at.x FROM t", lambda t, c, u: t.select("t.id", "at.x")),
    (
        "select",
        "SELECT twice + 1 AS more FROM (SELECT amount * 2 AS twice FROM t) AS t",
        lambda t, c, u: t.select(twice=col("amount") * 2).select(more=col("twice") + 1),
    ),
    (
        "with_columns",
        "SELECT *, amount * 2 AS twice FROM t",
        lambda t, c, u: t.with_columns(twice=col("amount") * 2),
    ),
    (
        "with_columns",
        "SELECT * REPLACE (amount * 2 AS amount) FROM t",
        lambda t, c, u: t.with_columns(amount=col("amount") * 2),
    ),
    (
        "with_columns",
        "SELECT * REPLACE (upper(name) AS name), id AS key FROM t",
        lambda t, c, u: t.with_columns(col("id").alias("key"), name=ms.f.upper("name")),
    ),
    (
        "rename",
        "SELECT id AS key, country AS land, amount FROM u",
        lambda t, c, u: u.rename({"id": "key"}, country="land"),
    ),
    (
        "rename",
        "SELECT * RENAME (id AS key, country AS land) FROM t",
        lambda t, c, u: t.rename(id="key", country="land"),
    ),
    ("drop", "SELECT * EXCLUDE (tags, at) FROM t", lambda t, c, u: t.drop("tags", "at")),
    # Rows
    (
        "filter",
        "SELECT * FROM t WHERE amount > 10 AND country = 'IT'",
        lambda t, c, u: t.filter(col("amount") > 10, col("country") == "IT"),
    ),
    (
        "filter",
        "SELECT * FROM t WHERE id > 1 AND id < 9 AND ok AND amount <> 3 AND NOT ok",
        lambda t, c, u: t.filter((col("id") > 1) & (col("id") < 9))
        .filter(col("ok"))
        .filter(col("amount") != 3, ~col("ok")),
    ),
    (
        "filter",
        "SELECT country, count(*) AS n FROM t GROUP BY country HAVING count(*) > 2 AND country > 'A'",
        lambda t, c, u: t.group_by("country").agg(n=ms.count()).filter(col("n") > 2, col("country") > "A"),
    ),
    (
        # In HAVING a plain `amount` would be the column of t, so the aggregate is spelled out.
        "filter",
        "SELECT country, sum(amount) AS amount FROM t GROUP BY country HAVING sum(amount) > 2",
        lambda t, c, u: t.group_by("country").agg(amount=ms.sum("amount")).filter(col("amount") > 2),
    ),
    (
        "filter",
        "SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY country ORDER BY ts DESC) <= 3",
        lambda t, c, u: t.filter(
            ms.f.row_number().over("country", order=col("ts").desc()) <= 3
        ),
    ),
    (
        # What comes behind QUALIFY in the chain must not come before it in the query.
        "filter",
        "SELECT * FROM (SELECT * FROM t QUALIFY rank() OVER (ORDER BY ts) = 1) AS t WHERE id > 1",
        lambda t, c, u: t.filter(ms.f.rank().over(order="ts") == 1).filter(col("id") > 1),
    ),
    (
        "filter",
        "SELECT * FROM (SELECT *, amount * 2 AS twice FROM t) AS t WHERE twice > 1",
        lambda t, c, u: t.with_columns(twice=col("amount") * 2).filter(col("twice") > 1),
    ),
    ("distinct", "SELECT DISTINCT country, ok FROM t", lambda t, c, u: t.select("country", "ok").distinct()),
    ("distinct", "SELECT DISTINCT * FROM u WHERE id > 1", lambda t, c, u: u.filter(col("id") > 1).distinct()),
    (
        "distinct",
        "SELECT DISTINCT * FROM (SELECT * FROM u ORDER BY id LIMIT 3) AS u",
        lambda t, c, u: u.sort("id").limit(3).distinct(),
    ),
    (
        "dedupe",
        "SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY id, country ORDER BY ts) = 1",
        lambda t, c, u: t.select("*").dedupe("id", "country", order="ts"),
    ),
    (
        "dedupe",
        "SELECT country, count(*) AS n FROM (SELECT * FROM u QUALIFY row_number() OVER "
        "(PARTITION BY id ORDER BY amount DESC) = 1) AS u GROUP BY country",
        lambda t, c, u: u.dedupe("id", order=col("amount").desc()).group_by("country").agg(n=ms.count()),
    ),
    (
        "dedupe",
        "SELECT *, count(*) OVER () AS n FROM (SELECT * FROM u QUALIFY row_number() OVER "
        "(PARTITION BY id ORDER BY amount) = 1) AS u",
        lambda t, c, u: u.dedupe("id", order="amount").with_columns(n=ms.count().over()),
    ),
    (
        "sort",
        "SELECT * FROM t ORDER BY country, amount DESC NULLS FIRST, id * 2",
        lambda t, c, u: t.sort("country", col("amount").desc().nulls_first(), col("id") * 2),
    ),
    (
        # An expression over an output: as a plain ORDER BY it would mean the column of t.
        "sort",
        "SELECT * FROM (SELECT -id AS id FROM t) AS t ORDER BY id + 1",
        lambda t, c, u: t.select(id=-col("id")).sort(col("id") + 1),
    ),
    ("limit", "SELECT * FROM t ORDER BY id LIMIT 3 OFFSET 1", lambda t, c, u: t.sort("id").limit(3, offset=1)),
    (
        "limit",
        "SELECT * FROM (SELECT * FROM t ORDER BY id LIMIT 9) AS t LIMIT 3",
        lambda t, c, u: t.sort("id").limit(9).limit(3),
    ),
    (
        "explode",
        "SELECT * FROM t CROSS JOIN UNNEST(tags) AS tag(tag)",
        lambda t, c, u: t.explode("tags", into="tag"),
    ),
    (
        "explode",
        "SELECT * EXCLUDE (__element) REPLACE (__element AS tags) FROM t, "
        "UNNEST(t.tags) AS __element(__element)",
        lambda t, c, u: t.explode("tags"),
    ),
    (
        "explode",
        "SELECT tag, n FROM t, UNNEST(t.tags) WITH ORDINALITY AS tag(tag, n)",
        lambda t, c, u: t.explode("tags", into="tag", position="n").select("tag", "n"),
    ),
    # Groups
    (
        "group_by",
        "SELECT country, date_trunc('month', ts) AS month, count(*) AS n, avg(amount) AS mean, "
        "count(DISTINCT name) AS names FROM t WHERE ok GROUP BY country, month",
        lambda t, c, u: t.filter(col("ok"))
        .group_by("country", month=ms.f.date_trunc("month", "ts"))
        .agg(n=ms.count(), mean=ms.avg("amount"), names=ms.count_distinct("name")),
    ),
    ("agg", "SELECT min(ts), max(ts) AS last FROM t", lambda t, c, u: t.agg(ms.min("ts"), last=ms.max("ts"))),
    (
        "agg",
        "SELECT country, sum(amount) FILTER (WHERE ok) AS good, string_agg(name, ',' ORDER BY name) "
        "AS names, count(DISTINCT id) AS ids FROM t GROUP BY country",
        lambda t, c, u: t.group_by("country").agg(
            good=ms.sum("amount").filter(col("ok")),
            names=ms.f.string_agg("name", ",").order_by("name"),
            ids=ms.count("id").distinct(),
        ),
    ),
    (
        "agg",
        "SELECT n, country FROM (SELECT country, count(*) AS n FROM t GROUP BY country) AS x",
        lambda t, c, u: t.group_by("country").agg(n=ms.count()).alias("x").select("n", "country"),
    ),
    (
        "agg",
        "SELECT max(total) AS best FROM (SELECT country, sum(amount) AS total FROM t GROUP BY country)",
        lambda t, c, u: t.group_by("country").agg(total=ms.sum("amount")).agg(best=ms.max("total")),
    ),
    (
        # An aggregate of aggregates is none that one SELECT could hold.
        "agg",
        "SELECT max(total) AS best FROM (SELECT country, sum(amount) AS total FROM t GROUP BY country)",
        lambda t, c, u: t.group_by("country").agg(total=ms.sum("amount")).select(best=ms.max("total")),
    ),
    (
        "window",
        "SELECT country, window_start, window_end, count(*) AS n FROM HOP(t, ts, INTERVAL '1 minute', "
        "INTERVAL '10 minutes') GROUP BY country, window_start, window_end",
        lambda t, c, u: t.window(ms.hop("ts", size="10 minutes", every="1 minute"))
        .group_by("country")
        .agg(n=ms.count()),
    ),
    (
        "window",
        "SELECT window_start, window_end, country, count(*) AS n FROM TUMBLE((SELECT * FROM t WHERE ok), "
        "ts, INTERVAL '1 day') AS t WHERE id > 1 GROUP BY window_start, window_end, country",
        lambda t, c, u: t.filter(col("ok"))
        .window(ms.tumble("ts", size="1 day"))
        .filter(col("id") > 1)
        .group_by("window_start", "window_end", "country")
        .agg(n=ms.count()),
    ),
    (
        "window",
        "SELECT *, id AS key FROM SESSION(TABLE t PARTITION BY country, ts, INTERVAL '30 minutes')",
        lambda t, c, u: t.window(ms.session("ts", gap="30 minutes"), by="country").with_columns(key="id"),
    ),
    (
        "window",
        "SELECT * FROM CUMULATE(t, ts, INTERVAL '1 hour', INTERVAL '1 day')",
        lambda t, c, u: t.window(ms.cumulate("ts", size="1 day", step="1 hour")),
    ),
    # Several frames
    ("join", "SELECT * FROM u JOIN c USING (country)", lambda t, c, u: u.join(c, "country")),
    (
        "join",
        "SELECT id, tax FROM u LEFT JOIN c ON u.country = c.country AND c.tax > 0 WHERE id > 1",
        lambda t, c, u: u.join(
            c, (col("u.country") == col("c.country")) & (col("c.tax") > 0), how="left"
        )
        .filter(col("id") > 1)
        .select("id", "tax"),
    ),
    ("join", "SELECT * FROM u RIGHT JOIN c USING (country)", lambda t, c, u: u.join(c, "country", how="right")),
    ("join", "SELECT * FROM u FULL JOIN c USING (country)", lambda t, c, u: u.join(c, ["country"], how="full")),
    (
        "join",
        "SELECT * FROM (SELECT * FROM u WHERE id > 1) AS u SEMI JOIN c USING (country)",
        lambda t, c, u: u.filter(col("id") > 1).join(c, on="country", how="semi"),
    ),
    (
        "join",
        "SELECT * FROM u ANTI JOIN (SELECT country FROM c WHERE tax > 1) AS c ON u.country = c.country",
        lambda t, c, u: u.join(
            c.filter(col("tax") > 1).select("country"),
            on=col("u.country") == col("c.country"),
            how="anti",
        ),
    ),
    (
        "join",
        "SELECT a.id, b.id AS other FROM u AS a CROSS JOIN u AS b",
        lambda t, c, u: u.alias("a").join(u.alias("b"), how="cross").select("a.id", other="b.id"),
    ),
    (
        "join",
        "SELECT id, tax FROM t ASOF JOIN c ON t.country = c.country AND t.ts >= c.since",
        lambda t, c, u: t.join(
            c, (col("t.country") == col("c.country")) & (col("t.ts") >= col("c.since")), how="asof"
        ).select("id", "tax"),
    ),
    (
        "join",
        "SELECT id, tax FROM t ASOF LEFT JOIN (SELECT * RENAME (since AS ts) FROM c) AS c "
        "USING (country, ts)",
        lambda t, c, u: t.join(c.rename(since="ts"), ["country", "ts"], how="asof_left").select("id", "tax"),
    ),
    (
        "join",
        "SELECT u.id, n FROM u JOIN c USING (country) JOIN (SELECT id, count(*) AS n FROM t GROUP BY id) "
        "USING (id)",
        lambda t, c, u: u.join(c, "country")
        .join(t.group_by("id").agg(n=ms.count()), "id")
        .select("u.id", "n"),
    ),
    (
        "union",
        "SELECT id FROM t UNION ALL SELECT id FROM u UNION ALL SELECT id FROM u WHERE id > 1",
        lambda t, c, u: t.select("id").union(u.select("id"), u.filter(col("id") > 1).select("id")),
    ),
    (
        "union",
        "SELECT country, id FROM u UNION BY NAME SELECT * FROM u ORDER BY id",
        lambda t, c, u: u.select("country", "id").union(u, by_name=True, distinct=True).sort("id"),
    ),
    (
        "union",
        "SELECT id FROM t UNION ALL SELECT * FROM (SELECT id FROM u ORDER BY id LIMIT 1) AS _part",
        lambda t, c, u: t.select("id").union(u.select("id").sort("id").limit(1)),
    ),
    ("pipe", "SELECT * FROM u WHERE id > 3", lambda t, c, u: u.pipe(lambda x, n: x.filter(col("id") > n), 3)),
    (
        "scalar",
        "SELECT * FROM u WHERE amount > (SELECT avg(amount) FROM u) * 2",
        lambda t, c, u: u.filter(col("amount") > u.agg(ms.avg("amount")).scalar() * 2),
    ),
    ("to_sql", "SELECT * FROM u", lambda t, c, u: u.frame()),
]  # fmt: skip

# Expressions, as SQL and as Python.
EXPRESSIONS = [
    ("id + 1 - 2 * 3", lambda: col("id") + 1 - ms.lit(2) * 3),
    ("1 - id", lambda: 1 - col("id")),
    ("amount / 2 + id // 2 + id % 3", lambda: col("amount") / 2 + col("id") // 2 + col("id") % 3),
    ("2.50 * amount", lambda: Decimal("2.50") * col("amount")),
    ("amount * 1.5e0", lambda: col("amount") * 1.5),
    ("2 / id + 7 // id + 7 % id", lambda: 2 / col("id") + 7 // col("id") + 7 % col("id")),
    ("-amount", lambda: -col("amount")),
    ("name || '-' || country", lambda: col("name").concat("-", col("country"))),
    ("id = 1 OR id = 2 OR id = 3 OR ok OR NOT ok",
     lambda: (col("id") == 1) | (col("id") == 2) | (col("id") == 3) | col("ok") | ~col("ok")),
    ("(id = 1 OR ok) AND (id >= 2 OR id <= 3)",
     lambda: ((col("id") == 1) | col("ok")) & ((col("id") >= 2) | (col("id") <= 3))),
    ("TRUE AND ok", lambda: True & col("ok")),
    ("amount > 100.", lambda: col("amount") > Decimal("1E+2")),
    ("name IS NULL", lambda: col("name").is_null()),
    ("name IS NOT NULL", lambda: col("name").is_not_null()),
    ("ok IS TRUE OR ok IS FALSE", lambda: col("ok").is_true() | col("ok").is_false()),
    ("id IS DISTINCT FROM 1", lambda: col("id").is_distinct_from(1)),
    ("id IS NOT DISTINCT FROM NULL", lambda: col("id").is_not_distinct_from(None)),
    ("amount BETWEEN 1 AND 2", lambda: col("amount").between(1, 2)),
    ("name LIKE 'a%'", lambda: col("name").like("a%")),
    ("name ILIKE 'a!%%' ESCAPE '!'", lambda: col("name").ilike("a!%%", escape="!")),
    ("country IN ('IT', 'DE')", lambda: col("country").is_in(["IT", "DE"])),
    ("country NOT IN ('IT', 'DE')", lambda: col("country").not_in(("IT", "DE"))),
    ("tags[1]", lambda: col("tags")[1]),
    ("prices['a']", lambda: col("prices")["a"]),
    ("at.x + at.y", lambda: col("at").field("x") + col("at.y")),
    ("CAST(id AS decimal(12,2))", lambda: col("id").cast("decimal(12,2)")),
    ("TRY_CAST(name AS bigint)", lambda: col("name").try_cast("bigint")),
    ("CASE WHEN id > 1 THEN 'a' WHEN ok THEN 'b' ELSE 'c' END",
     lambda: ms.when(col("id") > 1).then("a").when(col("ok")).then("b").otherwise("c")),
    ("CASE WHEN ok THEN 1 END", lambda: ms.when(col("ok")).then(1)),
    ("day + INTERVAL '1 month'", lambda: col("day") + ms.interval("1 month")),
    ("ts - INTERVAL '90 minutes'", lambda: col("ts") - timedelta(minutes=90)),
    ("day >= DATE '2026-01-31'", lambda: col("day") >= date(2026, 1, 31)),
    ("ts < TIMESTAMP '2026-01-31 10:00:00Z'", lambda: col("ts") < datetime(2026, 1, 31, 10, tzinfo=UTC)),
    ("[1, 2, id]", lambda: ms.lit([1, 2, col("id")])),
    ("{'a': id, 'b': 'x'}", lambda: ms.lit({"a": col("id"), "b": "x"})),
    ("list_transform(tags, x -> upper(x || '!'))",
     lambda: ms.f.list_transform("tags", lambda x: ms.f.upper(x.concat("!")))),
    ("if(ok, 1, 2)", lambda: ms.f.if_("ok", 1, 2)),
    ("replace(name, 'a', 'b')", lambda: ms.f.replace("name", ms.lit("a"), ms.lit("b"))),
    ("date_diff('day', day, DATE '2026-01-01')", lambda: ms.f.date_diff("day", "day", date(2026, 1, 1))),
    ("amount * 2 + 1", lambda: ms.expr("amount * 2") + 1),
    ("id = ANY (SELECT id FROM u)", lambda: col("id").is_in(ms.Pipeline("x").ref("u").select("id"))),
    ("sum(amount) OVER (PARTITION BY country ORDER BY ts, id DESC)",
     lambda: ms.sum("amount").over("country", order=["ts", col("id").desc()])),
    ("sum(amount) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
     lambda: ms.sum("amount").over(order="id", rows=(-2, 0))),
    ("count(*) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND INTERVAL '1 minute' FOLLOWING)",
     lambda: ms.count().over(order="ts", range=("-1 hour", timedelta(minutes=1)))),
    ("max(id) OVER (ORDER BY ok, id GROUPS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
     lambda: ms.max("id").over(order=["ok", "id"], groups=(None, None))),
    ("lag(amount IGNORE NULLS) OVER (ORDER BY id)", lambda: ms.f.lag("amount").ignore_nulls().over(order="id")),
]  # fmt: skip


def pipeline():
    """A pipeline with three sources and a parameter."""
    p = ms.Pipeline("verbs")
    for name, schema in SCHEMAS.items():
        p.source(name, ms.files(f"{name}.parquet"), schema=schema)
    p.param("day", "date", default="2026-01-01")
    return p
