"""A stream into a table of another DuckDB file: rows and token together, and one writer."""

import json
from contextlib import closing

import duckdb
import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.errors import BusyError, DataError, StateError
from tests.unit.stream_sinks.epochs import in_table, made, select_of, write


def sink(tmp_path, **more):
    """The sink of a test, not opened."""
    words = {n: more.pop(n) for n in ("mode", "force") if n in more}
    return made(tmp_path, duckdb_table("ext.duckdb", "out", **words), **more)


def opened(tmp_path, **more):
    """A sink that is open."""
    found = sink(tmp_path, **more)
    found.open()
    return found


def test_epochs_are_added_and_the_token_is_the_last_one(tmp_path):
    """Epochs are added and the token is the last one."""
    first = sink(tmp_path)
    assert first.open() is None
    assert write(first, 1, [(1, "a"), (2, "b")]) == {"rows": 2, "already_there": 0}
    write(first, 3, [(3, "c")])

    token = sink(tmp_path, run_id="run-2").open()

    assert (token["epoch"], token["positions"]) == (3, {"rows": 3})
    assert in_table(tmp_path / "ext.duckdb") == [(1, "a"), (2, "b"), (3, "c")]


def test_an_epoch_that_is_there_is_not_written_again(tmp_path):
    """An epoch that is there is not written again."""
    write(opened(tmp_path), 1, [(1, "a")])
    again = opened(tmp_path, run_id="run-2")

    assert write(again, 1, [(1, "a")]) == {"rows": 0, "already_there": 1}
    write(again, 2, [(2, "b")])

    assert in_table(tmp_path / "ext.duckdb") == [(1, "a"), (2, "b")]


def test_an_epoch_without_rows_moves_the_token(tmp_path):
    """An epoch without rows moves the token."""
    write(opened(tmp_path), 4, [])

    assert sink(tmp_path).open()["epoch"] == 4
    assert in_table(tmp_path / "ext.duckdb") == []


def test_an_updating_table_holds_the_last_row_of_each_key(tmp_path):
    """Also of a key that is NULL, and of a key that changes twice in one epoch."""
    found = opened(tmp_path, kind="updating", key=("k",))
    write(found, 1, [(1, "a", "upsert"), (1, "b", "upsert"), (1, None, "upsert")], operations=True)
    write(found, 2, [(2, "a", "upsert"), (1, "b", "delete"), (3, None, "upsert"),
                     (4, "a", "upsert"), (5, "c", "upsert"), (5, "c", "delete")], operations=True)  # fmt: skip

    assert in_table(tmp_path / "ext.duckdb") == [(3, None), (4, "a")]


def test_a_table_without_key_has_one_row(tmp_path):
    """A table without key has one row."""
    found = opened(tmp_path, kind="updating")
    write(found, 1, [(1, "a", "upsert")], operations=True)
    write(found, 2, [(2, "a", "upsert")], operations=True)

    assert in_table(tmp_path / "ext.duckdb") == [(2, "a")]


def test_rows_of_strangers_are_refused(tmp_path):
    """Rows of strangers are refused."""
    with closing(duckdb.connect(str(tmp_path / "ext.duckdb"))) as other:
        other.execute("CREATE TABLE out AS SELECT 9::BIGINT AS id, 'z' AS k")

    with pytest.raises(StateError, match="NotOurRows"):
        sink(tmp_path).open()
    write(opened(tmp_path, mode="append"), 1, [(1, "a")])
    assert in_table(tmp_path / "ext.duckdb") == [(1, "a"), (9, "z")]


def test_force_replaces_rows_of_strangers_once(tmp_path):
    """Force replaces rows of strangers once."""
    with closing(duckdb.connect(str(tmp_path / "ext.duckdb"))) as other:
        other.execute("CREATE TABLE out AS SELECT 9::BIGINT AS id, 'z' AS k")
    write(opened(tmp_path, force=True), 1, [(1, "a")])
    write(opened(tmp_path, force=True, run_id="run-2"), 2, [(2, "b")])

    assert in_table(tmp_path / "ext.duckdb") == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(("words", "named"), [
    ({"pipeline": "other"}, "pipeline 'shop'"), ({"table": "second"}, "table 'out'"),
])  # fmt: skip
def test_a_token_of_somebody_else_is_refused(tmp_path, words, named):
    """A token of somebody else is refused."""
    write(opened(tmp_path), 1, [(1, "a")])

    with pytest.raises(StateError, match=f"SinkOfAnother.*{named}"):
        sink(tmp_path, **words).open()


@pytest.mark.parametrize(("change", "code"), [
    ({"stream": 2}, "SinkTokenFormat.*format 2.*knows 1"), ({"epoch": "x"}, "SinkTokenFormat"),
    ({"stream": None}, "SinkTokenFormat"),
])  # fmt: skip
def test_a_token_of_another_format_is_refused(tmp_path, change, code):
    """A token of another format is refused."""
    write(opened(tmp_path), 1, [(1, "a")])
    with closing(duckdb.connect(str(tmp_path / "ext.duckdb"))) as other:
        ((text,),) = other.execute("SELECT token FROM mainstem_tokens").fetchall()
        other.execute(
            "UPDATE mainstem_tokens SET token = ?", [json.dumps(json.loads(text) | change)]
        )

    with pytest.raises(StateError, match=code):
        sink(tmp_path).open()


