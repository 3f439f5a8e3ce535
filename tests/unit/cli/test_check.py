"""`mainstem check` refuses what a run would, and both in the same words."""

import json

import pytest

import mainstem as ms
from mainstem.errors import CheckFailed, UnsupportedError
from tests.unit.cli.program import call

SOURCE = "CREATE SOURCE orders (id bigint) FROM files('{}');\n"
TABLE = "CREATE TABLE t INTO files({}) AS SELECT id FROM orders;\n"


def written(folder, monkeypatch, reads, sink):
    """A pipeline file in the current folder."""
    monkeypatch.chdir(folder)
    (folder / "data").mkdir()
    (folder / "data" / "a.csv").write_text("id\n1\n")
    (folder / "p.sql").write_text(SOURCE.format(reads) + TABLE.format(sink))


@pytest.mark.parametrize(
    ("reads", "sink", "code", "exit_code"),
    [
        ("data/*.csv", "'data/out.csv'", "SinkInSource", 2),
        ("data", "'data/out/', format='csv'", "SinkInSource", 2),
        ("data/a.csv", "'out', format='csv', mode='overwrite_partitions'", "NoPartitions", 2),
        ("data/a.csv", "'out.xyz'", "FormatUnknown", 2),
        ("data/a.csv", "'out', format='csv', partition_by='id'", "NothingToWrite", 2),
        ("s3://bucket/a.csv", "'out.csv'", "PathNotLocal", 3),
        ("data/a.csv", "'s3://bucket/out.csv'", "PathNotLocal", 3),
    ],
)
def test_check_finds_what_a_run_refuses(
    tmp_path, monkeypatch, capsys, reads, sink, code, exit_code
):
    """Nothing has to run for it, and a run touches nothing before it says the same."""
    written(tmp_path, monkeypatch, reads, sink)
    checked = call(capsys, "check", "-o", "json")
    ran = call(capsys, "run", "-o", "json")

    assert (checked.code, ran.code) == (exit_code, exit_code)
    (found,) = json.loads(checked.out)["findings"]
    (refused,) = json.loads(ran.out.splitlines()[-1])["error"]["findings"]
    assert (found["code"], found["step"]) == (code, "orders" if reads.startswith("s3") else "t")
    assert refused == found
    assert not (tmp_path / ".mainstem").exists()


def test_everything_wrong_with_the_targets_is_found_at_once(tmp_path, monkeypatch, capsys):
    """One table whose format cannot be told hides nothing of the next."""
    written(tmp_path, monkeypatch, "data/*.csv", "'out.xyz'")
    with (tmp_path / "p.sql").open("a") as file:
        file.write("CREATE TABLE u INTO files('data/u.csv') AS SELECT id FROM orders;\n")
    said = call(capsys, "check", "-o", "json")

    codes = [found["code"] for found in json.loads(said.out)["findings"]]
    assert codes == ["FormatUnknown", "SinkInSource"]


def test_python_says_so_too():
    """`p.check()` and the command are one check."""
    p = ms.Pipeline("p")
    p.source("s", ms.files("data/*.csv"), schema="id bigint")
    p.table("t", "SELECT id FROM s", sink=ms.files("data/t.csv"))
    far = ms.Pipeline("far")
    far.source("s", ms.files("s3://b/a.csv"), schema="id bigint")
    far.table("t", "SELECT id FROM s")

    with pytest.raises(CheckFailed) as refused:
        p.check(environ={})
    with pytest.raises(UnsupportedError) as not_yet:
        far.check(environ={})

    assert [found.code for found in refused.value.findings] == ["SinkInSource"]
    assert not_yet.value.finding.code == "PathNotLocal"


def test_home_folder_is_not_a_folder_called_tilde(tmp_path, monkeypatch, capsys):
    """Of a source, of a sink, and of one inside the other."""
    home = tmp_path / "home"
    (home / "in").mkdir(parents=True)
    (home / "in" / "a.csv").write_text("id\n7\n")
    monkeypatch.setenv("HOME", str(home))
    written(tmp_path, monkeypatch, "~/in/*.csv", "'~/out.csv'")

    assert call(capsys, "run", "-q").code == 0
    assert (home / "out.csv").read_text() == "id\n7\n"
    assert not (tmp_path / "~").exists()

    (tmp_path / "p.sql").write_text(SOURCE.format("~/*/*.csv") + TABLE.format("'~/in/b.csv'"))
    assert "SinkInSource" in call(capsys, "check").out
