"""Files on a real HDFS, as sources and as sinks: the same answers as from files of this machine."""

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

import mainstem as ms
from mainstem.errors import (
    DataError,
    MainstemError,
    OutsideError,
)
from mainstem.filesystems import file_system
from mainstem.formats.compression import zstd_module
from mainstem.runtime.run import repair
from mainstem.runtime.state import state_dir
from mainstem.storage.local import points
from tests.servers import hdfs_case as case

CSV = b'id,name,at\n1,"x, y",2024-02-29T00:00:00Z\n2,,2023-01-01 10:00:00.5\n3,"",2022-01-01T00:00+01:00\n'
JSON = b'{"id": 1, "name": "\\u00e9"}\n{"id": 2}\n\n{"id": 3, "name": null, "more": [1]}\n'
TEXT = "one\n\nthree é\n".encode()
COLUMNS = "id bigint not null, name string, at timestamp"


def zipped(content: bytes) -> bytes:
    """An archive of one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", content)
    return file.getvalue()


def parquet(scratch: Path, sql: str) -> bytes:
    """A Parquet file of what a query gives."""
    with closing(duckdb.connect()) as connection:
        connection.execute(f"COPY ({sql}) TO '{scratch}/made.parquet' (ROW_GROUP_SIZE 2048)")
    return (scratch / "made.parquet").read_bytes()


def inputs(scratch: Path) -> dict[str, bytes]:
    """Files of every format, by their names in a folder."""
    many = (
        "SELECT i AS id, 'n' || i % 7 AS name, TIMESTAMPTZ '2024-01-01' AS at FROM range(9000) t(i)"
    )
    return {
        "csv/a.csv": CSV, "csv/b.csv": CSV.replace(b"\n", b"\r\n"),
        "tsv/a.tsv": CSV.replace(b",", b"\t").replace(b"x\t", b"x,"),
        "gz/a.csv.gz": gzip.compress(CSV), "zst/a.csv.zst": zstd_module().compress(CSV),
        "zip/a.csv.zip": zipped(CSV),
        "json/a.jsonl": JSON, "jsongz/a.json.gz": gzip.compress(JSON),
        "text/a.txt": TEXT, "textzst/a.log.zst": zstd_module().compress(TEXT),
        "hive/k=1/a.csv": CSV, "hive/k=2/a b.csv": CSV, "hive/_not/a.csv": CSV,
        "mixed/a.csv": CSV.replace(b"\n", b"\r\n", 1), "quoted/a.csv": CSV.replace(b"x, y", b"x\ny"),
        "bad/a.csv": CSV + b"four,x,\n",
        "parquet/a.parquet": parquet(scratch, many),
        "parquet/b#c%20.parquet": parquet(scratch, many + " WHERE i < 5"),
        "hiveparquet/k=1/a.parquet": parquet(scratch, many + " WHERE i > 8000"),
    }  # fmt: skip


def read_all(folder: str) -> ms.Pipeline:
    """A pipeline that reads every folder of `inputs` and writes what it finds to local files."""
    p = ms.Pipeline("reading")
    tables = {
        "csv": {}, "tsv": {}, "gz": {}, "zst": {}, "zip": {}, "json": {}, "jsongz": {},
        "hive": {"hive": True}, "mixed": {}, "quoted": {"multiline": True}, "bad": {},
        "parquet": {"strict": True}, "hiveparquet": {"hive": True},
    }  # fmt: skip
    for name, options in tables.items():
        columns = "id bigint not null, name string" if "json" in name else COLUMNS
        more = ", k bigint" if "hive" in name else ""
        p.source(f"s_{name}", ms.files(f"{folder}/{name}", **options), schema=columns + more,
                 on_bad="dead_letter" if name == "bad" else "fail")  # fmt: skip
        p.table(
            name,
            f"SELECT * FROM s_{name} ORDER BY id, name{more[:3]}",
            sink=ms.files(f"{name}.csv"),
        )
    for name in ("text", "textzst"):
        p.source(
            f"s_{name}", ms.files(f"{folder}/{name}"), schema="line string, line_number bigint"
        )
        p.table(name, f"SELECT * FROM s_{name} ORDER BY line_number", sink=ms.files(f"{name}.csv"))
    p.source(
        "s_globbed",
        ms.files(f"{folder}/**/a.csv*", format="csv", multiline=True),
        schema="id string",
    )
    p.table("globbed", "SELECT count(*) AS n FROM s_globbed", sink=ms.files("globbed.csv"))
    return p


def test_every_format_is_read_as_from_this_machine(hdfs, tmp_path):
    """All files, all options: the outputs are equal byte by byte."""
    here, folder = tmp_path / "here", case.folder_on(hdfs)
    for name, content in inputs(tmp_path).items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(content)
        case.put(folder, name, content, tmp_path)

    results = {}
    for base, place in (("near", str(here)), ("far", folder)):
        (tmp_path / base).mkdir()
        result = read_all(place).run(base_dir=tmp_path / base)
        assert result.status == "succeeded"
        results[base] = {f.name: f.read_text() for f in (tmp_path / base).glob("*.csv")}

    assert len(results["near"]) == 16
    assert results["far"] == results["near"]
    assert results["far"]["zip.csv"].splitlines()[1] == '1,"x, y",2024-02-29T00:00:00.000000Z'
    assert results["far"]["bad.csv"].count("\n") == 4
    assert results["far"]["parquet.csv"].count("\n") == 9006


def write_all(folder: str) -> ms.Pipeline:
    """A pipeline that writes every format below a folder."""
    p = ms.Pipeline("writing")
    p.source("rows", ms.files("in.csv"), schema=COLUMNS)
    sql = "SELECT id, name, at FROM rows ORDER BY id"
    for name in ("a.csv", "a.tsv", "a.csv.gz", "a.csv.zst", "a.json", "a.json.gz", "a.parquet"):
        table = name.replace(".", "_")
        p.table(table, sql, sink=ms.files(f"{folder}/{name}"))
    p.table("text", "SELECT 'line ' || CAST(id AS string) AS line FROM rows ORDER BY id",
            sink=ms.files(f"{folder}/a.txt"))  # fmt: skip
    p.table("folder", sql, sink=ms.files(f"{folder}/folder/", format="json"))
    p.table("parts", sql, sink=ms.files(f"{folder}/parts", format="parquet", partition_by="name"))
    return p


def test_every_format_is_written_as_on_this_machine(hdfs, tmp_path):
    """Twice, so that the second run replaces the first; and it is read back."""
    folder = case.folder_on(hdfs)
    (tmp_path / "in.csv").write_bytes(b"id,name,at\n9,old,\n")
    write_all(folder).run(base_dir=tmp_path)
    (tmp_path / "in.csv").write_bytes(CSV)
    result = write_all(folder).run(base_dir=tmp_path)
    write_all("out").run(base_dir=tmp_path, state_dir=tmp_path / "other")

    for local in (tmp_path / "out").glob("a.*"):
        assert case.read(f"{folder}/{local.name}") == local.read_bytes()
    assert result.status == "succeeded"

    def shape(paths) -> list[str]:
        return sorted("/".join(str(path).split("/")[-2:-1]) for path in paths)

    there = file_system(folder).find(f"{folder}/parts")
    assert shape(there) == shape((tmp_path / "out/parts").rglob("*.parquet")) == [
        "name=", "name=__HIVE_DEFAULT_PARTITION__", "name=x%2C%20y",
    ]  # fmt: skip
    p = ms.Pipeline("back")
    p.source("parts", ms.files(f"{folder}/parts", hive=True), schema=COLUMNS)
    p.source("json", ms.files(f"{folder}/folder"), schema=COLUMNS)
    p.table("t", "SELECT p.id, p.name, j.at FROM parts p JOIN json j ON p.id = j.id ORDER BY p.id",
            sink=ms.files("back.csv"))  # fmt: skip
    p.run(base_dir=tmp_path)
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "out/a.csv").read_bytes()
    assert case.leftovers(tmp_path, folder) == []


def failure(pipeline: ms.Pipeline, base: Path) -> MainstemError:
    """The error of a run."""
    with pytest.raises(MainstemError) as error:
        pipeline.run(base_dir=base)
    return error.value


def copying(source: str, sink: str, **options) -> ms.Pipeline:
    """A pipeline that copies ids."""
    p = ms.Pipeline("copying")
    p.source("s", ms.files(source), schema="id bigint")
    p.table("t", "SELECT id FROM s ORDER BY id", sink=ms.files(sink, **options))
    return p


def test_what_is_not_there_is_said(hdfs, tmp_path):
    """Nothing at a path or a glob, an empty folder, and nobody at a port."""
    folder = case.folder_on(hdfs)
    case.put(folder, "in/a.csv", b"id\n1\n", tmp_path)
    file_system(folder).make_folder(f"{folder}/empty")
    for path, said in (
        ("nope.csv", "no file matches"), ("*.tsv", "no file matches"), ("empty", "has no files"),
    ):  # fmt: skip
        error = failure(copying(f"{folder}/{path}", "out.csv"), tmp_path)
        assert (error.finding.code, error.exit_code) == ("FileNotFound", 4)
        assert said in error.finding.what

    nobody = "hdfs://127.0.0.1:1"
    for pipeline in (
        copying(f"{nobody}/a.csv", "out.csv"), copying(f"{folder}/in", f"{nobody}/out.csv"),
    ):  # fmt: skip
        error = failure(pipeline, tmp_path)
        assert error.finding.code == "HdfsNotReached"
        assert f"no NameNode answers at {nobody}: Connection refused" in error.finding.what
    # What was said of the place left nothing that a later run would stumble over.
    assert copying(f"{folder}/in", "out.csv").run(base_dir=tmp_path).status == "succeeded"


def test_a_user_without_rights_and_a_full_quota(hdfs, tmp_path):
    """The user, the folder and what may be done about it are in the message; nothing is left."""
    folder = case.folder_on(hdfs)
    secret = case.put(folder, "secret.csv", b"id\n1\n", tmp_path)
    client = file_system(folder).client
    client.set_permission(file_system(folder)._name(secret), 0o600)
    columns = case.put(folder, "secret.parquet", parquet(tmp_path, "SELECT 1 AS id"), tmp_path)
    client.set_permission(file_system(folder)._name(columns), 0o600)
    (tmp_path / "in.csv").write_text("id\n1\n")
    for name, source, sink in (
        ("read", secret, "out.csv"),
        ("scan", columns, "out.csv"),
        ("write", "in.csv", f"{folder}/a.csv"),
    ):
        (tmp_path / f"{name}.sql").write_text(
            f"CREATE SOURCE s (id bigint) FROM files('{source}');\n"
            f"CREATE TABLE t INTO files('{sink}') AS SELECT id FROM s;\n"
        )
        done = subprocess.run(
            [sys.executable, "-m", "mainstem", "run", f"{name}.sql"], cwd=tmp_path, text=True,
            capture_output=True, check=False, env=os.environ | {"HADOOP_USER_NAME": "alice"},
        )  # fmt: skip
        assert done.returncode == 4, done.stderr
        assert "HdfsRights" in done.stderr
        assert "Permission denied: user=alice" in done.stderr

    # A folder counts itself and all below: one more name, and no third.
    narrow = f"{folder}/narrow"
    file_system(folder).make_folder(narrow)
    case.admin(hdfs, "-setQuota", "3", file_system(folder)._name(narrow))
    error = failure(copying(secret, f"{narrow}/out", format="csv"), tmp_path)
    assert error.finding.code == "HdfsQuota"
    assert "exceeded: quota=3" in error.finding.what
    assert list(client.list_status(file_system(folder)._name(narrow))) == []


def test_incremental_sources_know_what_they_have_read(hdfs, tmp_path):
    """New files only; a changed one is named."""
    folder = case.folder_on(hdfs)
    p = ms.Pipeline("daily")
    p.source("s", ms.files(f"{folder}/in/*.csv", incremental=True), schema="id bigint")
    p.table("t", "SELECT id FROM s", sink=ms.files("out", format="csv", mode="append"))

    def ids() -> list[int]:
        rows = "".join(f.read_text().partition("\n")[2] for f in (tmp_path / "out").glob("*.csv"))
        return sorted(map(int, rows.split()))

    case.put(folder, "in/1.csv", b"id\n1\n", tmp_path)
    p.run(base_dir=tmp_path)
    case.put(folder, "in/2.csv", b"id\n2\n", tmp_path)
    p.run(base_dir=tmp_path)
    p.run(base_dir=tmp_path)
    assert ids() == [1, 2]
    # The same bytes at another time are no change.
    case.put(folder, "in/1.csv", b"id\n1\n", tmp_path)
    p.run(base_dir=tmp_path)
    assert ids() == [1, 2]
    case.put(folder, "in/1.csv", b"id\n7\n", tmp_path)
    error = failure(p, tmp_path)
    assert error.finding.code == "FileChangedSince"
    assert f"{folder}/in/1.csv" in error.finding.what


def test_what_we_wrote_is_compared_before_it_is_read(hdfs, tmp_path):
    """A file of another size, one too many, and one that is missing; files of others are not replaced."""
    folder = case.folder_on(hdfs)
    (tmp_path / "in.csv").write_text("id\n1\n2\n")
    copying("in.csv", f"{folder}/out", format="csv").run(base_dir=tmp_path)
    (part,) = file_system(folder).find(f"{folder}/out")
    back = copying(f"{folder}/out", "back.csv")
    assert back.run(base_dir=tmp_path).status == "succeeded"

    case.put(folder, "out/part-more.csv", b"id\n3\n", tmp_path)
    assert failure(back, tmp_path).finding.code == "NotInManifest"
    error = failure(copying("in.csv", f"{folder}/out", format="csv"), tmp_path)
    assert error.finding.code == "NotOurFiles"
    file_system(folder).remove(f"{folder}/out/part-more.csv")

    case.put(folder, part.removeprefix(f"{folder}/"), b"id\n1\n", tmp_path)
    error = failure(back, tmp_path)
    assert error.finding.code == "ManifestMismatch"
    assert f"{part} has 5 bytes, the manifest says 7" in error.finding.what
    file_system(folder).remove(part)
    case.put(folder, "out/again.csv", b"id\n1\n", tmp_path)
    file_system(folder).remove(f"{folder}/out/again.csv")
    assert failure(copying(f"{folder}/out", "b.csv"), tmp_path).finding.code == "FileNotFound"


def test_commands_know_addresses(hdfs, tmp_path):
    """Check, with and without a schema to infer, plan and profile; a file here named twice is refused."""
    folder = case.folder_on(hdfs)
    for name, content in (
        ("a.csv", CSV),
        ("p.parquet", parquet(tmp_path, "SELECT 1::BIGINT AS id")),
    ):
        case.put(folder, name, content, tmp_path)
    (tmp_path / "p.sql").write_text(
        f"CREATE SOURCE s FROM files('{folder}/a.csv');\n"
        f"CREATE SOURCE q (id bigint) FROM files('{folder}/*.parquet');\n"
        f"CREATE TABLE t INTO files('{folder}/t.csv') AS SELECT s.id FROM s JOIN q ON s.id = q.id;\n"
    )

    def mainstem(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mainstem", *words], cwd=tmp_path, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "at timestamp" in mainstem("check", "p.sql", "--infer")
    mainstem("check", "p.sql")
    assert f"{folder}/t.csv" in mainstem("plan", "p.sql")
    profile = json.loads(mainstem("profile", "p.sql", "-o", "json"))
    assert [one["rows"] for one in profile["relations"]][:2] == [3, 1]

    error = failure(
        copying(f"{folder}/a.csv", f"{folder}/../{folder.rpartition('/')[2]}/a.csv"), tmp_path
    )
    assert [found.code for found in error.findings] == ["SinkInSource"]


def test_a_file_that_is_cut_short_is_damaged(hdfs, tmp_path):
    """As one of this machine is."""
    folder = case.folder_on(hdfs)
    case.put(folder, "a.csv.gz", gzip.compress(CSV)[:-9], tmp_path)
    error = failure(copying(f"{folder}/a.csv.gz", "out.csv"), tmp_path)
    assert isinstance(error, DataError)
    assert error.finding.code == "FileDamaged"


UNDONE, FINISHED = 1, 2
KILLS = [
    (points.STAGED, False, UNDONE), (f"{points.SENDING}:1", False, UNDONE),
    (f"{points.SENT}:1", False, UNDONE), (f"{points.SENT}:2", True, UNDONE),
    (points.COMMIT_RECORDED, True, UNDONE), (points.COMMIT_RECORDED, False, FINISHED),
    (points.STATE_COMMITTED, True, FINISHED), (f"{points.SINK_SWAPPED}:1", False, FINISHED),
    (points.BETWEEN_RENAMES, True, FINISHED), (f"{points.SINK_SWAPPED}:2", False, FINISHED),
    (f"{points.SINK_COMMITTED}:2", False, FINISHED), (points.ALL_COMMITTED, True, FINISHED),
    (points.RECORD_CLEARED, False, FINISHED),
]  # fmt: skip


def test_points_of_sending_are_all_tried():
    """And those where an output on this machine is renamed."""
    tried = {kill_at.partition(":")[0] for kill_at, _, _ in KILLS}
    assert tried >= {*points.SENDING_POINTS, points.BETWEEN_RENAMES, points.SINK_SWAPPED}


@pytest.mark.parametrize(("kill_at", "has_state", "version"), KILLS)
def test_a_run_that_is_killed(hdfs, tmp_path, kill_at, has_state, version):
    """Everything old or everything new, after the repair; nothing lies about, and the next run is clean."""
    folder = case.folder_on(hdfs)
    case.run_version(tmp_path, folder, 1, has_state=has_state)
    assert case.contents(tmp_path, folder) == case.expected(1)

    case.killed(tmp_path, folder, "run", kill_at=kill_at, has_state=has_state)
    repair(state_dir(tmp_path, case.NAME))

    assert case.contents(tmp_path, folder) == case.expected(version)
    assert case.leftovers(tmp_path, folder) == []
    case.run_version(tmp_path, folder, 2, has_state=has_state)
    assert case.contents(tmp_path, folder) == case.expected(2)


def test_a_repair_that_is_killed(hdfs, tmp_path):
    """Between the two renames, again: the second repair finishes."""
    folder = case.folder_on(hdfs)
    case.run_version(tmp_path, folder, 1, has_state=False)
    case.killed(tmp_path, folder, "run", kill_at=points.COMMIT_RECORDED, has_state=False)
    for kill_at in (points.BETWEEN_RENAMES, f"{points.SINK_SWAPPED}:1"):
        case.killed(tmp_path, folder, "repair", kill_at=kill_at, has_state=False)
    repair(state_dir(tmp_path, case.NAME))
    assert case.contents(tmp_path, folder) == case.expected(2)
    assert case.leftovers(tmp_path, folder) == []


def test_an_output_that_somebody_removed_is_not_taken_for_done(hdfs, tmp_path):
    """After the decision: it is said, and the record stays."""
    folder = case.folder_on(hdfs)
    case.run_version(tmp_path, folder, 1, has_state=False)
    case.killed(tmp_path, folder, "run", kill_at=points.COMMIT_RECORDED, has_state=False)
    client = file_system(folder).client
    for one in client.list_status(file_system(folder)._name(folder)):
        if "/.mainstem-" in one.path:
            client.delete(one.path, recursive=True)
    with pytest.raises(OutsideError) as error:
        repair(state_dir(tmp_path, case.NAME))
    assert error.value.finding.code == "CommitUnfinished"
    assert case.contents(tmp_path, folder) == case.expected(1)
