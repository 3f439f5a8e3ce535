"""``mode="append"``: what a second run finds, keeps, adds and refuses."""

import os
import shutil

import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.errors import CheckFailed, DataError, OutsideError
from mainstem.storage.local.manifest import read_manifest
from tests.unit.embedded_writing.sinks import held, is_whole, run_rows, table

ONE, TWO = "id,v\n1,a\n2,b\n", "id,v\n3,a\n"
READERS = {
    "parquet": ("read_parquet", "**/*.parquet", ""),
    "csv": ("read_csv", "**/*.csv", ", header=true"),
    "json": ("read_json", "**/*.json", ""),
}


def out(format_="parquet", **words):
    """A folder that is appended to."""
    return files("out", format=format_, mode="append", **words)


@pytest.mark.parametrize("by", [None, "v"])
@pytest.mark.parametrize("format_", READERS)
def test_each_run_adds_its_rows(tmp_path, format_, by):
    """Two runs, three rows; the first run's files are the same files."""
    run_rows(tmp_path, ONE, out(format_, partition_by=by))
    before = {
        f: (tmp_path / "out" / f.name).stat().st_ino for f in read_manifest(tmp_path / "out").files
    }
    ledger = run_rows(tmp_path, TWO, out(format_, partition_by=by))

    reader, glob, more = READERS[format_]
    found = held(tmp_path / "out", "id, v", reader=reader, glob=glob, more=more)
    assert found == [(1, "a"), (2, "b"), (3, "a")]
    assert (ledger["offered"], ledger["committed"], ledger["already_there"]) == (1, 1, 0)
    manifest = read_manifest(tmp_path / "out")
    # How many rows each of several CSV or JSON files has is not known (the first run wrote two).
    assert manifest.rows == (None if by and format_ != "parquet" else 3)
    assert manifest.mode == "append"
    assert {f: (tmp_path / "out" / f.name).stat().st_ino for f in before} == before
    assert is_whole(tmp_path / "out")


def test_text_is_appended_too(tmp_path):
    """The fourth format, compressed."""
    sink = files("out", format="text", compression="gzip", mode="append")
    for text in (ONE, TWO):
        run_rows(tmp_path, text, sink, sql="SELECT v AS line FROM rows")

    found = held(tmp_path / "out", reader="read_csv", glob="*.txt.gz", more=", header=false")
    assert found == [("a",), ("a",), ("b",)]


def test_names_of_files_depend_on_the_epoch_and_what_was_read(tmp_path):
    """Not on the process or the run: a second attempt writes the same names."""
    names = []
    for base in (tmp_path / "x", tmp_path / "y"):
        base.mkdir()
        (base / "in.csv").write_text(ONE)
        os.utime(base / "in.csv", ns=(10**18, 10**18))
        names.append(first_name(base))

    assert names[0].startswith("part-000001-")
    assert names[0].endswith("-0.parquet")
    # The path of the input is part of the positions, so they differ in the token's part alone.
    assert names[0][:12] == names[1][:12]


def first_name(base):
    """The name of the first run's only file, and the same again from an empty start."""
    run_rows(base, ONE, out())
    (name,) = [f.name for f in read_manifest(base / "out").files]
    return name


def test_no_rows_add_no_file(tmp_path):
    """A day without orders leaves no empty file behind; the first run does, to have a schema."""
    run_rows(tmp_path, ONE, out())
    ledger = run_rows(tmp_path, "id,v\n", out())

    assert ledger["offered"] == 0
    assert len(read_manifest(tmp_path / "out").files) == 1
    assert is_whole(tmp_path / "out")


def test_without_links_files_are_copied(tmp_path, monkeypatch):
    """File systems without hard links hold the same."""
    monkeypatch.setenv("MAINSTEM_TESTING", "1")
    monkeypatch.setenv("MAINSTEM_NO_LINK", "1")
    run_rows(tmp_path, ONE, out())
    inode = next((tmp_path / "out").glob("*.parquet")).stat().st_ino
    run_rows(tmp_path, TWO, out())

    assert held(tmp_path / "out", "id") == [(1,), (2,), (3,)]
    assert inode not in {p.stat().st_ino for p in (tmp_path / "out").glob("*.parquet")}


