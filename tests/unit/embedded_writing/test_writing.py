"""What is in the files and tables that a run writes; expected bytes are written by hand."""

import gzip
import json
from contextlib import closing
from hashlib import sha256

import duckdb
import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.connectors.state import state
from mainstem.engines.embedded.question import ask
from mainstem.engines.embedded.run import run
from mainstem.engines.embedded.state_file import open_tables
from mainstem.engines.spec import Program, RunSettings, Statement
from mainstem.errors import CheckFailed, DataError, DefinitionError, OutsideError
from mainstem.plan.nodes import Binding, Plan, Source, Step
from mainstem.plan.tree import Query, Select
from mainstem.plan.types import parse_schema
from mainstem.storage.local.manifest import read_manifest

RUNS = iter(range(1000))
# When a step fails, its tree is searched for the expression: this one has none.
NO_QUERY = Query(Select(()))


def table(name, schema, sink, *, inputs=(), sink_schema=None) -> Step:
    """A table whose query does not matter: the test gives the SQL."""
    declared = parse_schema(sink_schema) if sink_schema else None
    return Step(name, NO_QUERY, parse_schema(schema), inputs, sink, declared)


def write(base, steps, sources=()) -> list:
    """Run pairs of (step, SQL); give the events."""
    plan = Plan("writing", tuple(sources), tuple(step for step, _ in steps))
    program = Program(plan, "embedded", (), tuple(Statement(s, sql) for s, sql in steps))
    folder = base / "state"
    folder.mkdir(exist_ok=True)
    settings = RunSettings(
        f"run{next(RUNS)}", folder, base, started_at="2024-01-01T00:00:00Z", epoch=1
    )
    return list(run(program, settings))


def write_one(base, schema, sql, sink, **options) -> list:
    """Write one table."""
    return write(base, [(table("t", schema, sink, **options), sql)])


def answer(folder, sql) -> tuple:
    """Ask the tables of a state directory: names, types and rows."""
    with closing(open_tables(folder)) as connection:
        return ask(connection, sql)


ALL = "id bigint, name string, price decimal(5,2), ratio double, ok boolean, day date, at timestamp"
ROWS = """
    SELECT * FROM (VALUES
      (1::BIGINT, 'plain', 2.50::DECIMAL(5,2), 0.5::DOUBLE, true, DATE '2024-02-29',
       TIMESTAMPTZ '2024-02-29 01:02:03.4+01'),
      (2, '', NULL, NULL, false, NULL, NULL),
      (3, NULL, 1.00, 1234.5, NULL, NULL, NULL),
      (4, 'a,"b"', -0.01, -2, NULL, NULL, TIMESTAMPTZ '1969-12-31 23:59:59+00')
    ) AS v(id, name, price, ratio, ok, day, "at") ORDER BY id
"""
CSV = """\
id,name,price,ratio,ok,day,at
1,plain,2.50,0.5,true,2024-02-29,2024-02-29T00:02:03.400000Z
2,"",,,false,,
3,,1.00,1234.5,,,
4,"a,""b""\",-0.01,-2.0,,,1969-12-31T23:59:59.000000Z
"""


def test_csv_keeps_empty_text_apart_from_null(tmp_path):
    """Csv keeps empty text apart from null."""
    write_one(tmp_path, ALL, ROWS, files("out/t.csv"))

    assert (tmp_path / "out/t.csv").read_text() == CSV


def test_compressed_csv_holds_the_same(tmp_path):
    """Compressed csv holds the same."""
    write_one(tmp_path, ALL, ROWS, files("t.csv.gz"))

    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()).decode() == CSV


def test_csv_with_a_word_for_null_quotes_texts(tmp_path):
    """Csv with a word for null quotes texts."""
    sink = Binding.of("files", path="t.tsv", null="NA")
    sql = "SELECT * FROM (VALUES (1::BIGINT, 'NA'), (2, ''), (3, NULL)) AS v(i, s) ORDER BY i"

    write_one(tmp_path, "i bigint, s string", sql, sink)

    assert (tmp_path / "t.tsv").read_text() == 'i\t"s"\n1\t"NA"\n2\t""\n3\tNA\n'


