"""Questions to a running stream from outside of it."""

import json
import os
import socket
import stat
import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from mainstem.engines.desk import Desk
from mainstem.engines.embedded.stream import answers
from mainstem.errors import BusyError, DataError, InternalError, StateError
from mainstem.runtime import socket as sockets
from mainstem.runtime.query import query
from mainstem.runtime.saved import event_times, shown
from mainstem.runtime.socket import NAME, POINTER, answering, ask
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import status
from mainstem.runtime.wire import from_wire, to_wire
from tests.unit.runtime.endless import Running, base, pipeline, run_to_end, write

__all__ = ["base"]

ROWS = [(1, "a", 1), (2, "b", 12), (3, "a", 30)]


@pytest.fixture
def running(base):
    """A stream that has committed an epoch and waits for more."""
    write(base, *ROWS)
    with Running(base) as stream:
        stream.until("epoch_committed")
        yield stream


def test_question_to_a_running_stream_reads_its_last_epoch(base, running):
    """As from the file, with the same types; the next epoch is seen too."""
    folder = state_dir(base, "endless")
    sql = "SELECT k, window_end, n FROM t ORDER BY ALL"

    live = query(folder, sql)

    end = datetime(2026, 1, 1, tzinfo=UTC)
    assert live.rows == (
        ("a", end + timedelta(seconds=10), 1), ("b", end + timedelta(seconds=20), 1),
    )  # fmt: skip
    write(base, (4, "a", 50))
    running.until("epoch_committed", 2)
    assert len(query(folder, sql).rows) == 3
    running.__exit__()
    after = query(folder, sql)
    assert after.rows[0] == live.rows[0]
    assert after.types == live.types


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("INSERT INTO t VALUES ('x', now(), 1)", "QueryRefused"),
        ("SELECT 1; SELECT 2", "QueryRefused"),
        ("SET threads = 1", "QueryRefused"),
        ("PRAGMA database_size", "QueryRefused"),
        ("CALL pragma_version()", "QueryRefused"),
        ("COPY t TO 'stolen.csv'", "QueryRefused"),
        ("ATTACH 'other.duckdb'", "QueryRefused"),
        ("SELECT * FROM read_text('secret.txt')", "QueryRefused"),
        ("SELECT * FROM 'secret.csv'", "QueryRefused"),
        ("SELECT (SELECT count(*) FROM glob('*'))", "QueryRefused"),
        ("WITH a AS (SELECT * FROM query('SELECT 1')) SELECT * FROM a", "QueryRefused"),
        ("SELECT * FROM checkpoint('__mainstem_state')", "QueryRefused"),
        ("SELECT nope FROM t", "QueryFailed"),
        ("SELECT 1/", "QueryFailed"),
        ("", "QueryRefused"),
    ],
)
def test_question_that_is_none_is_refused_and_the_stream_goes_on(base, running, sql, code):
    """Only a SELECT over the tables."""
    (base / "secret.txt").write_text("secret")
    (base / "secret.csv").write_text("a\n1\n")

    with pytest.raises(DataError) as caught:
        query(state_dir(base, "endless"), sql)

    assert caught.value.finding.code == code
    assert caught.value.finding.fix
    write(base, (4, "a", 50))
    running.until("epoch_committed", 2)
    assert not (base / "stolen.csv").exists()


def test_place_of_a_mistake_comes_through(base, running):
    """As without a run: line, column and the nearest name."""
    with pytest.raises(DataError) as caught:
        query(state_dir(base, "endless"), "SELECT\n  kk FROM t")

    assert (caught.value.finding.where.line, caught.value.finding.where.column) == (2, 3)


def test_answer_that_is_too_large_is_refused_by_name(base, running, monkeypatch):
    """The stream's memory is not the asker's."""
    monkeypatch.setattr(answers, "MOST_ROWS", 100)
    folder = state_dir(base, "endless")

    assert len(query(folder, "SELECT * FROM range(100)").rows) == 100
    with pytest.raises(DataError, match="more than 100 rows"):
        query(folder, "SELECT * FROM range(101)")
    monkeypatch.setattr(sockets, "MOST_ANSWERED", 1000)
    with pytest.raises(DataError, match="bytes; a running stream gives at most 1,000"):
        query(folder, "SELECT repeat('x', 2000)")


def test_question_that_takes_too_long_is_ended(base, running, monkeypatch):
    """And the stream goes on."""
    monkeypatch.setattr(answers, "MOST_S", 0.2)

    with pytest.raises(BusyError, match="took longer than"):
        query(
            state_dir(base, "endless"),
            "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7",
        )
    write(base, (4, "a", 50))
    running.until("epoch_committed", 2)


def test_end_of_the_run_interrupts_a_question(base):
    """A stream that is stopped does not wait for who asks."""
    write(base, *ROWS)
    found = []

    def asks():
        try:
            query(state_dir(base, "endless"), "SELECT count(*) FROM range(1000000) a, range(1000000) b "
                  "WHERE a.range + b.range = 7")  # fmt: skip
        except (BusyError, StateError) as error:
            found.append(error.finding.code)

    with Running(base) as stream:
        stream.until("epoch_committed")
        asker = threading.Thread(target=asks)
        asker.start()
        time.sleep(0.3)
    asker.join(10)

    assert not stream.thread.is_alive()
    assert found in (["RunBusy"], ["RunNotAnswering"])


