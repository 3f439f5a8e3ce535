"""The commands on a stream: what they print, how they end, and what another terminal sees."""

import json
import re
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from mainstem.cli.streaming import Epochs, Standing, gap
from mainstem.engines.spec import Event
from tests.unit.cli.program import Screen, call
from tests.unit.runtime.endless import Running, base, pipeline, write

FILE = '''
import mainstem as ms
from tests.unit.runtime.endless import COUNTS
p = ms.Pipeline("endless")
p.source("s", ms.files("s-*.jsonl", stream=True), schema="id bigint not null, k string, ts timestamp",
         event_time="ts", watermark="5 seconds", on_bad="dead_letter")
p.table("t", COUNTS)
'''  # fmt: skip
FAILING = FILE.replace("COUNTS)", 'COUNTS.replace("count(*)", "sum(inverse(id - 2))"))').replace(
    "p.table(",
    """
@p.function(takes="bigint", returns="double", workers=0)
def inverse(v):
    return 1 / v

p.table(""",
)
ROWS = [(1, "a", 1), (2, "b", 12), (3, "a", 30), (4, "a", 2)]

__all__ = ["base"]


@pytest.fixture
def project(base, monkeypatch):
    """A stream over four rows, of which the last is late."""
    monkeypatch.chdir(base)
    (base / "pipeline.py").write_text(FILE)
    write(base, *ROWS)
    return base


def epoch(number: int, read: int = 10) -> Event:
    """An epoch with one source and one table."""
    return Event("epoch_committed", "p", {
        "epoch": number, "sources": {"s": {"read": read, "admitted": read, "dead": 1}},
        "steps": {"t": {"arrived": read, "late": 2, "partly_late": 1, "rows_out": 3, "dead": 4}},
        "sinks": {"t": 3}, "watermarks": {"s": None}, "lag": {"s": 7}, "seconds": 0.5,
    })  # fmt: skip


def test_run_as_text(project, capsys):
    """The ledger, late rows, and where the next run goes on."""
    said = call(capsys, "run", "--until-caught-up", "-o", "text")

    assert said.code == 0
    assert "read\n  s  4 rows\n" in said.out
    assert "too late\n  t  1 row  late\n" in said.out
    assert "written\n  t  2 rows  in the state file\n" in said.out
    assert "endless has caught up in " in said.out
    assert "the next run goes on there" in said.out


def test_failed_calls_are_told(base, monkeypatch, capsys):
    """A row on which a step's function fails is counted where people look, and in the journal."""
    monkeypatch.chdir(base)
    (base / "pipeline.py").write_text(FAILING)
    write(base, *ROWS)
    said = call(capsys, "run", "--until-caught-up", "-o", "text")

    assert said.code == 0
    assert "not computed\n  t  1 row  bad\n" in said.out
    status = json.loads(call(capsys, "status", "-o", "json").out)
    assert status["last"]["ledger"]["steps"]["t"]["dead"] == 1


def test_run_as_lines(project, capsys):
    """No waiting, and epochs that add up to the ledger."""
    said = call(capsys, "run", "--until-caught-up")
    lines = [json.loads(line) for line in said.out.splitlines()]

    kinds = [line["event"] for line in lines]
    assert kinds == [
        "run_started",
        "stream_started",
        "epoch_committed",
        "stream_stopped",
        "run_ended",
    ]
    assert lines[2]["sources"]["s"]["read"] == lines[-1]["ledger"]["sources"]["s"]["read"] == 4
    assert said.err == ""


def test_quiet_run_prints_its_end_alone(project, capsys):
    """As any run."""
    said = call(capsys, "run", "--until-caught-up", "--quiet")

    assert [json.loads(line)["event"] for line in said.out.splitlines()] == ["run_ended"]