def test_json_lines(tmp_path):
    """Json lines."""
    write_one(tmp_path, ALL, ROWS, files("t.jsonl"))

    first, second, third, _ = (tmp_path / "t.jsonl").read_text().splitlines()
    assert json.loads(first) == {
        "id": 1, "name": "plain", "price": 2.5, "ratio": 0.5, "ok": True, "day": "2024-02-29",
        "at": "2024-02-29T00:02:03.400000Z",
    }  # fmt: skip
    assert json.loads(second)["name"] == ""
    assert json.loads(third)["name"] is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ("x double", "'nan'::DOUBLE"),
        ("x double[]", "[1.0::DOUBLE, '-inf'::DOUBLE]"),
        ("x struct(a double, b string)", "{'a': 'inf'::DOUBLE, 'b': ''}"),
        ("x map(string, double[])", "MAP {'k': ['nan'::DOUBLE]}"),
    ],
)
def test_json_refuses_what_is_no_number(tmp_path, schema, value):
    """Json refuses what is no number."""
    with pytest.raises(DataError, match=r"column 'x' of table 't': .* is no JSON number"):
        write_one(tmp_path, schema, f"SELECT {value} AS x", files("t.json"))

    assert list(tmp_path.glob("*.json")) == []


def test_json_takes_nested_numbers_and_nulls(tmp_path):
    """Json takes nested numbers and nulls."""
    sql = "SELECT * FROM (VALUES ([1.5::DOUBLE, NULL]), (NULL), ([])) AS v(x)"

    write_one(tmp_path, "x double[]", sql, files("t.json"))

    assert sorted((tmp_path / "t.json").read_text().splitlines()) == [
        '{"x":[1.5,null]}', '{"x":[]}', '{"x":null}',
    ]  # fmt: skip


def test_text_is_written_as_it_is(tmp_path):
    """Text is written as it is."""
    sql = "SELECT * FROM (VALUES (1, 'a,\"b'), (2, ''), (3, ' \\t ')) AS v(i, line) ORDER BY i"

    write_one(tmp_path, "line string", f"SELECT line FROM ({sql})", files("t.txt"))

    assert sorted((tmp_path / "t.txt").read_text().split("\n")) == ["", "", " \\t ", 'a,"b']


@pytest.mark.parametrize("value", ["NULL::VARCHAR", "'a' || chr(10) || 'b'"])
def test_text_refuses_what_a_line_cannot_say(tmp_path, value):
    """Text refuses what a line cannot say."""
    with pytest.raises(DataError, match="column 'line' of table 't'"):
        write_one(tmp_path, "line string", f"SELECT {value} AS line", files("t.txt"))


@pytest.mark.parametrize(
    ("type_", "value", "fits"),
    [
        ("smallint", 32767, True), ("smallint", 32768, False), ("smallint", -32768, True),
        ("smallint", -32769, False), ("integer", 2147483647, True), ("integer", 2147483648, False),
    ],
)  # fmt: skip
def test_narrow_integers_are_range_checked(tmp_path, type_, value, fits):
    """Narrow integers are range checked."""
    sql = f"SELECT {value}::BIGINT AS x UNION ALL SELECT NULL"

    if fits:
        write_one(tmp_path, "x bigint", sql, files("t.parquet"), sink_schema=f"x {type_}")
        with closing(duckdb.connect()) as connection:
            rows = connection.execute(
                "SELECT x, typeof(x) FROM read_parquet(?) ORDER BY x", [str(tmp_path / "t.parquet")]
            ).fetchall()
        assert rows[0] == (value, type_.upper())
        assert rows[1][0] is None
    else:
        with pytest.raises(
            DataError, match=f"column 'x' of table 't': {value} does not fit {type_}"
        ):
            write_one(tmp_path, "x bigint", sql, files("t.parquet"), sink_schema=f"x {type_}")
        assert not (tmp_path / "t.parquet").exists()


