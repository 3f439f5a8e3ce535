"""`mainstem doctor`: what it looks at, and what it keeps to itself."""

import json
import platform

from mainstem.cli.command import doctor
from mainstem.engines.spark import installed
from tests.unit.cli.program import call


def checks(said) -> dict[str, dict]:
    """What was found, by name."""
    return {check["name"]: check for check in json.loads(said.out)["checks"]}


def test_doctor_tells_versions_machine_and_state(project, capsys):
    """All is well here: exit code 0."""
    call(capsys, "run", "-q")
    said = call(capsys, "doctor", "-o", "json")

    found = checks(said)
    assert (said.code, said.err, json.loads(said.out)["ok"]) == (0, "", True)
    assert found["python"]["found"].startswith(platform.python_version())
    assert found["duckdb"]["found"].startswith("2.0.")
    assert found["state"]["found"] == ".mainstem/orders: 1 run"
    assert found["disk"]["state"] in ("ok", "warning")


def test_doctor_shows_no_value_of_a_variable_of_ours(project, capsys, monkeypatch):
    """The answer is meant to be attached to an issue."""
    monkeypatch.setenv("MAINSTEM__SOURCES__ORDERS__PATH", "canary-7f3a.csv")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-7f3a")
    text = call(capsys, "doctor").out

    assert "canary" not in text + call(capsys, "doctor", "-o", "json").out
    assert "$MAINSTEM__SOURCES__ORDERS__PATH  set (not shown)" in text


def test_doctor_names_what_a_run_will_stumble_over(project, capsys):
    """A state directory of another version: exit code 2 and a fix."""
    call(capsys, "run", "-q")
    (project / ".mainstem/orders/format").write_text("9\n")
    said = call(capsys, "doctor")

    assert said.code == 2
    assert "FAIL  state" in said.out
    assert "\nfix state: " in said.out


def test_doctor_works_where_no_pipeline_is(tmp_path, monkeypatch, capsys):
    """It is the first thing to call."""
    monkeypatch.chdir(tmp_path)

    assert checks(call(capsys, "doctor", "-o", "json"))["state"]["state"] == "ok"
    assert call(capsys, "doctor", "none.py").code == 2


def test_doctor_looks_at_what_an_engine_needs(project, capsys, monkeypatch, tmp_path):
    """Its packages and its Java; what is missing is fatal to whoever asks for it."""
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(installed, "version", {"pyspark": "4.2.0", "pyarrow": "26.0.1"}.get)

    found = checks(call(capsys, "doctor", "--engine", "spark", "-o", "json"))
    assert found["pyspark"] == {"name": "pyspark", "found": "4.2.0", "state": "ok", "fix": ""}
    assert found["java"]["found"].startswith('openjdk version "17.0.1"')
    assert "java" not in checks(call(capsys, "doctor", "-o", "json"))

    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    monkeypatch.setattr(installed, "version", {"pyspark": "4.3.0", "pyarrow": "26.0.1"}.get)
    said = call(capsys, "doctor", "--engine", "spark")
    assert said.code == 2
    assert "fix pyspark: pip install 'mainstem[spark]'" in said.out
    assert "fix java: install a Java 17, 21, 25, and set JAVA_HOME; or: pip install" in said.out


def test_memory_is_the_least_that_is_known(tmp_path, monkeypatch):
    """A container's limit goes before the machine; the word max is no limit."""
    machine, container = tmp_path / "meminfo", tmp_path / "max"
    monkeypatch.setattr(doctor, "MEMINFO", machine)
    monkeypatch.setattr(doctor, "CGROUP_LIMIT", container)
    assert doctor.memory().found == "not known on this system"
    machine.write_text("MemTotal:       16000000 kB\nMemFree: 1 kB\n")
    container.write_text("max\n")
    assert doctor.memory().found == "16.4 GB"
    container.write_text("500000000\n")
    assert doctor.memory().found == "500.0 MB"
    assert doctor.memory().fix != ""
