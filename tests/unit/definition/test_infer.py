"""Inferred schemas are written where they belong, and are schemas that a run accepts."""

from pathlib import Path

import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.infer import edit, first_pipeline, sources_without_schema
from mainstem.definition.load import load
from mainstem.engines.embedded.infer import infer_schema
from mainstem.errors import DataError, DefinitionError, OutsideError, UnsupportedError
from mainstem.plan.types import parse_schema

SCHEMA = parse_schema('id bigint, "odd name" string')
WIDE = parse_schema(", ".join(f"a_rather_long_column_{i} timestamp" for i in range(9)))

PYTHON = """import mainstem as ms

p = ms.Pipeline("p")
p.source("declared", ms.files("d.csv"), schema="x bigint")
{call}
p.table("t", "SELECT 1 AS x")
"""
CALLS = [
    'p.source("s", ms.files("s.csv"))',
    'p.source("s", ms.files("s.csv"),)',
    'p.source("s", ms.files("s.csv"), event_time="id")',
    'p.source(\n    "s",\n    ms.files("sä.csv"),  # a comment, with "quotes"\n)',
    'p.source(name="s", binding=ms.files("s.csv"))',
    'p.lookup("s", ms.files("s.csv"), key="id")',
    's = p.source("s", ms.files(\n    "s.csv",\n    null="NA",\n)); x = "ü"',
]


def written(folder, text, name="p.py"):
    """Write a file as bytes: line ends stay what they are."""
    file = folder / name
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("schema", [SCHEMA, WIDE])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_schema_is_written_into_the_call(tmp_path, call, schema, ends):
    """The file then declares it, the rest is as it was, and a second time has nothing to do."""
    text = PYTHON.format(call=call).replace("\n", ends)
    file = written(tmp_path, text)
    change = edit(file, {"s": schema})
    assert file.read_bytes().decode() == text  # not made before it is asked for
    change.write()

    found = load(file)
    assert {source.name: source.schema for source in found.sources}["s"] == schema
    assert sources_without_schema(found) == []
    after = file.read_bytes().decode()
    kept = iter(after)
    assert all(letter in kept for letter in text)  # only insertions
    removed = [line for line in change.diff().splitlines()[2:] if line.startswith("-")]
    assert len(removed) == 1


def test_sql_file_gets_its_columns(tmp_path):
    """After the name, comments and case as they were."""
    text = "create source s -- of all\n FROM files('s.csv');\nCREATE TABLE t AS SELECT id FROM s\n"
    file = written(tmp_path, text, "p.sql")
    edit(file, {"s": SCHEMA}).write()

    assert file.read_text() == text.replace(
        "source s", 'source s (\n    id bigint, "odd name" string\n)'
    )
    assert load(file).plan(environ={}).sources[0].schema == SCHEMA


def test_change_is_shown_as_a_diff(tmp_path):
    """What --infer prints before it writes."""
    file = written(tmp_path, "p.source('s', b)\n")

    assert edit(file, {"s": parse_schema("id bigint")}).diff().splitlines()[2:] == [
        "@@ -1 +1 @@", "-p.source('s', b)", "+p.source('s', b, schema=\"id bigint\")",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "call", ['p.source("s")', 'declare("s", b)', 'p.source("s", (b))', "p.source(NAME, b)"]
)
def test_call_that_cannot_be_edited_gives_the_text_to_paste(tmp_path, call):
    """Nothing is written into a place that may be the wrong one."""
    file = written(tmp_path, f"{call}\n")

    with pytest.raises(DefinitionError, match=r'fix: add schema="id bigint'):
        edit(file, {"s": SCHEMA})
    assert file.read_text() == f"{call}\n"


def test_file_that_changed_meanwhile_is_left_alone(tmp_path):
    """An editor may have saved it between the diff and the answer."""
    file = written(tmp_path, "p.source('s', b)\n")
    change = edit(file, {"s": SCHEMA})
    file.write_text("something else\n")

    with pytest.raises(DefinitionError, match="changed in the meantime"):
        change.write()
    assert file.read_text() == "something else\n"


def test_first_pipeline_is_one_that_checks(tmp_path):
    """`init --from` gives a file that runs."""
    text = first_pipeline("orders", "raw", "data/orders.csv", WIDE)
    found = load(written(tmp_path, text)).plan(environ={})

    assert (found.name, found.sources[0].schema) == ("orders", WIDE)
    assert found.tables[0].schema.names == WIDE.names


# What is proposed


def csv(folder, *rows):
    """Infer the schema of a CSV file with the columns a and b."""
    (folder / "f.csv").write_text("\n".join(["a,b", *rows]) + "\n")
    return str(infer_schema(files("f.csv", null="NA"), folder))


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "-2", "+3", "NA"], "bigint"), (["9223372036854775807"], "bigint"),
        (["1", "2.5"], "double"), (["1e5", ".5", "3."], "double"),
        (["true", "FALSE"], "boolean"), (["2024-02-29"], "date"),
        (["2024-01-01 10:00", "2024-01-01T10:00:00.123456Z"], "timestamp"),
        (["2024-01-01T10:00:00+05:30"], "timestamp"),
        (["2024-01-01", "2024-01-01 10:00"], "string"), (["2024-02-30"], "string"),
        (["01234"], "string"), (["007", "1"], "string"), (["9223372036854775808"], "string"),
        (["1.0", "12345678901234567890"], "string"), (["1", "x"], "string"), (["NA", ""], "string"),
        (["01/02/2024"], "string"), (["yes"], "string"), (["1,5"], "string"), (["e5"], "string"),
        (["."], "string"),
    ],
)  # fmt: skip
def test_type_of_a_csv_column_fits_every_value(tmp_path, values, type_):
    """Leading zeros and long numbers stay text: they would come back changed."""
    rows = [f'"{value}",x' if "," in value else f"{value},x" for value in values]

    assert csv(tmp_path, *rows) == f"a {type_}, b string"