def test_not_null_at_the_sink_is_checked(tmp_path):
    """Not null at the sink is checked."""
    with pytest.raises(DataError, match="column 'x' of table 't': NULL, declared not null"):
        write_one(
            tmp_path,
            "x bigint",
            "SELECT NULL::BIGINT AS x",
            state(),
            sink_schema="x bigint not null",
        )


def test_manifest_tells_the_truth(tmp_path):
    """Manifest tells the truth."""
    sql = "SELECT range AS id, CASE WHEN range < 3 THEN 'a/b' END AS k FROM range(5)"
    sink = files("out", format="parquet", partition_by="k")

    write_one(tmp_path, "id bigint, k string", sql, sink)

    manifest = read_manifest(tmp_path / "out")
    folders = {f.name.split("/")[0]: f.rows for f in manifest.files}
    assert folders == {"k=a%2Fb": 3, "k=__HIVE_DEFAULT_PARTITION__": 2}
    assert manifest.rows == 5
    assert manifest.schema == "id bigint, k string"
    for file in manifest.files:
        data = (tmp_path / "out" / file.name).read_bytes()
        assert (file.bytes, file.sha256) == (len(data), sha256(data).hexdigest())
    with closing(duckdb.connect()) as connection:
        found = connection.execute(
            "SELECT k, count(*) FROM read_parquet(?, hive_partitioning = true) GROUP BY k ORDER BY k",
            [f"{tmp_path}/out/**/*.parquet"],
        ).fetchall()
    assert found == [("a/b", 3), (None, 2)]


def test_empty_results_leave_readable_outputs(tmp_path):
    """Empty results leave readable outputs."""
    none = "SELECT 1::BIGINT AS id, 'a' AS k WHERE false"

    write(tmp_path, [
        (table("one", "id bigint, k string", files("one.csv")), none),
        (table("two", "id bigint, k string", files("two", format="parquet")), none),
        (table("three", "id bigint, k string", files("three", format="csv", partition_by="k")), none),
    ])  # fmt: skip

    assert (tmp_path / "one.csv").read_text() == "id,k\n"
    with closing(duckdb.connect()) as connection:
        found = connection.execute("DESCRIBE FROM read_parquet(?)", [f"{tmp_path}/two/*.parquet"])
        assert [row[0] for row in found.fetchall()] == ["id", "k"]
    assert read_manifest(tmp_path / "three").rows == 0


def test_overwrite_partitions_keeps_the_others(tmp_path):
    """Overwrite partitions keeps the others."""
    sink = files("out", format="json", partition_by=["k", "j"], mode="overwrite_partitions")
    schema = "v bigint, k string, j bigint"
    write_one(
        tmp_path,
        schema,
        "FROM (VALUES (1::BIGINT,'a',1::BIGINT),(1,'a',2),(1,'b',1)) x(v,k,j)",
        sink,
    )

    write_one(tmp_path, schema, "FROM (VALUES (2::BIGINT,'a',2::BIGINT),(2,'c',1)) x(v,k,j)", sink)

    found = {
        str(path.parent.relative_to(tmp_path / "out")): json.loads(path.read_text())["v"]
        for path in (tmp_path / "out").rglob("*.json")
    }
    assert found == {"k=a/j=1": 1, "k=a/j=2": 2, "k=b/j=1": 1, "k=c/j=1": 2}
    names = {f.name.rpartition("/")[0] for f in read_manifest(tmp_path / "out").files}
    assert names == set(found)


