"""Processes are told apart by pid and start."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mainstem.dev import process as processes
from mainstem.dev.process import Process, end_all, from_dict

SLEEPS = [sys.executable, "-c", "import time; print('on', flush=True); time.sleep(600)"]
IGNORES = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)",
]


@pytest.fixture
def begin():
    """Start programs that are gone after the test."""
    started = []

    def start(command):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(child)
        assert child.stdout.readline() == b"on\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_process_is_known_until_it_ends(begin):
    """By value, too: written down and read again it is the same."""
    child = begin(SLEEPS)
    found = Process.of(child.pid)

    assert found.is_alive
    assert from_dict(found.to_dict()) == found
    child.kill()
    child.wait()
    assert not found.is_alive
    assert Process.of(child.pid) is None


def test_a_zombie_does_not_run(begin):
    """Its parent has not looked yet; its pid is still there."""
    child = begin(SLEEPS)
    found = Process.of(child.pid)

    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert not found.is_alive


def test_a_pid_that_belongs_to_another_now_is_left_alone(begin):
    """The process that was written down has ended, and its pid was given away."""
    child = begin(SLEEPS)
    earlier = Process(child.pid, "another start")

    assert not earlier.is_alive
    assert not earlier.send(signal.SIGKILL)
    end_all([earlier], deadline_s=0)
    assert child.poll() is None


def test_two_starts_of_one_pid_differ(begin, monkeypatch):
    """The start is that of the machine and of the process; `ps` tells it where there is no /proc."""
    first, second = begin(SLEEPS), begin(SLEEPS)
    by_proc = {processes._started_by_proc(child.pid) for child in (first, second)}
    by_ps = processes._started_by_ps(first.pid)

    assert len(by_proc) == 2
    assert by_ps == processes._started_by_ps(first.pid) != ""
    assert processes._started_by_ps(2**22 + 1) == ""


def test_all_are_asked_at_once_and_the_stubborn_are_killed(begin):
    """One that ends by itself does so on SIGTERM; the other has until the deadline."""
    children = [begin(SLEEPS), begin(IGNORES), begin(SLEEPS)]
    found = [Process.of(child.pid) for child in children]

    def look():
        time.sleep(0.01)
        for child in children:
            child.poll()

    end_all(found, deadline_s=0.5, wait=look)

    codes = [child.wait() for child in children]
    assert codes == [-signal.SIGTERM, -signal.SIGKILL, -signal.SIGTERM]