@pytest.mark.parametrize(
    ("number", "code", "by"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_stopped_run_prints_its_ledger_and_the_right_words(project, capsys, number, code, by):
    """Not those of a run that leaves every output as it was."""
    import os

    main = threading.main_thread().ident
    assert main is not None

    def stop_when_committed():
        from mainstem.runtime.socket import ask
        from mainstem.runtime.state import state_dir

        folder = state_dir(project, "endless")
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            found = ask(folder, "status") if (folder / "socket").exists() else None
            if found and found["epoch"]:
                break
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    stopper = threading.Thread(target=stop_when_committed)
    stopper.start()
    said = call(capsys, "run", "-o", "text")
    stopper.join()

    assert said.code == code
    assert "endless was stopped in" in said.out
    assert f"stopped by {by} between two epochs; what is committed stays" in said.err
    assert "as it was before" not in said.err


VIEWS = """
import mainstem as ms
p = ms.Pipeline("views")
p.source("views", ms.generator(columns={"page": {"zipf": 9}}, start="2026-01-01T00:00:00Z", rate=2000),
         schema="page string, ts timestamp", event_time="ts", watermark="5 seconds", on_bad="dead_letter")
p.table("t", "SELECT page, window_end, count(*) AS n FROM TUMBLE(views, ts, INTERVAL '1 second') "
        "GROUP BY page, window_end")
"""


def test_live_line_on_a_terminal_goes_when_the_run_ends(tmp_path):
    """Ctrl-C: the line is taken away, and the ledger printed in its place."""
    (tmp_path / "views.py").write_text(VIEWS)
    with Screen("run", "views.py", cwd=tmp_path) as screen:
        screen.read_until(
            r"epoch [1-9]\d*  in [\d.]+k? rows/s  out .*lag .*watermark .*state .*late 0"
        )
        screen.interrupt()
        code = screen.end()

    assert code == 130
    assert re.search(r"\r\x1b\[Kread\n  views  [\d,]+ rows\n", screen.text)
    assert "views was stopped in" in screen.text
    assert "what is committed stays" in screen.text


def test_watch_on_a_terminal(tmp_path):
    """Another terminal draws it again and again, in its place."""
    (tmp_path / "views.py").write_text(VIEWS)
    with Screen("run", "views.py", cwd=tmp_path) as run:
        run.read_until("epoch 1")
        with Screen("status", "views.py", "--watch", cwd=tmp_path) as watch:
            watch.read_until(r"(?s)(\x1b\[H\x1b\[J.*stands   epoch.*){2}")
            run.interrupt()
            assert run.end() == 130
            assert watch.end() == 0
    assert "stopped, started" in watch.text


def test_epochs_are_told_once_a_second_and_lose_nothing(monkeypatch):
    """A thousand epochs a second are one line, with their sums."""
    clock = [100.0]
    monkeypatch.setattr("mainstem.cli.streaming.time.monotonic", lambda: clock[0])
    told, epochs = [], Epochs()
    for number in range(1, 21):
        clock[0] += 0.125
        told += list(epochs.lines(epoch(number)))
        told += list(epochs.lines(Event("waiting", "p", {})))
    told += list(epochs.lines(Event("stream_stopped", "p", {"epoch": 20})))

    assert [event.kind for event in told] == ["epoch_committed"] * 4 + ["stream_stopped"]
    assert [event.facts["epochs"] for event in told[:4]] == [1, 8, 8, 3]
    assert sum(event.facts["sources"]["s"]["read"] for event in told[:4]) == 200
    assert told[3].facts["epoch"] == 20


def test_live_line_has_what_there_is_to_watch():
    """Rows a second in and out over the last seconds, lag, gap, late, dead, epoch."""
    standing = Standing(pipeline().plan())
    began = standing.began
    standing.take(epoch(7, read=1000), began + 2)

    line = standing.line(began + 2)

    assert line == (
        "epoch 7  in 500 rows/s  out 2 rows/s  lag 7  watermark not known  state 0 B  late 3  dead 5"
    )


@pytest.mark.parametrize(
    ("behind", "words"),
    [(timedelta(seconds=5), "5 s behind"), (timedelta(days=3), "3 days behind"),
     (timedelta(seconds=-5), "ahead of the clock")],
)  # fmt: skip
def test_gap_of_the_watermark(behind, words):
    """Against the clock of this machine."""
    now = datetime(2026, 1, 10, tzinfo=UTC)

    assert gap({"a": now - behind, "b": now + timedelta(days=1)}, now) == words


def test_other_terminal_sees_the_stream(project, capsys):
    """Status, query, explain and state while it runs; then the same of what was saved."""
    with Running(project, pipeline()) as stream:
        stream.until("epoch_committed")
        status = call(capsys, "status")
        question = call(capsys, "query", "SELECT k, n FROM t ORDER BY window_end", "-o", "csv")
        explained = call(capsys, "explain", "--time")
        listed = call(capsys, "state", "ls")
        kept = call(capsys, "state", "backup", "kept")

    assert "stands   epoch 1, lag 0, watermark" in status.out
    assert "read     s  4 rows" in status.out
    assert "late 1, dead 0" in status.out
    assert question.out == "k,n\na,1\nb,1\n"
    assert "endless at epoch 1 (the stream runs)" in explained.out
    assert (
        "held by s partition 0 at 2026-01-01T00:00:25Z (its watermark is the lowest)"
        in explained.out
    )
    assert "t__late  late" in listed.out
    assert kept.out.startswith("epoch 1 saved to kept")

    assert "as the last epoch left it" in call(capsys, "explain", "--time").out
    assert call(capsys, "state", "diff", "kept").out == (
        "both are at the same epoch, watermarks and positions\nthe tables are the same\n"
    )
    assert "position" in call(capsys, "state", "show").out
    assert "NoStateFile" not in call(capsys, "state", "ls", "-o", "json").err


def test_watch_ends_with_the_run(project, capsys):
    """A line a second in JSON; the last one is of the ended run."""
    watched = []
    with Running(project, pipeline()) as stream:
        stream.until("epoch_committed")
        watcher = threading.Thread(
            target=lambda: watched.append(call(capsys, "status", "--watch", "-o", "json"))
        )
        watcher.start()
        time.sleep(0.5)
    watcher.join(20)

    lines = [json.loads(line) for line in watched[0].out.splitlines()]
    assert lines[0]["live"]["epoch"] == 1
    assert (lines[-1]["holder"], lines[-1]["last"]["status"]) == (None, "stopped")


def test_runs_and_status_say_how_a_stream_ended(project, capsys):
    """Caught up, and the rows of all its epochs."""
    call(capsys, "run", "--until-caught-up", "--quiet")

    assert "caught up" in call(capsys, "runs").out
    said = call(capsys, "status").out
    assert "caught up, started" in said
    assert "1 epoch, the last is 1" in said
    assert "t  2 rows  in the state file" in said


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(["explain"], "what is to be explained"),
     (["run", "--bounded", "--until-caught-up"], "a run ends in one way"),
     (["run", "--until", "soon"], "no instant"),
     (["run", "--epoch-rows", "0"], "--epoch-rows is 0")],
)  # fmt: skip
def test_wrong_arguments(project, capsys, arguments, what):
    """Exit code 2, before anything runs."""
    said = call(capsys, *arguments)

    assert said.code == 2
    assert what in said.err