def test_overwrite_partitions_refuses_other_columns(tmp_path):
    """Overwrite partitions refuses other columns."""
    sink = files("out", format="json", partition_by="k", mode="overwrite_partitions")
    write_one(tmp_path, "v bigint, k string", "SELECT 1::BIGINT AS v, 'a' AS k", sink)

    with pytest.raises(OutsideError, match="holds partitions with other columns"):
        write_one(tmp_path, "w bigint, k string", "SELECT 1::BIGINT AS w, 'b' AS k", sink)


def test_names_are_quoted_everywhere(tmp_path):
    """Names are quoted everywhere."""
    odd, schema = 'a"b', '"select" bigint, "x""y" string'
    sql = 'SELECT 1::BIGINT AS "select", \'v\' AS "x""y"'

    write(tmp_path, [
        (table(odd, schema, state()), sql),
        (table("select", schema, files("o'ut/s.csv"), inputs=(odd,)), 'SELECT * FROM "a""b"'),
        (table("at", schema, files("parts", format="csv", partition_by='x"y'), inputs=("select",)),
         'SELECT * FROM "select"'),
        (table("ext", schema, duckdb_table("e.duckdb", 'my"s.t"x'), inputs=("select",)),
         'SELECT * FROM "select"'),
    ])  # fmt: skip

    assert answer(tmp_path / "state", 'FROM "a""b"')[2] == [(1, "v")]
    assert (tmp_path / "o'ut/s.csv").read_text() == 'select,"x""y"\n1,v\n'
    assert len(list((tmp_path / "parts").rglob("*.csv"))) == 1
    with closing(duckdb.connect(str(tmp_path / "e.duckdb"), read_only=True)) as connection:
        assert connection.execute('FROM "my""s"."t""x"').fetchall() == [(1, "v")]


def test_table_read_later_is_computed_once(tmp_path):
    """Table read later is computed once."""
    steps = [
        (table("kept", "x double", files("kept.json")), "SELECT random() AS x"),
        (table("copy", "x double", files("copy.json"), inputs=("kept",)), 'SELECT * FROM "kept"'),
        (table("inner", "x double", state()), "SELECT random() AS x"),
        (table("last", "x double", files("last.json"), inputs=("inner",)), 'SELECT * FROM "inner"'),
    ]

    write(tmp_path, steps)

    assert (tmp_path / "kept.json").read_text() == (tmp_path / "copy.json").read_text()
    kept = answer(tmp_path / "state", 'SELECT x FROM "inner"')[2][0][0]
    assert json.loads((tmp_path / "last.json").read_text())["x"] == kept


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (files("a.csv"), files("./b/../a.csv")),
        (files("a/", format="csv"), files("a/b.csv")),
        (duckdb_table("a.duckdb", "t"), duckdb_table("a.duckdb", "T")),
        (duckdb_table("a/b.duckdb", "t"), files("a", format="csv")),
    ],
)
def test_two_tables_on_one_path_are_refused(tmp_path, one, other):
    """Two tables on one path are refused."""
    steps = [(table("x", "i bigint", one), "SELECT 1"), (table("y", "i bigint", other), "SELECT 1")]

    with pytest.raises(CheckFailed, match="is also written by table 'x'") as refused:
        write(tmp_path, steps)

    assert [f.code for f in refused.value.findings] == ["DuplicateSink"]


@pytest.mark.parametrize(
    ("reads", "sink", "is_inside"),
    [
        ("in.csv", files("in.csv"), True),
        ("in", files("in/out.csv"), True),
        ("in/*.csv", files("in/out.csv"), True),
        ("in/*.csv", files("in/out.json"), False),
        ("in/*.csv", files("in/deep/out.csv"), False),
        ("in/**/*.csv", files("in/deep/out.csv"), True),
        ("in/**/*.csv", files("in/parts", format="csv", partition_by="i"), True),
        ("in/**/*.csv", files("in/parts", format="json", partition_by="i"), False),
        ("out/2024-*/*.csv", files("out", format="csv"), True),
        ("in/a.csv", files("in/b.csv"), False),
    ],
)
def test_sink_inside_its_own_source_is_refused(tmp_path, reads, sink, is_inside):
    """Sink inside its own source is refused."""
    source = Source("s", files(reads, format="csv"), parse_schema("i bigint"))
    steps = [(table("t", "i bigint, j bigint", sink), "SELECT 1 AS i, 2 AS j")]

    if is_inside:
        with pytest.raises(CheckFailed, match="is inside what source 's' reads"):
            write(tmp_path, steps, [source])
    else:
        write(tmp_path, steps, [source])


