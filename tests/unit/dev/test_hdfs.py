"""What of HDFS needs no HDFS: its settings, its format, and the answers of a NameNode."""

import json
from xml.etree import ElementTree

import pytest

from mainstem.dev.servers.hdfs import conf, jmx, spec
from mainstem.dev.web import NoAnswer


def answer(*, live="127.0.0.1:20001 127.0.0.1:20002", safe="", short=3) -> bytes:
    """What a NameNode says, as far as we look at it."""
    nodes = {f"n{at}": {"xferaddr": address} for at, address in enumerate(live.split())}
    beans = [
        {"name": "Hadoop:service=NameNode,name=JvmMetrics", "MemHeapUsedM": 1.5},
        {"name": "Hadoop:service=NameNode,name=NameNodeInfo", "LiveNodes": json.dumps(nodes),
         "Safemode": safe},
        {"name": "Hadoop:service=NameNode,name=FSNamesystem", "UnderReplicatedBlocks": short},
    ]  # fmt: skip
    return json.dumps({"beans": beans}).encode()


def test_an_answer_is_read():
    """DataNodes by their ports, and whether anybody may write."""
    assert jmx.read(answer()) == jmx.Status(frozenset({20001, 20002}), False, 3)
    assert jmx.read(answer(live="", safe="Safe mode is ON.", short=0)) == jmx.Status(
        frozenset(), True, 0
    )


@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b'{"beans": []}', answer(live="no_port")])
def test_an_answer_of_somebody_else_is_none(text):
    """A NameNode that has only begun to start has no such beans yet."""
    with pytest.raises(NoAnswer, match="not that of a NameNode"):
        jmx.read(text)


def test_settings_hold_whatever_was_given(tmp_path):
    """Signs of XML too; and the empty folders without which no node starts."""
    conf.write(tmp_path, {"dfs.x": "a<b&c>"})
    root = ElementTree.parse(tmp_path / "hdfs-site.xml").getroot()
    assert [(p.findtext("name"), p.findtext("value")) for p in root] == [("dfs.x", "a<b&c>")]
    assert (tmp_path / "webapps/hdfs").is_dir()
    assert (tmp_path / "webapps/datanode").is_dir()


def test_each_cluster_has_a_name_of_its_own(tmp_path):
    """From one format step; a folder that is formatted is left as it is."""
    kept = tmp_path / "cache" / "formatted" / "current"
    kept.mkdir(parents=True)
    (kept / "VERSION").write_text("namespaceID=7\nclusterID=CID-first\nlayoutVersion=-66\n")
    (kept / "fsimage").write_bytes(b"names")

    for name in ("one", "two"):
        spec._format(tmp_path / name / "data", tmp_path / "cache")
    found = [(tmp_path / name / "data/current/VERSION").read_text() for name in ("one", "two")]
    spec._format(tmp_path / "one" / "data", tmp_path / "cache")

    assert (tmp_path / "one/data/current/VERSION").read_text() == found[0] != found[1]
    assert all("namespaceID=7\nlayoutVersion=-66\nclusterID=CID-" in text for text in found)
    assert "CID-first" not in "".join(found)
    assert (tmp_path / "two/data/current/fsimage").read_bytes() == b"names"
