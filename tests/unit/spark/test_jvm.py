"""Starting a JVM: its words, and signals that come meanwhile."""

import os
import signal
import time

import pytest

from mainstem.engines.spark.jvm import memory, quiet, unbroken
from mainstem.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "given"), [("2GB", "2g"), ("512 MiB", "512m"), ("1g", "1g"), ("2000000 B", "2000000")]
)
def test_memory_limits_are_written_as_a_jvm_reads_them(text, given):
    """-Xmx2GB stops a JVM before it has begun."""
    assert memory(text) == given


@pytest.mark.parametrize("text", ["", "much", "1.5GB", "-1g"])
def test_what_a_jvm_does_not_take_is_refused(text):
    """Before it is started."""
    with pytest.raises(SettingsError, match="EngineSettings"):
        memory(text)


def test_what_is_written_to_standard_error_is_kept(capfd):
    """Not shown, but there for the error of a JVM that does not start."""
    with quiet() as lines:
        os.write(2, b"one\ntwo\n")
        until = time.monotonic() + 5
        while len(lines) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    os.write(2, b"three\n")

    assert list(lines) == ["one", "two"]
    assert capfd.readouterr().err == "three\n"


def test_a_signal_waits_for_the_start():
    """The first; whoever asks twice is heard at once."""
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("handled"))
    try:
        with unbroken():
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("started")
        assert seen == ["started", "handled"]

        seen.clear()
        with unbroken():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("started")
        assert seen == ["handled", "started", "handled"]
    finally:
        signal.signal(signal.SIGINT, before)