def test_the_token_of_a_batch_run_is_refused(tmp_path):
    """The token of a batch run is refused."""
    write(opened(tmp_path), 1, [(1, "a")])
    with closing(duckdb.connect(str(tmp_path / "ext.duckdb"))) as other:
        text = json.dumps({"format": 1, "pipeline": "shop", "table": "out", "epoch": 3, "id": "x"})
        other.execute("UPDATE mainstem_tokens SET token = ?", [text])

    with pytest.raises(StateError, match=r"SinkOfAnother.*batch run"):
        sink(tmp_path).open()


def test_of_two_runs_the_earlier_one_is_refused(tmp_path):
    """Of two runs the earlier one is refused."""
    older = opened(tmp_path)
    write(older, 1, [(1, "a")])
    newer = opened(tmp_path, run_id="run-2")

    with pytest.raises(StateError, match=r"SinkTakenOver.*run-2"):
        write(older, 2, [(2, "b")])
    write(newer, 2, [(2, "c")])

    assert in_table(tmp_path / "ext.duckdb") == [(1, "a"), (2, "c")]


def test_a_file_that_was_put_back_is_noticed(tmp_path):
    """A copy of the file from an epoch ago: to add the next one would leave a hole."""
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])
    kept = (tmp_path / "ext.duckdb").read_bytes()
    write(found, 2, [(2, "b")])
    (tmp_path / "ext.duckdb").write_bytes(kept)

    with pytest.raises(StateError, match="SinkTakenOver"):
        write(found, 3, [(3, "c")])


def test_a_file_that_somebody_else_writes_is_busy(tmp_path, monkeypatch):
    """A file that somebody else writes is busy."""
    import subprocess
    import sys

    monkeypatch.setattr("mainstem.engines.embedded.stream.sinks.duckdb.LOCK_WAIT_S", 0.05)
    found = opened(tmp_path)
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('ready', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "ext.duckdb")],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:  # fmt: skip
        assert holder.stdout.readline() == b"ready\n"
        with pytest.raises(BusyError, match=f"pid {holder.pid}"):
            write(found, 1, [(1, "a")])
        holder.communicate(b"")
    write(found, 1, [(1, "a")])
    assert in_table(tmp_path / "ext.duckdb") == [(1, "a")]


def test_what_the_table_refuses_changes_nothing(tmp_path):
    """Not even the token: the same epoch can be sent again once the table is mended."""
    with closing(duckdb.connect(str(tmp_path / "ext.duckdb"))) as other:
        other.execute("CREATE TABLE out (id BIGINT CHECK (id < 10), k VARCHAR)")
    found = opened(tmp_path)
    write(found, 1, [(1, "a")])

    with pytest.raises(DataError, match="SinkRefused"):
        write(found, 2, [(2, "b"), (12, "c")])
    write(found, 2, [(2, "b")])

    assert in_table(tmp_path / "ext.duckdb") == [(1, "a"), (2, "b")]


def test_a_column_that_is_new_is_added_and_another_change_refused(tmp_path):
    """A column that is new is added and another change refused."""
    write(opened(tmp_path), 1, [(1, "a")])
    wider = opened(tmp_path, schema="id bigint, k string, n bigint", run_id="run-2")
    with closing(duckdb.connect()) as engine:
        from mainstem.engines.embedded.stream.spec import Batch

        rows = select_of([(2, "b", 7)], "id, k, n", "BIGINT, VARCHAR, BIGINT")
        wider.write(engine.cursor(), Batch(2, rows, 1, {"epoch": 2}))
    assert in_table(tmp_path / "ext.duckdb", columns="id, k, n") == [(1, "a", None), (2, "b", 7)]

    other = opened(tmp_path, schema="id string, k string, n bigint", run_id="run-3")
    rows = select_of([("x", "b", 7)], "id, k, n", "VARCHAR, VARCHAR, BIGINT")
    with closing(duckdb.connect()) as engine, pytest.raises(DataError, match="SinkColumns"):
        other.write(engine.cursor(), Batch(3, rows, 1, {"epoch": 3}))


def test_two_tables_of_one_file_do_not_disturb_each_other(tmp_path):
    """Two tables of one file do not disturb each other."""
    one = made(tmp_path, duckdb_table("ext.duckdb", "one"), table="one")
    two = made(tmp_path, duckdb_table("ext.duckdb", "s.two"), table="two")
    assert one.open() is None
    assert two.open() is None

    write(one, 1, [(1, "a")], table="one")
    write(two, 1, [(2, "b")], table="two")

    assert in_table(tmp_path / "ext.duckdb", "one") == [(1, "a")]
    assert in_table(tmp_path / "ext.duckdb", "s.two") == [(2, "b")]
