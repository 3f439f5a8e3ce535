"""Random rows and rules against a slow reference in plain Python: every row is where it should be."""

import json
import random
from contextlib import closing

import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.rule import accepted, between, foreign_key, matches, not_null, unique
from mainstem.runtime.query import connect
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir

ACTIONS = ("warn", "drop", "quarantine")
WORDS = ("a", "b", "ab", "b1", "", None)
KEYS = ("a", "b", None)


def rows_of(rng):
    """Rows with few values, so that keys repeat and NULLs meet every rule."""
    return [
        (rng.choice([None, *range(5)]), rng.choice([None, *range(-3, 4)]), rng.choice(WORDS))
        for _ in range(rng.randrange(40))
    ]


# Each rule as it is declared, and what it is in Python: TRUE, FALSE or None of one row (k, n, w).
PREDICATES = (
    ("n > 0", lambda k, n, w: None if n is None else n > 0),
    ("NOT n > 0", lambda k, n, w: None if n is None else not n > 0),
    ("n > 0 OR k IS NULL", lambda k, n, w: True if k is None else None if n is None else n > 0),
    ("10 // k > 2", lambda k, n, w: None if not k else 10 // k > 2),
    (not_null("n"), lambda k, n, w: n is not None),
    (not_null("k", "w"), lambda k, n, w: k is not None and w is not None),
    (accepted("w", ["a", "b"]), lambda k, n, w: w in ("a", "b")),
    (accepted("w", ["a", None]), lambda k, n, w: w in ("a", None)),
    (between("n", -1, 2), lambda k, n, w: n is not None and -1 <= n <= 2),
    (between("n", low=0), lambda k, n, w: n is not None and n >= 0),
    (matches("w", "[ab]1?"), lambda k, n, w: w in ("a", "b", "a1", "b1")),
    (foreign_key("w", "known", "w"), lambda k, n, w: w is None or w in KEYS),
)
UNIQUES = (("k",), ("w",), ("k", "n"), ("k", "n", "w"))


def rules_of(rng):
    """A few rules with what happens to the rows that break them."""
    made = []
    for number in range(rng.randrange(1, 6)):
        is_unique = rng.random() < 0.3
        rule = (
            (unique(*(keys := rng.choice(UNIQUES))), keys) if is_unique else rng.choice(PREDICATES)
        )
        made.append((f"r{number}", *rule, rng.choice(ACTIONS)))
    return made


def reference(rows, rules, *, by_value):
    """Judge row by row: each rule in turn, over what the earlier ones let through."""
    left = list(enumerate(rows))
    if by_value:
        # The order of a step's rows is that of their values, NULL last.
        left.sort(
            key=lambda item: [
                (v is None, v or (0 if at < 2 else "")) for at, v in enumerate(item[1])
            ]
        )
    lines, aside = [], []
    for name, _, test, action in rules:
        checked = len(left)
        failing = [item for item, is_good in judged(left, test) if not is_good]
        if action == "quarantine":
            aside += [(name, *row) for _, row in failing]
        gone = {at for at, _ in failing} if action != "warn" else set()
        left = [item for item in left if item[0] not in gone]
        lines.append((name, checked, len(left), len(failing)))
    return [row for _, row in left], aside, lines


def judged(items, test):
    """Give each row with whether it passes."""
    if callable(test):
        return [(item, test(*item[1]) is True) for item in items]
    seen, found = set(), []
    for item in items:
        key = tuple(item[1]["knw".index(name)] for name in test)
        found.append((item, None in key or key not in seen))
        seen.add(key)
    return found


def bag(rows):
    """Rows in an order that any values have."""
    return sorted(map(repr, rows))


@pytest.mark.parametrize("kind", ["json", "parquet", "step"])
@pytest.mark.parametrize("seed", range(12))
def test_every_row_is_where_the_reference_has_it(tmp_path, seed, kind):
    """Passed, quarantined, dropped and warned rows are the same ones, and the books balance."""
    rng = random.Random(f"{seed}-{kind}")
    rows, rules = rows_of(rng), rules_of(rng)
    on = "step" if kind == "step" else "rows"
    plan = plan_of(tmp_path, rows, rules, on=on, is_parquet=kind == "parquet")

    with closing(run(plan, RunOptions(tmp_path))) as events:
        ledger = list(events)[-1].facts["ledger"]

    passed, aside, lines = reference(rows, rules, by_value=kind == "step")
    with connect(state_dir(tmp_path, "random")) as tables:
        assert bag(tables.query("SELECT * FROM result").rows) == bag(passed)
        if any(rule[3] == "quarantine" for rule in rules):
            kept = tables.query(f"SELECT __rule, k, n, w FROM {on}__quarantine").rows
            assert bag(kept) == bag(aside)
    found = [
        (line["rule"], line["checked"], line["passed"], line["failed"])
        for line in ledger["expectations"].values()
    ]
    assert found == lines
    for line in ledger["expectations"].values():
        aside_here = line["quarantined"] + line["dropped"]
        assert line["checked"] == line["passed"] + aside_here
        assert line["failed"] == aside_here + line["warned"]
        assert len(line["samples"]) == min(line["failed"], 5)


def plan_of(folder, rows, rules, *, on, is_parquet):
    """A pipeline over the rows, with the rules on the source or on a view of it."""
    write_rows(folder, rows, is_parquet=is_parquet)
    (folder / "known.jsonl").write_text("".join(f'{{"w": {json.dumps(w)}}}\n' for w in KEYS))
    p = Pipeline("random")
    name = "rows.parquet" if is_parquet else "rows*.jsonl"
    p.source("rows", files(name), schema="k bigint, n bigint, w string")
    p.source("known", files("known.jsonl"), schema="w string")
    p.view("step", "SELECT k, n, w FROM rows")
    p.table("result", f"SELECT k, n, w FROM {on}")
    for name, rule, _, action in rules:
        p.expect(on, rule, name=name, on_fail=action)
    return p.plan()


def write_rows(folder, rows, *, is_parquet):
    """Two text files, so that positions go on from one to the next; or one Parquet file."""
    if not is_parquet:
        for part, some in enumerate((rows[: len(rows) // 3], rows[len(rows) // 3 :])):
            lines = [json.dumps(dict(zip("knw", row, strict=True))) + "\n" for row in some]
            (folder / f"rows{part}.jsonl").write_text("".join(lines))
        return
    import duckdb

    with closing(duckdb.connect()) as connection:
        connection.execute("CREATE TABLE t (k BIGINT, n BIGINT, w VARCHAR)")
        if rows:
            connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.execute(
            f"COPY t TO '{folder / 'rows.parquet'}' (FORMAT parquet, ROW_GROUP_SIZE 7)"
        )
