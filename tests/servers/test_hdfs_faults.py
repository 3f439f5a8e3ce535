"""An HDFS that is hurt while we read and write: its own, and nobody else's."""

import re
import threading
import time
import urllib.request

import pytest

import mainstem as ms
from mainstem.dev import server
from mainstem.dev.servers.hdfs import jmx
from mainstem.errors import OutsideError
from mainstem.filesystems import file_system
from tests.servers import hdfs_case as case

N_ROWS = 200_000
WAIT_S = 120


def copying(source: str, sink: str) -> ms.Pipeline:
    """A pipeline that copies ids."""
    p = ms.Pipeline("copying")
    p.source("s", ms.files(source), schema="id bigint, text string")
    p.table("t", "SELECT id, text FROM s ORDER BY id", sink=ms.files(sink))
    return p


def local_rows(folder) -> bytes:
    """A file of many blocks of a megabyte."""
    rows = (f"{i},text {i * 7919 % 100_003}\n" for i in range(N_ROWS))
    content = b"id,text\n" + "".join(rows).encode()
    (folder / "in.csv").write_bytes(content)
    return content


def copies(web: int, path: str) -> list[set[int]]:
    """The ports of the DataNodes that have each block of a file, as the NameNode sees it."""
    address = f"http://127.0.0.1:{web}/fsck?path={path}&files=1&blocks=1&locations=1"
    with urllib.request.urlopen(address, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if "Live_repl=" in line]
    return [set(map(int, re.findall(r"\[127\.0\.0\.1:(\d+),", line))) for line in found]


def wait_for(is_so) -> None:
    """Wait for something that happens by itself, soon."""
    until = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.05)


def test_one_that_is_hurt(tmp_path):
    """One cluster for both: its start costs more than what is done with it."""
    with server("hdfs", settings={"dfs.blocksize": "1m"}) as hdfs:
        nodes_die(hdfs, tmp_path)
        safe_mode(hdfs, tmp_path)


def nodes_die(hdfs, tmp_path) -> None:
    """Between write and read, during a write, and a restart: the same bytes, and nothing is left."""
    namenode, first, second, *others = hdfs.nodes
    web = namenode.ports["web"]
    content = local_rows(tmp_path)
    folder = case.folder_on(hdfs)
    copying("in.csv", f"{folder}/one.csv").run(base_dir=tmp_path)

    first.kill()
    copying(f"{folder}/one.csv", "back.csv").run(base_dir=tmp_path)
    assert (tmp_path / "back.csv").read_bytes() == content
    # The NameNode does not know yet that it is dead, and gives it to writers.
    assert first.ports["client"] in jmx.ask(web).datanodes
    copying("in.csv", f"{folder}/two.csv").run(base_dir=tmp_path)
    assert case.read(f"{folder}/two.csv") == content
    assert hdfs.state == "degraded"
    # Of the copies on four nodes each had some: those of the lost one are made again.
    left = {node.ports["client"] for node in (second, *others)}
    name = file_system(folder)._name(f"{folder}/one.csv")
    wait_for(lambda: all(on <= left and len(on) == 3 for on in copies(web, name)))
    assert len(copies(web, name)) == -(-len(content) // (1 << 20))
    first.start()

    def kill_in_the_middle() -> None:
        client = file_system(folder).client
        name = file_system(folder)._name(folder)
        wait_for(lambda: any("/.mainstem-" in one.path and one.path.endswith(".tmp") and not one.isdir
                             for one in client.list_status(name, recursive=True)))  # fmt: skip
        second.kill()

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    copying("in.csv", f"{folder}/three.csv").run(base_dir=tmp_path)
    killer.join()
    assert not second.is_alive
    assert case.read(f"{folder}/three.csv") == content
    second.start()

    namenode.restart()
    copying(f"{folder}/three.csv", f"{folder}/four.csv.gz").run(base_dir=tmp_path)
    copying(f"{folder}/four.csv.gz", "back.csv").run(base_dir=tmp_path)
    assert (tmp_path / "back.csv").read_bytes() == content
    assert case.leftovers(tmp_path, folder) == []
    assert hdfs.state == "up"


def safe_mode(hdfs, tmp_path) -> None:
    """Files are read, and a write says at once who can end it."""
    (tmp_path / "in.csv").write_text("id,text\n1,x\n")
    folder = case.folder_on(hdfs)
    copying("in.csv", f"{folder}/a.csv").run(base_dir=tmp_path)
    case.admin(hdfs, "-safemode", "enter")
    try:
        copying(f"{folder}/a.csv", "back.csv").run(base_dir=tmp_path)
        with pytest.raises(OutsideError) as error:
            copying("in.csv", f"{folder}/b.csv").run(base_dir=tmp_path)
    finally:
        case.admin(hdfs, "-safemode", "leave")
    assert error.value.finding.code == "HdfsSafeMode"
    assert (tmp_path / "back.csv").read_text() == "id,text\n1,x\n"
    # What could not be removed in safe mode is removed by the next run.
    copying("in.csv", f"{folder}/b.csv").run(base_dir=tmp_path)
    assert case.leftovers(tmp_path, folder) == []
