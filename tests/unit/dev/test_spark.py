"""Spark: how its nodes are started, and what is understood of what a master says."""

import http.server
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from mainstem.dev import start, up
from mainstem.dev.servers import load
from mainstem.dev.servers.spark import after, jvm, package, status
from mainstem.dev.spec import Ask
from mainstem.errors import SettingsError
from mainstem.settings.java import Java
from tests.unit.cli.program import call

PORTS = [[7077, 1], [7078, 2], [7079, 3]]


def make_java(home: Path, *modules: str) -> Java:
    """A Java that has these modules, and prints what it is called with."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    (home / "release").write_text(f'JAVA_VERSION="17"\nMODULES="{" ".join(modules)}"\n')
    return Java(home, 17)


@pytest.fixture
def full(tmp_path):
    """A Java as a machine has it."""
    return make_java(tmp_path / "full java", "java.base", "jdk.incubator.vector")


@pytest.fixture
def pyspark(tmp_path, monkeypatch):
    """A package with a jar, and nothing that could be imported."""
    home = tmp_path / "site" / "pyspark"
    (home / "jars").mkdir(parents=True)
    (home / "jars" / "spark-core_2.13-4.2.0.jar").touch()
    (home / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(home.parent))
    monkeypatch.delitem(sys.modules, "pyspark", raising=False)
    return home


def lay_out(data: Path, java: Java, settings=()):
    """A master and two workers."""
    ask = Ask(nodes=3, settings=dict(settings))
    return load("spark").lay_out(ask, data, PORTS, cache=data, java=java)


def test_a_master_and_two_workers(pyspark, full, tmp_path):
    """One page each; a worker is started for the master, in a folder of its own."""
    layout = lay_out(tmp_path, full)
    master, first, second = layout.nodes

    assert layout.address == "spark://127.0.0.1:7077"
    assert layout.client == {
        "spark.master": "spark://127.0.0.1:7077",
        "spark.driver.host": "127.0.0.1",
    }
    assert [node.name for node in layout.nodes] == ["master", "worker-1", "worker-2"]
    assert [dict(node.ports) for node in layout.nodes] == [
        {"client": client, "web": web} for client, web in PORTS
    ]
    assert master.argv[0] == str(full.home / "bin" / "java")
    assert master.argv[-9:] == (
        "-cp", f"{pyspark}/jars/*", "org.apache.spark.deploy.master.Master",
        "--host", "127.0.0.1", "--port", "7077", "--webui-port", "1",
    )  # fmt: skip
    assert first.argv[:5] == (sys.executable, "-I", "-S", after.__file__, "7077")
    assert first.argv[5:-10] == master.argv[:-7]
    assert second.argv[-10:] == (
        "org.apache.spark.deploy.worker.Worker", "spark://127.0.0.1:7077",
        "--host", "127.0.0.1", "--port", "7079", "--webui-port", "3",
        "--work-dir", str(tmp_path / "worker-2" / "work"),
    )  # fmt: skip
    assert all(Path(node.folder).is_dir() for node in layout.nodes)


def test_variables_of_a_worker_are_those_of_its_executors(pyspark, full, tmp_path):
    """On the loopback address, with this Python and this Java; nothing of the user's own Spark."""
    env = lay_out(tmp_path, full).nodes[1].env

    assert env == {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_HOME": str(pyspark),
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_CONF_DIR": str(tmp_path / "conf"),
        "SPARK_LOCAL_DIRS": str(tmp_path / "worker-1" / "scratch"),
        "JAVA_HOME": str(full.home),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_WORKER_CORES": "1",
        "SPARK_WORKER_MEMORY": "1g",
    }


def test_settings_are_properties_or_variables(pyspark, full, tmp_path):
    """They win over ours; a backslash stays one."""
    settings = {"spark.port.maxRetries": "3", "spark.a": "b\\c", "SPARK_WORKER_CORES": "4"}
    layout = lay_out(tmp_path, full, settings)
    written = (tmp_path / "conf" / "spark-defaults.conf").read_text().splitlines()

    assert written == [
        "spark.master.rest.enabled false",
        "spark.port.maxRetries 3",
        "spark.a b\\\\c",
    ]
    assert layout.nodes[1].env["SPARK_WORKER_CORES"] == "4"
    assert "spark.a" not in layout.nodes[1].env


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"nodes": 1}, "spark cannot have 1 nodes"),
        ({"nodes": 6}, "spark cannot have 6 nodes"),
        ({"security": "tls"}, "does not know --security tls"),
        ({"settings": {"num.partitions": "3"}}, "does not know the setting 'num.partitions'"),
    ],
)
def test_a_wish_that_it_does_not_know_is_refused(place, pyspark, wish, said):
    """Before a Java is looked for."""
    with pytest.raises(SettingsError, match=said) as caught:
        up("spark", **wish)

    assert caught.value.finding.code == "Usage"


def test_there_are_two_workers_when_nobody_says(place, pyspark, monkeypatch):
    """By the kind, from Python and from the command line."""
    asked = []

    def begin(kind, ask, **_):
        asked.append((kind, ask.nodes))
        raise SettingsError("enough", code="Usage")

    monkeypatch.setattr(start, "begin", begin)
    for words in ({}, {"nodes": 2}):
        with pytest.raises(SettingsError, match="enough"):
            up("spark", **words)

    assert asked == [("spark", 3), ("spark", 2)]
    assert start.is_prepared("spark")


