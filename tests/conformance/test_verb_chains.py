"""Chains of verbs mean what their verbs mean one after the other.

A chain puts several verbs into one SELECT where that means the same. Whether it does is judged by
running it beside the same verbs with a view behind each, where nothing can be merged.
"""

import random

import duckdb

import mainstem as ms
from mainstem import col
from mainstem.definition.spot import VerbText
from mainstem.engines.embedded.compile import step_sql
from mainstem.plan.types import parse_schema
from mainstem.sql.bind import bind_tree

N_CHAINS = 40

# Each keeps the columns k, x and y, so that any can follow any.
VERBS = [
    lambda f, p: f.filter(col("x") > 2),
    lambda f, p: f.filter(col("y").is_not_null() & (col("k") != "b")),
    lambda f, p: f.with_columns(x=col("x") + 1),
    lambda f, p: f.with_columns(x=col("y"), y=col("x")),
    lambda f, p: f.with_columns(y=ms.sum("x").over("k")),
    lambda f, p: f.with_columns(y=ms.f.row_number().over("k", order=["x", "y"])),
    lambda f, p: f.select("k", x="y", y="x"),
    lambda f, p: f.select("k", "x", y=col("x") * 2),
    lambda f, p: f.select("y", "x", "k"),
    lambda f, p: f.rename(x="y", y="x"),
    lambda f, p: f.with_columns(z=col("x") - 1).drop("x").rename(z="x"),
    lambda f, p: f.group_by("k").agg(x=ms.sum("x"), y=ms.max("y")),
    lambda f, p: f.group_by("k", "y").agg(x=ms.count()),
    lambda f, p: f.group_by("k", x=col("x") % 3).agg(y=ms.count("y")),
    lambda f, p: f.agg(k=ms.min("k"), x=ms.count(), y=ms.max("x")),
    lambda f, p: f.filter(ms.f.rank().over("k", order=col("x").desc()) <= 2),
    lambda f, p: f.dedupe("k", order=["x", "y"]),
    lambda f, p: f.dedupe("k", order=[col("x").desc(), col("y").desc()]),
    lambda f, p: f.distinct(),
    lambda f, p: f.sort("x", "y", "k").limit(4),
    lambda f, p: f.sort(col("x") + col("y"), "k", "x", "y").limit(5, offset=1),
    lambda f, p: f.union(f.filter(col("x") > 3)),
    lambda f, p: f.union(p.ref("t").select("k", "x", "y"), distinct=True, by_name=True),
    lambda f, p: f.join(p.ref("d"), "k").select("k", "x", y=col("w") + col("y")),
    lambda f, p: f.join(p.ref("d"), "k", how="semi"),
    lambda f, p: f.alias("a").join(p.ref("d"), col("a.k") == col("d.k"), how="anti"),
    lambda f, p: f.alias("a").filter(col("a.x") > 1),
    lambda f, p: f.with_columns(l=ms.lit([1, 2])).explode("l").with_columns(x=col("x") + col("l")).drop("l"),
    lambda f, p: f.filter(col("x") >= f.agg(ms.min("x")).scalar() + 1),
    lambda f, p: f.filter(col("k").is_in(f.group_by("k").agg(n=ms.count()).filter(col("n") > 1).select("k"))),
]  # fmt: skip

ROWS = "('a', 1, 10), ('a', 2, NULL), ('a', 2, 7), ('b', 3, 1), "
ROWS += "('b', 5, 2), ('b', 5, 2), ('c', 4, 4), ('c', NULL, 3), (NULL, 6, 1), ('d', 9, NULL)"
DIMENSION = "('a', 100), ('b', 200)"


class Both:
    """Runs a frame as one query, and after a step as another."""

    def __init__(self, connection):
        self.p = ms.Pipeline("chains")
        self.tables = {"t": parse_schema("k string, x bigint, y bigint")}
        self.tables["d"] = parse_schema("k string, w bigint")
        self.connection = connection
        for name, rows in (("t", ROWS), ("d", DIMENSION)):
            columns = ", ".join(self.tables[name].names)
            connection.execute(
                f"CREATE TABLE {name} AS SELECT * FROM (VALUES {rows}) AS v({columns})"
            )
            types = "".join(
                f"ALTER TABLE {name} ALTER {field.name} TYPE BIGINT;"
                for field in self.tables[name].fields
                if field.type.kind == "bigint"
            )
            connection.execute(types)

    def sql(self, frame):
        """The engine's SQL of a frame, and its columns."""
        source = VerbText(frame.to_sql(), query=frame.query)
        bound = bind_tree(frame.query, self.tables, source=source)
        return step_sql(bound.query), bound.schema

    def rows(self, frame):
        """Columns and rows, in any order."""
        sql, schema = self.sql(frame)
        return schema.names, sorted(self.connection.execute(sql).fetchall(), key=repr)

    def step(self, name, frame):
        """Make a view of a frame, from which nothing is merged any more."""
        sql, schema = self.sql(frame)
        self.connection.execute(f"CREATE VIEW {name} AS {sql}")
        self.tables[name] = schema
        return self.p.ref(name)


def test_every_verb_behind_every_other_means_what_it_says():
    """All pairs: the second verb over the first is the second over a view of the first."""
    with duckdb.connect() as connection:
        both = Both(connection)
        t = both.p.ref("t")
        different, empty = [], 0
        for i, first in enumerate(VERBS):
            begun = first(t, both.p)
            view = both.step(f"s{i}", begun)
            for j, second in enumerate(VERBS):
                apart = both.rows(second(view, both.p))
                empty += not apart[1]
                if both.rows(second(begun, both.p)) != apart:
                    different.append((i, j))
    assert different == []
    # An empty answer shows nothing; few are.
    assert empty < len(VERBS) ** 2 / 10


def test_longer_chains_mean_what_they_say():
    """Chains of four verbs, from a seed."""
    choose = random.Random(20261122)
    chains = [choose.choices(range(len(VERBS)), k=4) for _ in range(N_CHAINS)]
    with duckdb.connect() as connection:
        both = Both(connection)
        different = []
        for number, chain in enumerate(chains):
            whole = view = both.p.ref("t")
            for at, verb in enumerate(chain):
                whole = VERBS[verb](whole, both.p)
                view = both.step(f"s{number}_{at}", VERBS[verb](view, both.p))
            if both.rows(whole) != both.rows(view):
                different.append(chain)
    assert different == []
