"""`mainstem run`: events as lines, a screen that moves, Ctrl-C, and what is refused."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.unit.cli.program import PROGRAM, WAIT_S, Screen, call, environment, start


def events(text: str) -> list[dict]:
    """The lines of a run."""
    return [json.loads(line) for line in text.splitlines()]


def test_pipe_gets_a_line_for_each_event(project):
    """Nobody watches: JSON, the ledger in the last line, and nothing on stderr."""
    said = start("run", cwd=project)

    assert (said.code, said.err) == (0, "")
    found = events(said.out)
    kinds = [event["event"] for event in found if event["event"] != "progress"]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_ended")
    assert kinds.count("sink_committed") == 2
    read = {event["name"]: event["rows"] for event in found if event["event"] == "source_read"}
    assert read == {"orders": 8, "customers": 4}
    sinks = found[-1]["ledger"]["sinks"]
    assert {name: line["committed"] for name, line in sinks.items()} == {"by_country": 4, "best": 4}


def test_quiet_run_prints_only_its_end(project, capsys):
    """As lines one, as text none."""
    assert [event["event"] for event in events(call(capsys, "run", "-q", "-o", "json").out)] == [
        "run_ended"
    ]
    said = call(capsys, "run", "-q", "-o", "text")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_last_line_of_a_failed_run_is_the_error(project, capsys):
    """Whoever reads the lines knows how it ended; the old output is whole."""
    call(capsys, "run", "-q")
    before = (project / "out/by_country.csv").read_bytes()
    with (project / "data/orders.csv").open("a") as orders:
        orders.write("9,ada,yesterday,1.00,paid\n")
    said = call(capsys, "run")

    error = events(said.out)[-1]["error"]
    assert (said.code, error["exit_code"], error["kind"]) == (6, 6, "DataError")
    assert said.err.startswith("BadRow: ")
    assert "yesterday" in said.err
    assert (project / "out/by_country.csv").read_bytes() == before


def test_warning_does_not_stop_a_run(project, capsys):
    """A final LIMIT without a total order is allowed (contract V6): told, and run."""
    file = project / "pipeline.py"
    file.write_text(file.read_text().replace("BY customer", "BY customer LIMIT 2"))
    lines = call(capsys, "run")
    text = call(capsys, "run", "-o", "text")

    assert (lines.code, events(lines.out)[0]["event"]) == (0, "warning")
    assert (text.code, text.err.startswith("warning ")) == (0, True)


def test_parameters_are_given_by_name(project, capsys):
    """The open order has no amount; a wrong name gets the nearest."""
    assert call(capsys, "run", "-q", "--param", "status=open").code == 0
    assert call(capsys, "query", "SELECT * FROM best", "-o", "csv").out == "customer,total\nbob,\n"
    wrong = call(capsys, "run", "--param", "staus=open")
    assert (wrong.code, "write status" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "said_of_it"),
    [
        (["--engine", "sc://host:15002"], 3, "engine 'sc' arrives in a later version"),
        (["--engine", "Flink"], 3, "engine 'flink' arrives in a later version"),
        (["--engine", "embeded"], 2, "no engine 'embeded'"),
        (["--threads", "0"], 2, "threads"),
        (["--memory-limit", "much"], 2, "memory_limit"),
        (["--env", "tset"], 2, "write test"),
        (["--set", "sources.ordrs.path=x"], 2, "sources.orders"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(project, capsys, words, code, said_of_it):
    """Before anything is read or written."""
    said = call(capsys, "run", "-o", "text", *words)

    assert (said.code, said.out) == (code, "")
    assert said_of_it in said.err
    assert not (project / "out").exists()
    assert not (project / ".mainstem").exists()


def test_settings_of_the_run_reach_it(project, capsys):
    """A state directory of another name holds the state, for questions too."""
    words = ["--state-dir", "kept", "--threads", "1", "--memory-limit", "200MB"]
    assert call(capsys, "run", "-q", *words).code == 0

    assert (project / "kept/orders/journal.jsonl").exists()
    assert not (project / ".mainstem").exists()
    said = call(capsys, "query", "SELECT count(*) AS n FROM best", "-o", "csv", *words[:2])
    assert said.out == "n\n4\n"


def test_log_is_json_when_asked_for(project):
    """On stderr; standard output stays the answer."""
    said = start("run", "--log-format", "json", "-q", "-o", "json", cwd=project)

    assert said.code == 0
    assert [event["event"] for event in events(said.out)] == ["run_ended"]
    assert all(json.loads(line)["level"] for line in said.err.splitlines())


def test_short_run_on_a_terminal_prints_the_ledger(project):
    """As text, since a person is there."""
    with Screen("run", cwd=project) as screen:
        assert screen.end() == 0
        assert "by_country  4 rows  out/by_country.csv" in screen.text


def test_long_run_moves_and_ends_at_once_with_ctrl_c(endless):
    """The screen shows what it does; afterwards the bars are gone, and the old output is whole."""
    with Screen("run", "endless.sql", cwd=endless) as screen:
        screen.read_until(r"write  pairs.*━")
        screen.interrupt()
        code = screen.end()

    assert code == 130
    # What was drawn is taken away: after its last bar the screen is cleared line by line.
    after = screen.text[screen.text.rindex("━") :]
    assert "\x1b[2K" in after
    assert "Stopped" in after
    assert "Traceback" not in screen.text
    assert (endless / "out/pairs.csv").read_text() == "n\n64\n"
    assert list((endless / "out").iterdir()) == [endless / "out/pairs.csv"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_stops_a_run_that_nobody_watches(endless, capsys, number, code):
    """The last line says so; status says so; meanwhile status works and query waits."""
    process = subprocess.Popen(
        [*PROGRAM, "run", "endless.sql"], cwd=endless, env=environment({}), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        while json.loads(process.stdout.readline())["event"] != "source_read":
            pass
        during = call(capsys, "status", "endless.sql")
        question = call(capsys, "query", "SELECT 1", "endless.sql")
        second = call(capsys, "run", "endless.sql", "-o", "text")
        process.send_signal(number)
        try:
            out, err = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()

    assert f"running  pid {process.pid} " in during.out
    assert (question.code, second.code) == (7, 7)
    assert f"pid {process.pid}" in second.err
    assert process.returncode == code
    assert json.loads(out.splitlines()[-1])["error"]["exit_code"] == code
    assert "Traceback" not in err
    assert json.loads(call(capsys, "status", "endless.sql", "-o", "json").out)["last"][
        "status"
    ] == ("stopped")


def cpu_s(pid: int) -> float:
    """How long a process has been working, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_long_question_ends_at_once_with_ctrl_c(project, capsys):
    """DuckDB itself looks at signals between its tasks only; here one task is everything."""
    assert call(capsys, "run", "-q", "-o", "text").err == ""
    sql = "SELECT sum(a.i * b.i) FROM range(9000000) a(i), range(9000000) b(i)"
    process = subprocess.Popen(
        [*PROGRAM, "query", sql], cwd=project, env=environment({}), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        # Starting takes a fraction of this: by then it is the question that works.
        while cpu_s(process.pid) < 2 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()

    assert (process.returncode, out) == (130, "")
    assert err.startswith("Stopped: ")