@pytest.mark.parametrize("has_folder", [False, True], ids=["absent", "a client without jars"])
def test_without_pyspark(place, tmp_path, monkeypatch, capsys, has_folder):
    """The fix is what to type; no Java is fetched for it."""
    folder = tmp_path / "site" / "pyspark"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    found = importlib.util.spec_from_file_location(
        "pyspark", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    monkeypatch.setattr(
        package.importlib.util, "find_spec", lambda _: found if has_folder else None
    )

    said = call(capsys, "dev", "up", "spark")

    assert (said.code, said.err.partition(":")[0]) == (2, "PackageMissing")
    assert "fix: pip install 'mainstem[spark]'" in said.err
    assert (f"the pyspark in {folder} has no jars" in said.err) == has_folder


def test_a_java_without_the_module_is_not_asked_for_it(full, tmp_path):
    """Nor are executors, whose driver asks for it: they take a Java that leaves the word out."""
    small = make_java(tmp_path / "small java", "java.base")

    assert jvm.options(full)[-1] == "--add-modules=jdk.incubator.vector"
    assert jvm.options(full)[:-1] == jvm.options(small)
    assert jvm.home_for_executors(full, tmp_path) == full.home
    home = jvm.home_for_executors(small, tmp_path / "data")
    words = ["-Da=b c", "--add-modules=jdk.incubator.vector", "-cp", "it's $HOME", "*"]
    done = subprocess.run(
        [home / "bin" / "java", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["-Da=b c", "-cp", "it's $HOME", "*"]


def answer(workers: dict[int, str], state: str = "ALIVE") -> bytes:
    """What a master says."""
    told = [{"id": f"w{port}", "port": port, "state": it} for port, it in workers.items()]
    return json.dumps({"status": state, "workers": told}).encode()


def test_lost_workers_stay_on_the_page():
    """They count as lost."""
    found = status.read(answer({1: "ALIVE", 2: "DEAD", 3: "UNKNOWN"}, "RECOVERING"))

    assert found == status.Status("RECOVERING", frozenset({1}))


@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b"{}", b'{"status": 1, "workers": [1]}'])
def test_what_is_no_answer(text):
    """Whoever wrote it."""
    with pytest.raises(status.NoAnswer, match="not that of a master"):
        status.read(text)


class Page(http.server.BaseHTTPRequestHandler):
    """The page of a master."""

    def __init__(self, texts, *rest):
        self.texts = texts
        super().__init__(*rest)

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self.send_response(200 if self.path == "/json/" and self.texts else 503)
        self.end_headers()
        self.wfile.write(self.texts.pop(0) if self.texts else b"")


@pytest.fixture
def page():
    """A master that gives one answer after the other: its port, and the answers."""
    texts = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, texts)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, texts
        server.shutdown()
        thread.join()


def test_ready_when_the_master_leads_and_has_all_that_run(
    page, pyspark, full, tmp_path, monkeypatch
):
    """A worker that was lost need not be there; a proxy of the user's is not asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    port, texts = page
    ask = Ask(nodes=3)
    ports = [[7077, port], *PORTS[1:]]
    layout = load("spark").lay_out(ask, tmp_path, ports, cache=tmp_path, java=full)
    everybody = [node.name for node in layout.nodes]
    texts += [
        answer({}, "STANDBY"),
        answer({7078: "ALIVE", 7079: "DEAD"}),
        answer({7078: "ALIVE", 7079: "DEAD"}),
        answer({7078: "ALIVE", 7079: "ALIVE"}),
    ]
    not_ready = load("spark").not_ready

    assert not_ready(layout, everybody, everybody) == "the master is STANDBY"
    assert not_ready(layout, everybody, everybody) == "the master does not know worker-2"
    assert not_ready(layout, everybody[:2], everybody[:2]) == ""
    assert not_ready(layout, everybody, everybody) == ""
    said = not_ready(layout, everybody, everybody)
    assert said == "the master does not answer: 503 Service Unavailable"
    assert not_ready(layout, everybody[1:], everybody[1:]) == "the master does not run"


def test_nobody_there():
    """A reason, not an error."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(status.NoAnswer, match="refused"):
        status.ask(port)


def test_a_worker_waits_for_its_master_in_its_own_process():
    """It is the same process before and after."""
    with socket.socket() as master:
        master.bind(("127.0.0.1", 0))
        port = str(master.getsockname()[1])
        program = [sys.executable, "-c", "import os, sys; print(os.getpid(), sys.argv[1])", "a b"]
        command = [sys.executable, "-I", "-S", after.__file__, port, *program]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            with pytest.raises(subprocess.TimeoutExpired):
                worker.wait(0.3)
            master.listen()
            said, _ = worker.communicate(timeout=30)

    assert said == f"{worker.pid} a b\n"


@pytest.mark.parametrize("is_written", [True, False])
def test_modules_of_a_java_are_read_or_asked_for(tmp_path, is_written):
    """Where it writes none down, it is asked for one."""
    java = make_java(tmp_path / "j", "java.base")
    if not is_written:
        (java.home / "release").unlink()
        (java.home / "bin" / "java").write_text(
            '#!/bin/sh\n[ "$*" = "--describe-module java.base" ]'
        )

    assert java.has_module("java.base")
    assert not java.has_module("jdk.incubator.vector")


def test_no_import_of_pyspark():
    """It takes seconds, and local servers know nothing of pipelines."""
    code = (
        "import sys; from mainstem.dev.servers import load; load('spark');"
        " sys.exit('pyspark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False)

    assert done.returncode == 0
