"""A folder of its own for local servers, and a kind of server that starts in a moment."""

import sys

import pytest

from mainstem.dev import control
from mainstem.dev import servers as kinds

# A node listens, and says in its answer who it is; `die`, `sulk` and `child` are settings of it.
NODE = """
import signal, socketserver, subprocess, sys
name, port, settings = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
if "sulk=yes" in settings:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "die=yes" in settings:
    sys.exit("nothing to do here")
if "child=yes" in settings:
    print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(name.encode())
socketserver.TCPServer.allow_reuse_address = True
with socketserver.TCPServer(("127.0.0.1", port), Answer) as server:
    print("listening", flush=True)
    server.serve_forever()
"""

SPEC = """
import socket, sys
from pathlib import Path
from mainstem.dev.spec import Layout, Node, ServerSpec

class EchoSpec(ServerSpec):
    name = "echo"
    does = "says its name"
    node_counts = (1, 2)
    usual_port = 21_999
    deadline_s = 1.0

    def n_ports(self, ask):
        return 0

    def lay_out(self, ask, data, ports, *, cache, java):
        nodes = []
        for number, (port,) in enumerate(ports, 1):
            folder = data / str(number)
            folder.mkdir(exist_ok=True)
            settings = [f"{key}={value}" for key, value in ask.settings.items()]
            argv = (sys.executable, str(Path(__file__).with_name("node.py")), str(number), str(port))
            nodes.append(Node(str(number), (*argv, *settings), str(folder), {"client": port}))
        return Layout(tuple(nodes), ",".join(f"127.0.0.1:{port}" for port, in ports))

    def not_ready(self, layout, alive, asked):
        for node in layout.nodes:
            if node.name in asked:
                try:
                    with socket.create_connection(("127.0.0.1", node.ports["client"]), 1) as there:
                        said = there.recv(99).decode()
                except OSError as error:
                    return f"{node.name}: {error}"
                if said != node.name:
                    return f"{node.name} says it is {said!r}"
        return ""

SPEC = EchoSpec()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The user's folder for local servers, with no settings of Maven and no Java about."""
    monkeypatch.setenv("MAINSTEM_DEV_DIR", str(tmp_path / "dev"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "dev"


@pytest.fixture
def echo(place, tmp_path, monkeypatch):
    """A second kind of server: one small folder. Whatever a test leaves up is brought down."""
    folder = tmp_path / "kinds" / "echo"
    folder.mkdir(parents=True)
    (folder / "spec.py").write_text(SPEC)
    (folder / "node.py").write_text(NODE)
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(folder.parent)])
    yield "echo"
    for left in control.running():
        left.down()
    for name in [name for name in sys.modules if name.startswith(f"{kinds.__name__}.echo")]:
        del sys.modules[name]