def test_added_column_is_null_in_old_rows(tmp_path):
    """All files of the folder have it afterwards."""
    run_rows(tmp_path, ONE, out(partition_by="v"))
    ledger = run_rows(
        tmp_path, TWO, out(partition_by="v"), sql="SELECT id, v, id * 10 AS w FROM rows"
    )

    assert ledger["offered"] == 1
    more = ", hive_partitioning=true"
    assert held(tmp_path / "out", "id, v, w", more=more) == [
        (1, "a", None),
        (2, "b", None),
        (3, "a", 30),
    ]
    assert read_manifest(tmp_path / "out").rows == 3
    assert is_whole(tmp_path / "out")


CHANGES = {
    "gone": ("SELECT id FROM rows", {}, "this run does not give column v"),
    "retyped": ("SELECT CAST(id AS string) AS id, v FROM rows", {}, "column id was bigint, is string"),
    "not null": (
        "SELECT id, v, 1 AS w FROM rows", {"schema": "id bigint, v string, w bigint not null"},
        "column w is new and not null",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "words", "why"), CHANGES.values(), ids=CHANGES.keys())
def test_other_changes_of_columns_are_refused(tmp_path, sql, words, why):
    """Each by name; the folder is as it was."""
    run_rows(tmp_path, ONE, out())
    with pytest.raises(OutsideError, match=why) as caught:
        run_table(tmp_path, sql, **words)

    assert caught.value.finding.code == "SinkRowsDiffer"
    assert held(tmp_path / "out", "id, v") == [(1, "a"), (2, "b")]


def run_table(base, sql, schema=None):
    """A run with another query, and maybe a declared schema of the sink."""
    from mainstem.definition.pipeline import Pipeline
    from mainstem.runtime.run import RunOptions, run

    p = Pipeline("growing")
    p.source("rows", files("in.csv"), schema="id bigint, v string")
    p.table("t", sql, sink=out(), **({"schema": schema} if schema else {}))
    return list(run(p.plan(), RunOptions(base, run_key="own")))


@pytest.mark.parametrize("change", [{"partition_by": "v"}, {"format_": "csv"}])
def test_another_layout_is_refused(tmp_path, change):
    """Half of the folder in one form and half in another is read by nobody."""
    run_rows(tmp_path, ONE, out())
    with pytest.raises(OutsideError, match=r"partition_by was|its files are written as parquet"):
        run_rows(tmp_path, TWO, out(**change))


def test_new_column_of_csv_is_refused(tmp_path):
    """Its files stay as they are."""
    run_rows(tmp_path, ONE, out("csv"))
    with pytest.raises(OutsideError, match="column w is new, and csv files stay as they are"):
        run_rows(tmp_path, TWO, out("csv"), sql="SELECT id, v, 1 AS w FROM rows")


def test_single_file_is_refused_with_the_folder_to_name(tmp_path):
    """Before anything runs."""
    with pytest.raises(CheckFailed, match=r"'out/t\.csv\.gz' is a single file") as caught:
        run_rows(tmp_path, ONE, files("out/t.csv.gz", mode="append"))

    assert "files('out/t', format='csv')" in caught.value.findings[0].fix


@pytest.mark.parametrize("force", [None, True])
def test_foreign_files_are_refused_always(tmp_path, force):
    """They would not be in the new folder."""
    run_rows(tmp_path, ONE, out())
    (tmp_path / "out/theirs.parquet").write_text("x")
    with pytest.raises(OutsideError, match="holds files that Mainstem did not write: theirs"):
        run_rows(tmp_path, TWO, out(force=force))

    assert (tmp_path / "out/theirs.parquet").read_text() == "x"


def test_file_of_another_size_is_named(tmp_path):
    """What the manifest no longer describes is not taken over."""
    run_rows(tmp_path, ONE, out())
    (file,) = (tmp_path / "out").glob("*.parquet")
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(OutsideError, match=rf"{file.name} has \d+ bytes, the manifest says \d+"):
        run_rows(tmp_path, TWO, out())


SINKS = {
    "files": (out, lambda base: held(base / "out", "id")),
    "duckdb": (
        lambda **words: duckdb_table("w.duckdb", "t", mode="append", **words),
        lambda base: table(base / "w.duckdb", "SELECT id FROM t ORDER BY id"),
    ),
}


