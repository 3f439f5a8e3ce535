"""Files that Mainstem wrote are compared with the manifest of their folder before they are read."""

import duckdb
import pytest

import mainstem as ms
from mainstem.errors import OutsideError
from mainstem.runtime.run import RunOptions, run


def write(base, *, make=True, **words):
    """A folder of uncompressed Parquet files in two partitions."""
    if make:
        fill(base)
    p = ms.Pipeline("writer")
    p.source("rows", ms.files("in.csv"), schema="id bigint, k string")
    sink = ms.files("out", format="parquet", partition_by="k", compression="none", **words)
    p.table("t", "SELECT id, k FROM rows", sink=sink)
    list(run(p.plan(), RunOptions(base)))
    return sorted((base / "out").rglob("*.parquet"))


def fill(base):
    """A thousand rows, odd ones in b."""
    (base / "in.csv").write_text("id,k\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(1000)))


def read(base, path="out", **words):
    """The sum over the folder, by a pipeline."""
    p = ms.Pipeline("reader")
    p.source("t", ms.files(path, format="parquet", **words), schema="id bigint")
    p.table("total", "SELECT sum(id) AS total FROM t", sink=ms.files("total.json"))
    events = list(run(p.plan(), RunOptions(base)))
    (found,) = [e for e in events if e.kind == "source_read"]
    return int((base / "total.json").read_text().split(":")[1].strip(" }\n")), found.facts


def flip(path):
    """One bit of one value in the pages, far from header and footer."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_was_written_is_read_and_every_byte_was_compared(tmp_path):
    """The sum of 0 to 999."""
    files = write(tmp_path)
    total, facts = read(tmp_path)

    assert total == 499500
    assert facts["verified_bytes"] == sum(f.stat().st_size for f in files)


@pytest.mark.parametrize("path", ["out", "out/k=b", "out/k=b/*.parquet", "out/**/*.parquet"])
def test_flipped_bit_is_named(tmp_path, path):
    """Through the folder, a partition of it, and globs; the reader alone sees nothing wrong."""
    *_, last = write(tmp_path)
    flip(last)
    with duckdb.connect() as connection:
        ((wrong,),) = connection.execute(f"SELECT sum(id) FROM '{last}'").fetchall()
    assert wrong != 250000

    with pytest.raises(
        OutsideError, match=rf"{last.name} has the checksum [0-9a-f]{{12}}"
    ) as caught:
        read(tmp_path, path)
    assert caught.value.finding.code == "ManifestMismatch"
    assert str(last) in caught.value.finding.what


def test_size_alone_does_not_see_it_and_none_looks_at_nothing(tmp_path):
    """What is asked for is what is done."""
    *_, last = write(tmp_path)
    flip(last)
    total, facts = read(tmp_path, verify="size")
    assert total != 499500
    assert facts["verified_bytes"] == 0
    last.write_bytes(last.read_bytes() + b"x")
    with pytest.raises(OutsideError, match="the manifest says"):
        read(tmp_path, verify="size")


def test_files_that_no_manifest_names_are_named(tmp_path):
    """Someone put a copy beside."""
    first, *_ = write(tmp_path)
    first.with_name("copy.parquet").write_bytes(first.read_bytes())

    with pytest.raises(OutsideError, match=r"does not name: k=a/copy\.parquet"):
        read(tmp_path)
    assert read(tmp_path, verify="none")[0] == 499500 + 249500


def test_file_that_is_gone_is_named(tmp_path):
    """From the folder and from its partition; a glob cannot know what it should have met."""
    *_, last = write(tmp_path)
    last.unlink()
    with pytest.raises(OutsideError, match=rf"{last.name} is not there"):
        read(tmp_path)
    assert read(tmp_path, "out/k=a")[0] == 249500
    assert read(tmp_path, "out/**/*.parquet")[0] == 249500


def test_damaged_file_is_not_merged_into_a_right_one(tmp_path):
    """A sink reads its own rows: new checksums over old damage would hide it for ever."""
    *_, last = write(tmp_path, mode=ms.merge(key="id"))
    flip(last)

    (tmp_path / "in.csv").write_text("id,k\n5,b\n1000,b\n")
    with pytest.raises(OutsideError, match="has the checksum"):
        write(tmp_path, make=False, mode=ms.merge(key="id"))
