"""A stream into a folder: files and token together, small files joined, one writer."""

import json
from contextlib import closing

import duckdb
import pytest

from mainstem.connectors.files import files
from mainstem.engines.embedded.stream.sinks import compaction
from mainstem.engines.embedded.stream.spec import Batch
from mainstem.errors import (
    BusyError,
    CheckFailed,
    OutsideError,
    StateError,
    UnsupportedError,
)
from mainstem.storage.local.manifest import manifest_path, read_manifest
from tests.unit.stream_sinks.epochs import made, select_of, write
from tests.unit.stream_sinks.folders import by_glob, by_manifest


def sink(tmp_path, *, format="parquet", run_id="run-1", **more):
    """The sink of a test, not opened."""
    who = {n: more.pop(n) for n in ("pipeline", "table", "kind", "schema") if n in more}
    return made(tmp_path, files("out", format=format, **more), run_id=run_id, **who)


def opened(tmp_path, **more):
    """A sink that is open."""
    found = sink(tmp_path, **more)
    found.open()
    return found


def names(tmp_path):
    """The files of the folder."""
    return sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("part-*")
    )


@pytest.mark.parametrize("format", ["parquet", "csv", "json"])
def test_each_epoch_adds_a_file_and_the_token_is_the_last_one(tmp_path, format):
    """Each epoch adds a file and the token is the last one."""
    first = sink(tmp_path, format=format)
    assert first.open() is None
    facts = write(first, 1, [(1, "a"), (2, "b")])
    write(first, 4, [(3, "c")])
    first.close()

    token = sink(tmp_path, format=format, run_id="run-2").open()

    assert (facts["rows"], facts["files"]) == (2, 1)
    assert (token["epoch"], token["positions"]) == (4, {"rows": 4})
    assert names(tmp_path) == [f"part-000000000001-0.{format}", f"part-000000000004-0.{format}"]
    rows = [(1, "a"), (2, "b"), (3, "c")]
    assert by_glob(tmp_path / "out", format) == by_manifest(tmp_path / "out", format) == rows


def test_partitions(tmp_path):
    """Partitions."""
    found = opened(tmp_path, partition_by="k")
    write(found, 1, [(1, "a"), (2, "b")])
    write(found, 2, [(3, "b")])

    assert names(tmp_path) == [
        "k=a/part-000000000001-0.parquet", "k=b/part-000000000001-0.parquet",
        "k=b/part-000000000002-0.parquet",
    ]  # fmt: skip
    rows = [(1, "a"), (2, "b"), (3, "b")]
    assert by_glob(tmp_path / "out", is_partitioned=True) == rows
    assert read_manifest(tmp_path / "out").rows == 3


def test_an_epoch_that_is_there_is_not_written_again(tmp_path):
    """An epoch that is there is not written again."""
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])
    found.close()
    again = opened(tmp_path, run_id="run-2")

    assert write(again, 1, [(1, "a")]) == {"rows": 0, "already_there": 1}
    write(again, 2, [(2, "b")])

    assert by_glob(tmp_path / "out") == by_manifest(tmp_path / "out") == [(1, "a"), (2, "b")]


def test_an_epoch_without_rows_adds_no_file(tmp_path):
    """An epoch without rows adds no file."""
    found = opened(tmp_path)
    write(found, 7, [])
    found.close()

    assert names(tmp_path) == []
    assert sink(tmp_path).open()["epoch"] == 7


def test_a_second_writer_is_refused_while_the_first_is_there(tmp_path):
    """A second writer is refused while the first is there."""
    first = opened(tmp_path)
    write(first, 1, [(1, "a")])

    with pytest.raises(BusyError, match=r"FolderLocked.*run-1"):
        sink(tmp_path, run_id="run-2").open()
    first.close()
    sink(tmp_path, run_id="run-2").open()


def test_a_manifest_that_was_put_back_is_noticed(tmp_path):
    """A manifest that was put back is noticed."""
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])
    kept = manifest_path(tmp_path / "out").read_bytes()
    write(found, 2, [(2, "b")])
    manifest_path(tmp_path / "out").write_bytes(kept)

    with pytest.raises(StateError, match="SinkTakenOver"):
        write(found, 3, [(3, "c")])


def test_a_token_of_somebody_else_is_refused(tmp_path):
    """A token of somebody else is refused."""
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])
    found.close()

    with pytest.raises(StateError, match=r"SinkOfAnother.*'shop'"):
        sink(tmp_path, pipeline="other").open()


def test_the_folder_of_a_batch_run_is_refused(tmp_path):
    """The folder of a batch run is refused."""
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])
    found.close()
    data = json.loads(manifest_path(tmp_path / "out").read_bytes())
    token = {"format": 1, "pipeline": "shop", "table": "out", "epoch": 3, "id": "x"}
    manifest_path(tmp_path / "out").write_text(json.dumps(data | {"token": json.dumps(token)}))

    with pytest.raises(StateError, match=r"SinkOfAnother.*batch run"):
        sink(tmp_path).open()
    sink(tmp_path, force=True).open()
    assert names(tmp_path) == []


