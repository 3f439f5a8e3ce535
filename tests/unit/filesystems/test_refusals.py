"""What a check says of addresses; nothing is connected to."""

import sys

import pytest

import mainstem as ms
from mainstem.errors import CheckFailed, MainstemError, SettingsError, UnsupportedError
from mainstem.filesystems.hdfs import HdfsFiles


def copying(source: str, sink: str, **options) -> ms.Pipeline:
    """A pipeline that copies ids."""
    p = ms.Pipeline("copying")
    p.source("s", ms.files(source), schema="id bigint")
    p.table("t", "SELECT id FROM s ORDER BY id", sink=ms.files(sink, **options))
    return p


def test_what_is_not_offered_is_refused_by_name():
    """Before anything is connected to: sinks that grow, streams, and schemes that nobody knows."""
    far = "hdfs://nobody.invalid:9820/x"
    p = ms.Pipeline("p")
    p.source("s", ms.files(far, format="csv", stream=True), schema="id bigint")
    p.table("t", "SELECT id FROM s", sink=ms.files("out", format="csv"))
    pipelines = {"a stream": p}
    for mode, column in (("append", ()), ("overwrite_partitions", "k")):
        p = ms.Pipeline("p")
        p.source("s", ms.files("in.csv"), schema="id bigint, k string")
        sink = ms.files(far, format="csv", mode=mode, partition_by=column)
        p.table("t", "SELECT * FROM s", sink=sink)
        pipelines[f"mode='{mode}'"] = p
    pipelines["this version reads and writes local paths and hdfs://"] = copying(
        "s3://b/a.csv", "o.csv"
    )
    for said, pipeline in pipelines.items():
        with pytest.raises((UnsupportedError, CheckFailed)) as error:
            pipeline.check(environ={})
        assert said in str(error.value)
        assert "PathNotLocal" in str(error.value)


def test_a_missing_package_is_named(monkeypatch):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "hdfs_native", None)
    with pytest.raises(SettingsError) as error:
        HdfsFiles("127.0.0.1:1").find("hdfs://127.0.0.1:1/a")
    assert error.value.finding.code == "PackageMissing"
    assert error.value.finding.fix == "run: pip install 'mainstem[hdfs]'"
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MainstemError) as error:
        copying("hdfs://127.0.0.1:1/a.csv", "out.csv").check(environ={})
    assert "hdfs://127.0.0.1:1/a.csv needs hdfs_native, not installed here" in str(error.value)
    assert "pip install 'mainstem[hdfs]'" in str(error.value)
