"""Apache Spark: how master and workers are started, and when they do their work."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mainstem.dev.ports import HOST
from mainstem.dev.servers.spark import jvm, package, status
from mainstem.dev.spec import Ask, Layout, Node, ServerSpec, needed
from mainstem.dev.web import NoAnswer
from mainstem.settings.java import Java

_MASTER = "master"
_CLASSES = "org.apache.spark.deploy"
_AFTER = Path(__file__).with_name("after.py")
# Settings that Spark takes from files; the others, such as SPARK_WORKER_CORES, are variables.
_PROPERTIES = {
    # Always port 6066, so in the way of a second cluster, and open to whoever has a program to run.
    "spark.master.rest.enabled": "false",
    # A port that was taken in the meantime is an error, and not a reason to listen on another one.
    "spark.port.maxRetries": "0",
}


class SparkSpec(ServerSpec):
    """A master and one to four workers."""

    name = "spark"
    does = "Apache Spark"
    least_java = 17
    node_counts = (2, 3, 4, 5)
    usual_nodes = 3
    usual_port = 7077
    # Its files hold the first, its variables are the others.
    prefixes = ("spark.", "SPARK_")
    settings_are = (
        "a property such as spark.worker.timeout, or a variable such as SPARK_WORKER_CORES"
    )
    # A worker that is asked to end gives its executors 10 s before it kills them.
    deadline_s = 15.0

    def check(self, ask: Ask) -> None:
        """Refuse a machine without pyspark."""
        package.find()

    def n_ports(self, ask: Ask) -> int:
        """Give one for the web page that each node has."""
        return 1

    def lay_out(
        self, ask: Ask, data: Path, ports: Sequence[Sequence[int]], *, cache: Path,
        java: Java | None,
    ) -> Layout:  # fmt: skip
        """Write the settings, which all nodes share, and make a folder for each."""
        java = needed(java)
        _write_properties(data, ask.settings)
        spark = package.find()
        env = _variables(spark, data, jvm.home_for_executors(java, data), ask.settings)
        address = f"spark://{HOST}:{ports[0][0]}"
        program = [*java.command, *jvm.options(java), "-cp", str(spark.home / "jars" / "*")]
        nodes = []
        for number, (client, web) in enumerate(ports):
            name = f"worker-{number}" if number else _MASTER
            folder = data / name
            folder.mkdir(exist_ok=True)
            listens = ["--host", HOST, "--port", str(client), "--webui-port", str(web)]
            argv = [*program, f"{_CLASSES}.master.Master", *listens]
            if number:
                argv = [*_after(ports[0][0]), *program, f"{_CLASSES}.worker.Worker", address,
                        *listens, "--work-dir", str(folder / "work")]  # fmt: skip
            own = {**env, "SPARK_LOCAL_DIRS": str(folder / "scratch")}
            nodes.append(Node(name, tuple(argv), str(folder), {"client": client, "web": web}, own))
        return Layout(tuple(nodes), address, {"spark.master": address, "spark.driver.host": HOST})

    def not_ready(self, layout: Layout, alive: Sequence[str], asked: Sequence[str]) -> str:
        """Ask the master, who does not lead before it is ready itself, for the workers that it has."""
        if _MASTER not in alive:
            return "the master does not run"
        ports = {node.name: node.ports for node in layout.nodes}
        try:
            found = status.ask(ports[_MASTER]["web"])
        except NoAnswer as reason:
            return f"the master does not answer: {reason}"
        if found.state != "ALIVE":
            return f"the master is {found.state}"
        workers = [name for name in alive if name != _MASTER]
        missing = [name for name in workers if ports[name]["client"] not in found.workers]
        return f"the master does not know {', '.join(missing)}" if missing else ""


def _after(port: int) -> list[str]:
    return [sys.executable, "-I", "-S", str(_AFTER), str(port)]


def _write_properties(data: Path, settings: Mapping[str, str]) -> None:
    """Write the file that each node reads; a backslash would begin an escape."""
    given = {name: text for name, text in settings.items() if name.startswith("spark.")}
    lines = [
        f"{name} {text}\n".replace("\\", "\\\\") for name, text in (_PROPERTIES | given).items()
    ]
    folder = data / "conf"
    folder.mkdir(exist_ok=True)
    (folder / "spark-defaults.conf").write_text("".join(lines), "utf-8")


def _variables(
    spark: package.Package, data: Path, java_home: Path, settings: Mapping[str, str]
) -> dict[str, str]:
    """Give the variables of a node; the executors of a worker have them too."""
    return {
        # Without it web pages, and what executors listen on, would be open to the network.
        "SPARK_LOCAL_IP": HOST,
        # From it executors take their jars, and the user's own may be of another version.
        "SPARK_HOME": str(spark.home),
        # Else a worker looks for the folders of whoever builds Spark, and starts no executor.
        "SPARK_SCALA_VERSION": spark.scala,
        "SPARK_CONF_DIR": str(data / "conf"),
        "JAVA_HOME": str(java_home),
        # A driver names the Python of its functions; for whoever names none it is not the first of PATH.
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_WORKER_CORES": "1",
        "SPARK_WORKER_MEMORY": "1g",
        **{name: text for name, text in settings.items() if name.startswith("SPARK_")},
    }


SPEC = SparkSpec()