def test_inferred_csv_is_accepted_by_a_run(tmp_path):
    """The types proposed are those that the ingest of a run reads without a bad row."""
    import mainstem as ms

    (tmp_path / "f.csv").write_text(
        "i,d,b,day,at,s\n1,.5,TRUE,2024-02-29,2024-01-01T10:00,007\n,,,,,\n-7,1e-3,false,0001-01-01,"
        "2024-12-31 23:59:59.999999+14,x\n"
    )
    p = ms.Pipeline("p")
    p.source("s", files("f.csv"), schema=infer_schema(files("f.csv"), tmp_path))
    p.table("t", "SELECT * FROM s")

    assert [field.type.kind for field in p.plan(environ={}).sources[0].schema.fields] == [
        "bigint", "double", "boolean", "date", "timestamp", "string",
    ]  # fmt: skip
    assert p.run(base_dir=tmp_path).rows("t") == 3


def test_records_that_cannot_be_read_say_nothing_about_the_others(tmp_path):
    """A profile of dirty data is asked for because it is dirty; a run meets the records again."""
    assert csv(tmp_path, "1,2", "2,3,4", '"x', "3,4") == "a bigint, b bigint"

    (tmp_path / "f.jsonl").write_bytes(b'{"a": 1}\n{"a": 2\n{"a": "\xff"}\n')
    assert str(infer_schema(files("f.jsonl"), tmp_path)) == "a bigint"


def test_json_lines_have_nested_types(tmp_path):
    """Structs and lists from their structure; times from their texts; mixed kinds are text."""
    (tmp_path / "f.jsonl").write_text(
        '{"id": 1, "at": "2024-01-01T00:00:00Z", "in": {"a": 1, "b": [1.5]}, "m": 1, "code": "7", '
        '"big": 9223372036854775808}\n'
        '{"id": -2, "at": null, "m": "x", "ok": true, "e": [], "code": "8"}\n'
    )

    assert str(infer_schema(files("f.jsonl"), tmp_path)) == (
        "id bigint, at timestamp, in struct(a bigint, b double[]), m string, code string, "
        "big decimal(38,0), ok boolean, e string[]"
    )


def test_parquet_and_duckdb_have_their_own_types(tmp_path):
    """Exactly what the file declares."""
    import duckdb

    sql = (
        "SELECT 1::INTEGER AS a, 2::DECIMAL(12,2) AS b, [1::BIGINT] AS c, {'x': 'y'} AS d, "
        "MAP {'k': 1.5::DOUBLE} AS e, TIMESTAMPTZ '2024-01-01 00:00:00Z' AS f, 'x'::BLOB AS g"
    )
    wanted = (
        "a integer, b decimal(12,2), c bigint[], d struct(x string), e map(string, double), "
        "f timestamp, g bytes"
    )
    with duckdb.connect(tmp_path / "x.duckdb") as connection:
        connection.execute(f"CREATE TABLE t AS {sql}")
        connection.execute("CREATE TABLE odd AS SELECT TIME '10:00' AS at, 1 AS x")
        connection.execute(f"COPY t TO '{tmp_path / 'p.parquet'}'")

    assert str(infer_schema(files("p.parquet"), tmp_path)) == wanted
    assert str(infer_schema(duckdb_table("x.duckdb", "t"), tmp_path)) == wanted
    with pytest.raises(UnsupportedError, match="no place in the contract: at TIME"):
        infer_schema(duckdb_table("x.duckdb", "odd"), tmp_path)


def test_parquet_column_of_nothing_but_null_is_text(tmp_path):
    """As an empty column of a CSV file: any type would do, and the others are worth knowing."""
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": [1], "b": [None]}), tmp_path / "p.parquet")
    assert str(infer_schema(files("p.parquet"), tmp_path)) == "a bigint, b string"


def test_folders_of_a_hive_layout_are_columns(tmp_path):
    """After those of the file, whole numbers only when every folder has one."""
    for day, place in (("1", "a"), ("2", "7")):
        folder = tmp_path / "d" / f"day={day}" / f"place={place}"
        folder.mkdir(parents=True)
        (folder / "f.csv").write_text("x\n1\n")

    found = infer_schema(files("d/**/*.csv", hive=True), tmp_path)
    assert str(found) == "x bigint, day bigint, place string"


def test_zip_and_headerless_files(tmp_path):
    """What a run can read can be inferred."""
    import zipfile

    with zipfile.ZipFile(tmp_path / "f.csv.zip", "w") as archive:
        archive.writestr("f.csv", "1;x\n2;y\n")

    found = infer_schema(files("f.csv.zip", header=False, delimiter=";"), tmp_path)
    assert str(found) == "column_1 bigint, column_2 string"


def test_nothing_to_infer_from_is_said(tmp_path):
    """An empty file, and none."""
    (tmp_path / "f.csv").write_text("")

    with pytest.raises(DataError, match="no columns"):
        infer_schema(files("f.csv"), tmp_path)
    with pytest.raises(OutsideError):
        infer_schema(files("none.csv"), Path(tmp_path))