def test_status_tells_how_the_stream_stands(base, running):
    """Epoch, lag, watermark and the ledger so far."""
    found = status(state_dir(base, "endless"))

    assert found.holder is not None
    assert found.live is not None
    assert (found.live["epoch"], found.live["lag"]) == (1, {"s": 0})
    assert found.live["watermarks"] == {"s": datetime(2026, 1, 1, 0, 0, 25, tzinfo=UTC)}
    assert found.live["ledger"]["sources"]["s"]["read"] == 3
    assert found.live["ledger"]["steps"]["t"]["rows_out"] == 2
    assert found.live["state_bytes"] > 0


def test_event_time_says_which_partition_holds_which_window(base, running):
    """Partition 1 is at 8 s: it holds what partition 0 has long passed."""
    write(base, (5, "a", 61))
    write(base, (6, "a", 36), partition="1")
    running.until("epoch_committed", 2)
    time.sleep(0.3)

    live = event_times(running.plan, state_dir(base, "endless"))

    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert live["is_live"]
    (source,) = live["sources"]
    assert [(p["partition"], p["watermark"], p["is_holding"]) for p in source["partitions"]] == [
        ("0", at + timedelta(seconds=56), False), ("1", at + timedelta(seconds=31), True),
    ]  # fmt: skip
    (operator,) = live["operators"]
    assert operator["kind"] == "window"
    assert operator["first_end"] == at + timedelta(seconds=40)
    assert (operator["held_by"]["source"], operator["held_by"]["partition"]) == ("s", "1")
    # The same from what was saved, once nothing runs; how much is unread is then not known.
    running.__exit__()
    saved = event_times(running.plan, state_dir(base, "endless"))
    assert not saved["is_live"]
    assert saved["operators"] == live["operators"]


def test_state_is_told_by_the_run(base, running):
    """Tables with their rows, as of the last epoch."""
    found = shown(state_dir(base, "endless"))

    rows = {(t["table"], t["kind"]): t["rows"] for t in found["tables"]}
    assert rows["t", "table"] == 2
    assert rows["t", "operator"] == 1
    assert found["sources"]["s"]["partitions"]["0"]["position"] == 3


def test_socket_is_the_owners_alone_and_goes_with_the_run(base):
    """Mode 0600."""
    write(base, *ROWS)
    folder = state_dir(base, "endless")
    with Running(base):
        mode = (folder / NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (folder / NAME).exists()
    assert ask(folder, "status") is None


def test_long_address_stands_in_a_private_folder(tmp_path):
    """The kernel takes 108 bytes."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    desk = Desk()
    with answering(folder, desk):
        desk.open({"x": lambda facts: {"got": facts["a"]}}, lambda: None, lambda: None)
        inner = Path((folder / POINTER).read_text()).parent
        assert stat.S_IMODE(inner.stat().st_mode) == 0o700
        assert len(os.fsencode(inner)) < 90
        assert ask(folder, "x", a=7) == {"got": 7}
    assert not inner.exists()
    assert not (folder / POINTER).exists()


def test_socket_that_a_killed_run_left_is_replaced(tmp_path):
    """It answers nobody, and blocks nobody."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))
    assert ask(tmp_path, "status") is None

    desk = Desk()
    with answering(tmp_path, desk):
        desk.open({"x": lambda _: {"is": True}}, lambda: None, lambda: None)
        assert ask(tmp_path, "x") == {"is": True}


@pytest.mark.parametrize(
    "asked", [b"nonsense\n", b"[]\n", b'{"facts": 1}\n', b'{"ask": "x", "facts": "y"}\n']
)
def test_nonsense_gets_an_error(tmp_path, asked):
    """And ends nothing."""
    desk = Desk()
    with answering(tmp_path, desk):
        desk.open({"None": lambda _: {}}, lambda: None, lambda: None)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / NAME))
            client.sendall(asked)
            with client.makefile("rb") as lines:
                assert "error" in json.loads(lines.readline())


def test_unknown_question_is_our_fault_and_ends_nothing(base, running):
    """The engine's thread survives it."""
    with pytest.raises(InternalError):
        ask(state_dir(base, "endless"), "nonsense")
    assert ask(state_dir(base, "endless"), "status") is not None


def test_question_in_a_long_epoch_says_so():
    """Nobody serves: the asker hears it instead of waiting for ever."""
    desk = Desk()
    desk.open({}, lambda: None, lambda: None)

    with pytest.raises(BusyError, match="middle of an epoch"):
        desk.ask("status", {}, wait_s=0.05)


def test_closed_desk_lets_who_waits_go():
    """At the end of a run."""
    desk, found = Desk(), []
    desk.open({}, lambda: None, lambda: None)

    def asks():
        try:
            desk.ask("status", {})
        except StateError as error:
            found.append(error.finding.code)

    asker = threading.Thread(target=asks)
    asker.start()
    while not desk.waiting:
        time.sleep(0.01)
    desk.close()
    asker.join(5)

    assert found == ["RunNotAnswering"]


VALUES = [
    None, True, 1, 1.5, float("inf"), "text", b"\x00\xff", Decimal("1.20"), date(2026, 1, 31),
    datetime(2026, 1, 31, 1, 2, 3, 4, tzinfo=UTC), timedelta(days=-1, microseconds=3),
    UUID(int=5), [1, [Decimal("0.1")]], {"a": {"$": "b"}}, {1: "x", date(2026, 1, 1): None},
    (1, (b"x",)), {}, [],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were(value):
    """Over the socket, with their types."""
    found = from_wire(json.loads(json.dumps(to_wire(value))))

    assert (found, type(found)) == (value, type(value))


def test_no_run_reads_the_file(base):
    """As before."""
    write(base, *ROWS)
    run_to_end(base)

    assert query(state_dir(base, "endless"), "SELECT count(*) FROM t").rows == ((2,),)
    assert not event_times(pipeline().plan(), state_dir(base, "endless"))["is_live"]