@pytest.mark.parametrize(
    ("schema", "sink", "code"),
    [
        ("x bigint[]", files("t.csv"), "TypeInFormat"),
        ("x bytes", files("t.json"), "TypeInFormat"),
        ("x bigint", files("t.txt"), "TypeInFormat"),
        ("x bigint", files("t", format="csv", partition_by="y"), "ColumnNotFound"),
        ("x bigint", files("t", format="csv", partition_by="x"), "NothingToWrite"),
        ("x bigint", files("t", format="csv", mode="overwrite_partitions"), "NoPartitions"),
    ],
)
def test_what_a_sink_cannot_hold_is_refused_before_the_run(tmp_path, schema, sink, code):
    """What a sink cannot hold is refused before the run."""
    with pytest.raises(CheckFailed) as refused:
        write_one(tmp_path, schema, "SELECT 1 AS x", sink)

    assert [f.code for f in refused.value.findings] == [code]
    assert list((tmp_path / "state").iterdir()) == []


def test_format_that_cannot_be_told_is_refused(tmp_path):
    """Format that cannot be told is refused."""
    with pytest.raises(DefinitionError, match="cannot be told from its name"):
        write_one(tmp_path, "x bigint", "SELECT 1 AS x", files("t.out"))


def test_file_and_folder_are_not_mistaken(tmp_path):
    """File and folder are not mistaken."""
    (tmp_path / "d.csv").mkdir()
    (tmp_path / "f").write_text("mine")

    with pytest.raises(OutsideError, match="is a folder"):
        write_one(tmp_path, "x bigint", "SELECT 1 AS x", files("d.csv"))
    with pytest.raises(OutsideError, match="is a file"):
        write_one(tmp_path, "x bigint", "SELECT 1 AS x", files("f/", format="csv"))

    assert (tmp_path / "f").read_text() == "mine"


def test_force_replaces_foreign_files(tmp_path):
    """Force replaces foreign files."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/mine.txt").write_text("mine")

    write_one(tmp_path, "x bigint", "SELECT 1 AS x", files("d", format="csv", force=True))

    assert not (tmp_path / "d/mine.txt").exists()


def test_duckdb_sink_keeps_the_keys_of_the_table(tmp_path):
    """Duckdb sink keeps the keys of the table."""
    path = tmp_path / "e.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("CREATE TABLE t (v VARCHAR, i BIGINT PRIMARY KEY)")
    for word in ("one", "two"):
        write_one(
            tmp_path, "i bigint, v string", f"SELECT 1::BIGINT AS i, '{word}' AS v",
            duckdb_table("e.duckdb", "t"),
        )  # fmt: skip

    with pytest.raises(DataError, match=r"(?i)primary key|duplicate key"):
        write_one(
            tmp_path, "i bigint, v string", "SELECT 1::BIGINT AS i, 'x' AS v FROM range(2)",
            duckdb_table("e.duckdb", "t"),
        )  # fmt: skip

    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        assert connection.execute("SELECT v, i FROM t").fetchall() == [("two", 1)]


def test_path_below_a_file_is_refused(tmp_path):
    """Nobody's file is replaced by a folder."""
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutsideError, match="a folder above it is a file"):
        write_one(tmp_path, "id bigint", "SELECT 1::BIGINT AS id", files("out/t.csv"))

    assert (tmp_path / "out").read_text() == "mine"