@pytest.mark.parametrize("kind", SINKS)
def test_the_same_epoch_again_adds_nothing(tmp_path, kind):
    """A state directory from before the run was restored: same files, same token."""
    sink, content = SINKS[kind]
    run_rows(tmp_path, ONE, sink())
    shutil.copytree(tmp_path / ".mainstem", tmp_path / "old")
    run_rows(tmp_path, TWO, sink())
    shutil.rmtree(tmp_path / ".mainstem")
    (tmp_path / "old").rename(tmp_path / ".mainstem")
    times = (tmp_path / "in.csv").stat()

    (tmp_path / "in.csv").write_text(TWO)
    os.utime(tmp_path / "in.csv", ns=(times.st_atime_ns, times.st_mtime_ns))
    ledger = rerun(tmp_path, sink())

    assert (ledger["offered"], ledger["committed"], ledger["already_there"]) == (1, 0, 1)
    assert content(tmp_path) == [(1,), (2,), (3,)]
    # And the next one goes on from there.
    run_rows(tmp_path, "id,v\n4,d\n", sink())
    assert content(tmp_path) == [(1,), (2,), (3,), (4,)]


def rerun(base, sink):
    """Run over the input as it stands."""
    from mainstem.definition.pipeline import Pipeline
    from mainstem.runtime.run import RunOptions, run

    p = Pipeline("growing")
    p.source("rows", files("in.csv"), schema="id bigint, v string")
    p.table("t", "SELECT * FROM rows", sink=sink)
    *_, end = run(p.plan(), RunOptions(base, run_key="own"))
    return end.facts["ledger"]["sinks"]["t"]


@pytest.mark.parametrize("kind", SINKS)
def test_sink_ahead_of_the_state_is_refused(tmp_path, kind):
    """The state directory is gone: nobody knows which rows are in the sink."""
    sink, content = SINKS[kind]
    run_rows(tmp_path, ONE, sink())
    shutil.rmtree(tmp_path / ".mainstem")

    with pytest.raises(OutsideError, match="it holds epoch 1, this run is epoch 1") as caught:
        run_rows(tmp_path, TWO, sink())
    assert caught.value.finding.code == "SinkAhead"
    assert content(tmp_path) == [(1,), (2,)]
    run_rows(tmp_path, TWO, sink(force=True))
    assert content(tmp_path) == [(1,), (2,), (3,)]


@pytest.mark.parametrize("kind", SINKS)
def test_sink_of_another_pipeline_is_refused(tmp_path, kind):
    """Its epochs say nothing about this one's."""
    from mainstem.definition.pipeline import Pipeline
    from mainstem.runtime.run import RunOptions, run

    sink, content = SINKS[kind]
    run_rows(tmp_path, ONE, sink())
    p = Pipeline("other")
    p.source("rows", files("in.csv"), schema="id bigint, v string")
    p.table("t", "SELECT * FROM rows", sink=sink())
    with pytest.raises(OutsideError, match="filled by table 't' of pipeline 'growing'"):
        list(run(p.plan(), RunOptions(tmp_path, run_key="own")))

    assert content(tmp_path) == [(1,), (2,)]


def test_duckdb_table_grows(tmp_path):
    """Rows and a new column; its own rows and those of somebody else stay."""
    import duckdb

    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 0::BIGINT AS id, 'theirs' AS v")
    sink = duckdb_table("w.duckdb", "t", mode="append")
    run_rows(tmp_path, ONE, sink)
    ledger = run_rows(tmp_path, TWO, sink, sql="SELECT v, id, id * 2 AS w FROM rows")

    assert ledger["committed"] == 1
    assert table(tmp_path / "w.duckdb", "SELECT id, v, w FROM t ORDER BY id") == [
        (0, "theirs", None), (1, "a", None), (2, "b", None), (3, "a", 6),
    ]  # fmt: skip


def test_duckdb_table_with_fewer_columns_is_refused(tmp_path):
    """A column that went away."""
    sink = duckdb_table("w.duckdb", "t", mode="append")
    run_rows(tmp_path, ONE, sink)
    with pytest.raises(DataError, match="it has the columns id bigint, v varchar"):
        run_rows(tmp_path, TWO, sink, sql="SELECT id FROM rows")
