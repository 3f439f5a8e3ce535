"""What a profile says of data whose figures were worked out by hand, and of random data."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import mainstem as ms
from mainstem.engines.embedded.profile import measure as measuring
from mainstem.engines.embedded.profile.column import pattern_of
from mainstem.errors import DataError, SettingsError
from mainstem.runtime.profile import ProfileOptions, profile_file, read_profile
from tests.unit.profile.measures import figures, gaps, number, plain

SCHEMA = (
    "id bigint, amount decimal(8,2), rate double, day date, at timestamp, name string, "
    "flag boolean, raw bytes, tags string[], home struct(city string, zip bigint), "
    "bag map(string, bigint)"
)


def pipeline(schema=SCHEMA, table="t"):
    """A source over a table of data.duckdb."""
    p = ms.Pipeline("shop")
    p.source("t", ms.duckdb("data.duckdb", table), schema=schema)
    p.table("n", "SELECT count(*) AS n FROM t")
    return p


def profiled(p, *names, **options):
    """A profile; paths start in the current folder and not beside this file."""
    return p.profile(*(names or ("t",)), base_dir=Path.cwd(), **options)


def fill(schema, rows):
    """Write rows into the table t of data.duckdb."""
    connection = duckdb.connect("data.duckdb")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE OR REPLACE TABLE t ({schema})")
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", rows)
    connection.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shop(folder):
    """Four rows of every kind of column; the last is the same as the third."""
    connection = duckdb.connect("data.duckdb")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("""
        CREATE TABLE t AS SELECT * FROM (VALUES
        (1::BIGINT, 1.00::DECIMAL(8,2), 'nan'::DOUBLE, DATE '2024-01-01',
         TIMESTAMPTZ '2024-01-01 00:00:00Z', ' a', true, '\\xAA'::BLOB, ['x', 'y'],
         {'city': 'Rome', 'zip': 1::BIGINT}, MAP {'k': 1::BIGINT}),
        (2, 2.50, 0.5, DATE '2024-01-11', TIMESTAMPTZ '2024-01-01 06:00:00Z', 'a@b.it', false,
         '\\xAA\\xBB'::BLOB, [], {'city': NULL, 'zip': 2}, MAP {'k': 2, 'l': 3}),
        (3, NULL, 1.5, DATE '2024-01-13', TIMESTAMPTZ '2024-01-01 06:00:00Z', '12', true,
         NULL, ['z'], NULL, MAP {}),
        (3, NULL, 1.5, DATE '2024-01-13', TIMESTAMPTZ '2024-01-01 06:00:00Z', '12', true,
         NULL, ['z'], NULL, MAP {})
        ) AS v(id, amount, rate, day, "at", name, flag, raw, tags, home, bag)""")
    connection.close()
    return pipeline()


def test_mean_of_whole_numbers_that_cancel_each_other_out(tmp_path):
    """By hand: 2^63 - 1 - 2^63 + 0 + 1 = 0; in DOUBLE the first two are equal, and 1 is left."""
    (tmp_path / "n.csv").write_text(f"n\n{2**63 - 1}\n{-(2**63)}\n0\n1\n")
    p = ms.Pipeline("n")
    p.source("n", ms.files(str(tmp_path / "n.csv")), schema="n bigint")
    p.table("t", "SELECT n FROM n")

    assert p.profile("n")["n"].column("n").mean == 0


def test_figures_of_each_kind_of_column(shop):
    """Worked out by hand."""
    t = profiled(shop)["t"]

    assert (t.rows, t.total_rows, t.duplicates, t.dead.count) == (4, 4, 1, 0)
    id_, amount, rate, day, at, name, flag, raw, tags, home, bag = t.columns
    assert (id_.distinct, id_.low, id_.high, id_.mean) == (3, 1, 3, 2.25)
    # Squares of the distances: 1.5625 + 0.0625 + 0.5625 + 0.5625 = 2.75; its third, the root of it.
    assert id_.stddev == pytest.approx((2.75 / 3) ** 0.5, rel=1e-8)
    assert id_.quantiles == ((5, 1), (25, 1), (50, 2), (75, 3), (95, 3))
    assert (id_.edges, id_.counts) == ((1, 2, 3, 4), (1, 1, 2))
    assert (amount.nulls, amount.low, amount.high, amount.mean) == (2, "1.00", "2.50", 1.75)
    assert amount.values == (("1.00", 1), ("2.50", 1))
    # NaN is a value and no number.
    assert (rate.non_finite, rate.distinct, rate.low, rate.high) == (1, 3, 0.5, 1.5)
    assert rate.mean == pytest.approx(3.5 / 3)
    assert rate.values == ((1.5, 2), (0.5, 1), ("nan", 1))
    assert day.gaps == (
        ("2024-01-01", "2024-01-11", 864_000.0), ("2024-01-11", "2024-01-13", 172_800.0),
    )  # fmt: skip
    assert (at.low, at.high) == ("2024-01-01T00:00:00Z", "2024-01-01T06:00:00Z")
    assert at.gaps == (("2024-01-01T00:00:00Z", "2024-01-01T06:00:00Z", 21_600.0),)
    assert (name.length, name.low, name.high) == ((2, 6, 3.0), " a", "a@b.it")
    assert name.shapes == (("untrimmed", 1), ("integer", 2), ("email", 1))
    assert (flag.trues, flag.values) == (3, ((True, 3), (False, 1)))
    assert (raw.nulls, raw.distinct, raw.length) == (2, 2, (1, 2, 1.5))
    assert (tags.elements, tags.length) == (4, (0, 2, 1.0))
    assert (home.nulls, home.keys) == (2, (("city", 1), ("zip", 2)))
    assert (bag.elements, bag.keys) == (3, (("k", 2), ("l", 1)))


SHAPES = {
    "blank": ["", "   "],
    "untrimmed": ["   ", " a", "b ", " 1"],
    "integer": ["0", "-12", "+7", "007"],
    "decimal": ["1.5", "-.5", "2."],
    "date": ["2024-02-29"],
    "timestamp": ["2024-02-29T12:00:00Z", "2024-02-29 12:00"],
    "json": ["{}", '[1, "a"]', '{"a": null}'],
    "email": ["a@b.c", "x.y+z@ex.org"],
}
NO_SHAPE = ["2023-02-29", "1,5", ".", "-", "a@b", "@b.c", "{a}", "2024-02-29 99:00", "é"]


def test_shapes_of_texts(folder):
    """Each text counts for what it looks like, and for nothing else; an invalid date is none."""
    texts = sorted({text for some in SHAPES.values() for text in some} | set(NO_SHAPE))
    fill("name VARCHAR", [[text] for text in texts])

    found = dict(profiled(pipeline("name string"))["t"].columns[0].shapes)
    assert found == {name: len(some) for name, some in SHAPES.items()}


@pytest.mark.parametrize(
    ("texts", "pattern"),
    [
        (["AB-01", "CD-99"], "[A-Z]{2}-[0-9]{2}"),
        (["a1", "b22"], "[a-z][0-9]+"),
        (["1.5", "2.5"], r"[0-9]\.[0-9]"),
        (["Rome", "Oslo"], ""),
        (["a1", "1a"], ""),
        (["é1", "é2"], ""),
        (["a\n1", "b\n2"], ""),
        (["", "1"], ""),
        ([], ""),
    ],
)
def test_pattern_of_texts(texts, pattern):
    """One shape for all, or none."""
    assert pattern_of(texts) == pattern


def random_rows(rng, n):
    """Rows with NULLs, ties, negative numbers and NaN."""

    def some(make):
        return None if rng.random() < 0.1 else make()

    start = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        (
            some(lambda: rng.randint(-50, 50) * rng.choice([1, 1, 10**15])),
            some(lambda: Decimal(rng.randint(-9999, 9999)).scaleb(-2)),
            some(lambda: rng.choice([rng.gauss(0, 1), 0.25, float("inf"), -1e100])),
            some(lambda: date(2024, 1, 1) + timedelta(days=rng.randint(0, 400))),
            some(lambda: start + timedelta(microseconds=rng.randint(0, 10**12))),
        )
        for _ in range(n)
    ]  # fmt: skip


NUMBERS = "a BIGINT, b DECIMAL(8,2), c DOUBLE, d DATE, e TIMESTAMPTZ"


@pytest.mark.parametrize("seed", range(12))
def test_random_numbers_and_times_against_plain_python(folder, seed):
    """Counts, ends, quantiles, histogram and gaps are the same; means to their digits."""
    rows = random_rows(random.Random(seed), [1, 2, 7, 60, 400, 1500][seed % 6])
    fill(NUMBERS, rows)

    schema = "a bigint, b decimal(8,2), c double, d date, e timestamp"
    t = profiled(pipeline(schema))["t"]
    for at, column in enumerate(t.columns):
        values = [row[at] for row in rows]
        expected = figures(values, is_whole=column.name in "ade")
        assert (column.rows, column.nulls, column.distinct) == (
            expected["rows"], expected["nulls"], expected["distinct"],
        )  # fmt: skip
        assert (column.low, column.high) == (expected.get("low"), expected.get("high"))
        assert column.quantiles == expected.get("quantiles", ())
        assert column.counts == expected.get("counts", ())
        if column.name in "abc" and "mean" in expected:
            size = max(abs(number(v)) for v in values if v is not None and v != float("inf"))
            assert column.mean == pytest.approx(
                expected["mean"], rel=1e-11, abs=float(size) * 1e-14
            )
            if column.stddev is not None:
                assert column.stddev == pytest.approx(expected["stddev"], rel=1e-8)
        if column.has_all_values:
            assert dict(column.values) == {
                plain(v) if v != float("inf") else "inf": n for v, n in expected["values"].items()
            }
        if column.name in "de":
            scale = 86_400 if column.name == "d" else 1e-6
            spans = [(span * scale, a) for span, a in gaps(values)]
            assert [g[2] for g in column.gaps] == pytest.approx([s for s, _ in spans])


@pytest.mark.parametrize("seed", range(6))
def test_random_duplicates_and_keys_against_plain_python(folder, seed):
    """All single keys; a pair is a key when it is claimed, and one is found where there is one."""
    rng = random.Random(seed)
    rows = [(rng.randint(0, 9), rng.randint(0, 9), rng.choice("ab")) for _ in range(60)]
    if seed % 2:
        rows = [(i // 6, i % 6, "x") for i in range(60)]
    fill("a BIGINT, b BIGINT, c VARCHAR", rows)

    t = profiled(pipeline("a bigint, b bigint, c string"))["t"]
    assert t.duplicates == len(rows) - len(set(rows))
    names = ("a", "b", "c")
    for key in t.keys:
        assert len({tuple(row[names.index(k)] for k in key) for row in rows}) == len(rows)
    assert bool(t.keys) == (seed % 2 == 1)


def test_estimates_are_said_to_be_some(folder, monkeypatch):
    """What is not counted by value is marked; counts, ends, means and histogram stay exact."""
    fill("a BIGINT, s VARCHAR", [(i, f"s{i % 50}") for i in range(1000)])
    exact = profiled(pipeline("a bigint, s string"))["t"]
    monkeypatch.setattr(measuring, "MOST_VALUES", 10)

    a, s = profiled(pipeline("a bigint, s string"))["t"].columns
    # The search for keys counted the first exactly.
    assert (a.distinct, a.is_distinct_exact, a.are_quantiles_exact) == (1000, True, False)
    assert (s.is_distinct_exact, s.has_all_values) == (False, False)
    assert abs(s.distinct - 50) <= 5
    assert all(count == 20 for _, count in s.values)
    for now, before in zip((a, s), exact.columns, strict=True):
        for name in ("rows", "nulls", "low", "high", "mean", "counts", "length", "shapes"):
            assert getattr(now, name) == getattr(before, name)
    assert [v for _, v in a.quantiles] == pytest.approx([49, 249, 499, 749, 949], abs=10)


def test_no_rows_and_no_values(folder):
    """Nothing is divided by nothing."""
    fill("a BIGINT, s VARCHAR", [])
    empty = profiled(pipeline("a bigint, s string"))
    fill("a BIGINT, s VARCHAR", [(None, None)] * 3)
    nulls = profiled(pipeline("a bigint, s string"))

    assert [(c.distinct, c.low, c.counts) for c in empty["t"].columns] == [(0, None, ())] * 2
    assert [(c.nulls, c.null_share) for c in nulls["t"].columns] == [(3, 1.0)] * 2
    assert nulls["t"].duplicates == 2
    assert empty.suggest() == ""
    assert "a" in empty.to_html()


def test_a_sample_is_the_same_each_time(folder):
    """Only so many rows are looked at, and how many there are is told."""
    fill("a BIGINT", [(i,) for i in range(500)])
    first, again = (profiled(pipeline("a bigint"), "t", sample=40)["t"] for _ in range(2))

    assert (first.rows, first.total_rows, first.is_sample) == (40, 500, True)
    assert first == again
    # From all parts: not the first rows, which would end at 39.
    assert first.columns[0].high > 250
    with pytest.raises(SettingsError, match="the sample is -1 rows"):
        profiled(pipeline("a bigint"), "t", sample=-1)


DIRTY = "id,amount\n1,5\n2,five\n3,7\nx,8\n"


def test_bad_records_are_counted_and_shown(folder):
    """Also where a run would stop at them."""
    (folder / "d.csv").write_text(DIRTY)
    p = ms.Pipeline("shop")
    p.source("d", ms.files("d.csv"), schema="id bigint, amount bigint")
    p.table("n", "SELECT count(*) AS n FROM d")
    d = profiled(p, "d")["d"]

    assert (d.rows, d.dead.count) == (2, 2)
    assert [(one["line"], one["column"]) for one in d.dead.samples] == [(3, "amount"), (5, "id")]
    assert sum(n for _, n in d.dead.reasons) == 2
    hidden = json.dumps(profiled(p, "d", values=False).to_dict())
    assert "five" not in hidden


def test_values_can_be_left_out(shop):
    """No text, no frequent value, no key of a map is anywhere in the profile, page or code."""
    found = profiled(shop, "t", values=False)
    everything = json.dumps(found.to_dict()) + found.to_html() + found.suggest()

    for canary in ("a@b.it", '"12"', "Rome", '"k"', '" a"'):
        assert canary not in everything
    assert found["t"].columns[0].mean == 2.25


def test_page_loads_nothing_and_values_are_no_markup(folder):
    """Values and names are escaped."""
    canary = "<script>alert('x')</script>"
    fill('"<b>a" VARCHAR', [(canary,), (canary,)])
    found = profiled(pipeline('"<b>a" string'))

    for page in (found.to_html(), found._repr_html_()):
        assert "<script" not in page
        assert "<b>a" not in page
        assert "&lt;script&gt;" in page
        for word in ("http:", "https:", "src=", "url(", "@import", "<link"):
            assert word not in page
    assert "default-src 'none'" in found.to_html()
    assert "prefers-color-scheme:dark" in found.to_html()


def test_saved_profile_is_the_same_when_read(shop):
    """Also with decimals, instants and NaN; and no other file is taken for one."""
    found = profiled(shop)
    found.save("before.json")

    assert read_profile("before.json") == found
    file = Path("before.json")
    fields = json.loads(file.read_text())
    for wrong in ({**fields, "format": 2}, {"relations": [{}], "format": 1}, [], "text"):
        file.write_text(json.dumps(wrong))
        with pytest.raises(DataError, match="is no profile that this version knows"):
            read_profile("before.json")


def test_files_have_the_schema_that_init_would_write(folder):
    """Each format; a file with another delimiter too."""
    (folder / "a.csv").write_text("id;name\n1;x\n2;y\n")
    (folder / "b.jsonl").write_text('{"id": 1, "at": "2024-01-01T00:00:00Z"}\n')
    (folder / "c.txt").write_text("one\ntwo\n")

    types = {
        name: [c.type for c in profile_file(name).relations[0].columns]
        for name in ("a.csv", "b.jsonl", "c.txt")
    }
    assert types == {
        "a.csv": ["bigint", "string"], "b.jsonl": ["bigint", "timestamp"], "c.txt": ["string"],
    }  # fmt: skip


def test_memory_limit_is_kept(folder):
    """Values that do not fit are counted on disk; nothing of it stays there."""
    connection = duckdb.connect()
    connection.execute(
        "COPY (SELECT i AS a, md5(i::VARCHAR) AS s FROM range(600000) r(i)) TO 'big.parquet'"
    )
    connection.close()
    found = profile_file("big.parquet", "big", ProfileOptions(memory_limit="60MB", threads=1))

    a, s = found["big"].columns
    assert (a.distinct, s.distinct, s.is_distinct_exact) == (600_000, 600_000, True)
    assert sorted(path.name for path in folder.iterdir()) == ["big.parquet"]