def test_files_of_strangers_are_refused_and_replaced_with_force(tmp_path):
    """Files of strangers are refused and replaced with force."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")

    with pytest.raises(OutsideError, match=r"NotOurFiles.*notes\.txt"):
        sink(tmp_path).open()
    sink(tmp_path, force=True).open()
    assert not (tmp_path / "out/notes.txt").exists()


def test_small_files_are_joined_and_no_row_changes(tmp_path):
    """17 epochs: the first 16 become one file, in their order."""
    found = opened(tmp_path)
    for epoch in range(1, 18):
        facts = write(found, epoch, [(epoch, "x"), (epoch, "y")])

    rows = [(n, k) for n in range(1, 18) for k in "xy"]
    assert names(tmp_path) == [
        "part-000000000001-000000000016-0.parquet", "part-000000000017-0.parquet",
    ]  # fmt: skip
    assert by_glob(tmp_path / "out") == by_manifest(tmp_path / "out") == rows
    assert "compacted" not in facts
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    found.close()
    assert sink(tmp_path).open()["epoch"] == 17


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("format", ["csv", "json"])
def test_small_text_files_are_joined(tmp_path, format, compression, monkeypatch):
    """A header stands once; a quoted line end in the data is no record of its own."""
    monkeypatch.setattr(compaction, "FAN", 3)
    found = opened(tmp_path, format=format, compression=compression)
    for epoch in range(1, 5):
        write(found, epoch, [(epoch, 'a\n"b"')])

    rows = [(n, 'a\n"b"') for n in range(1, 5)]
    assert len(names(tmp_path)) == 2
    assert by_glob(tmp_path / "out", format) == by_manifest(tmp_path / "out", format) == rows


def test_partitions_are_joined_each_for_itself(tmp_path, monkeypatch):
    """Partitions are joined each for itself."""
    monkeypatch.setattr(compaction, "FAN", 3)
    found = opened(tmp_path, partition_by="k")
    for epoch in range(1, 4):
        write(found, epoch, [(epoch, "a"), *([(epoch, "b")] if epoch < 3 else [])])

    assert names(tmp_path) == [
        "k=a/part-000000000001-000000000003-0.parquet", "k=b/part-000000000001-0.parquet",
        "k=b/part-000000000002-0.parquet",
    ]  # fmt: skip
    rows = [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a")]
    assert by_glob(tmp_path / "out", is_partitioned=True) == rows


def test_files_of_a_size_stay_as_they_are(tmp_path, monkeypatch):
    """Files of a size stay as they are."""
    monkeypatch.setattr(compaction, "FAN", 2)
    for words in ({"file_size": "0"}, {"file_size": "10 B"}):
        found = opened(tmp_path, **words)
        for epoch in range(1, 4):
            write(found, epoch, [(epoch, "a")])
        found.close()
    assert len(names(tmp_path)) == 3


def test_what_somebody_drops_into_the_folder_survives_the_joining(tmp_path, monkeypatch):
    """What somebody drops into the folder survives the joining."""
    monkeypatch.setattr(compaction, "FAN", 2)
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])
    (tmp_path / "out/deep").mkdir()
    (tmp_path / "out/deep/notes.txt").write_text("mine")
    facts = write(found, 2, [(2, "b")])

    assert facts["compacted"] == 2
    assert (tmp_path / "out/deep/notes.txt").read_text() == "mine"


def test_a_damaged_small_file_is_not_joined(tmp_path, monkeypatch):
    """It must not get a right checksum."""
    monkeypatch.setattr(compaction, "FAN", 2)
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])
    path = tmp_path / "out/part-000000000001-0.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")

    with pytest.raises(OutsideError, match="ManifestMismatch"):
        write(found, 2, [(2, "b")])
    path.write_bytes(data)
    assert write(found, 2, [(2, "b")]) == {"rows": 0, "already_there": 1}
    write(found, 3, [(3, "c")])
    assert by_glob(tmp_path / "out") == [(1, "a"), (2, "b"), (3, "c")]


def test_a_value_that_the_sink_cannot_hold_fails_before_the_epoch_is_promised(tmp_path):
    """The check stands in the wire form, which the engine computes inside of its own transaction."""
    found = sink(tmp_path, format="json", schema="id double, k string")
    select = found.wire(select_of([("nan", "a")], types="DOUBLE, VARCHAR"))

    with closing(duckdb.connect()) as engine, pytest.raises(duckdb.Error, match="no JSON number"):
        engine.execute(f"CREATE TABLE outbox AS {select}")


def test_other_columns_are_refused(tmp_path):
    """Other columns are refused."""
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])
    found.close()

    with pytest.raises(OutsideError, match="SinkRowsDiffer"):
        sink(tmp_path, schema="id bigint, k string, n bigint").open()


def test_what_streams_cannot_do_is_refused(tmp_path):
    """What streams cannot do is refused."""
    with pytest.raises(CheckFailed, match="FileCannotGrow"):
        made(tmp_path, files("out.csv"))
    with pytest.raises(UnsupportedError, match=r"SinkKind.*delete rows by key"):
        sink(tmp_path, kind="updating")
    with pytest.raises(UnsupportedError, match="SinkModeOfStream"):
        sink(tmp_path, mode="overwrite_partitions", partition_by="k")


def test_rows_that_are_missing_in_the_outbox_stop_the_epoch(tmp_path):
    """Rows that are missing in the outbox stop the epoch."""
    from mainstem.errors import InternalError

    found = opened(tmp_path)
    with closing(duckdb.connect()) as engine, pytest.raises(InternalError, match="epoch 1"):
        found.write(engine.cursor(), Batch(1, select_of([(1, "a")]), 2, {"epoch": 1}))
    assert by_manifest(tmp_path / "out") == []
    write(found, 1, [(1, "a"), (2, "b")])
    assert by_glob(tmp_path / "out") == [(1, "a"), (2, "b")]
