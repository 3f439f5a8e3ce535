"""A server and its supervisor, with a kind of server that is one small folder."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mainstem.dev import Process, attach, down, folders, ports, running, server, shared, start, up
from mainstem.dev import entry as entries
from mainstem.errors import BusyError, OutsideError, SettingsError
from tests.unit.cli.program import call

# What a process does that has a server of its own and is then killed.
OWNER = """
import sys, time
from mainstem.dev import servers as kinds, server
kinds.__path__.append(sys.argv[1])
with server("echo", nodes=2) as echo:
    print(echo.name, flush=True)
    time.sleep(600)
"""


def says(port: int) -> str:
    """What listens on a port says of itself; nothing when nobody does."""
    try:
        with socket.create_connection((ports.HOST, port), 5) as there:
            return there.recv(99).decode()
    except OSError:
        return ""


def wait_for(is_so) -> None:
    """Wait for something that happens by itself, soon."""
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.02)


def test_a_server_is_there_for_a_block(echo, place):
    """Then its processes, its entry and its data are gone."""
    with server(echo, nodes=2) as found:
        pids = [Process.of(node.pid) for node in found.nodes]
        assert [says(node.ports["client"]) for node in found.nodes] == ["1", "2"]
        assert found.address == ",".join(f"127.0.0.1:{n.ports['client']}" for n in found.nodes)
        assert (found.state, found.is_alive) == ("up", True)
        assert [each.name for each in running()] == [found.name]
        assert found.nodes[0].log.read_text() == "listening\n"

    assert not any(process.is_alive for process in pids)
    assert not found.is_alive
    assert running() == []
    assert not found.data.exists()
    assert attach(found.name) is None


def test_a_node_is_killed_and_started_again(echo):
    """With another process, the same port, and the others left alone."""
    with server(echo, nodes=2) as found:
        first, second = found.nodes
        before = [node.pid for node in found.nodes]

        second.kill()
        assert (second.is_alive, second.state.exit_code) == (False, -signal.SIGKILL)
        assert says(second.ports["client"]) == ""
        assert found.state == "degraded"
        second.start()

        assert says(second.ports["client"]) == "2"
        assert (first.pid, second.pid == before[1]) == (before[0], False)
        assert found.state == "up"
        first.restart()
        assert (first.state.n_starts, first.state.exit_code) == (2, None)
        first.start()
        assert first.state.n_starts == 2


def test_a_node_stands_still(echo):
    """Its port takes connections, and nobody answers."""
    with server(echo) as found:
        (node,) = found.nodes
        node.pause()
        with socket.create_connection((ports.HOST, node.ports["client"]), 5) as there:
            there.settimeout(0.2)
            with pytest.raises(TimeoutError):
                there.recv(1)
        node.resume()
        assert says(node.ports["client"]) == "1"


def test_a_stubborn_node_is_killed_at_the_deadline(echo):
    """It ignores SIGTERM."""
    with server(echo, settings={"sulk": "yes"}) as found:
        process = Process.of(found.nodes[0].pid)

    assert not process.is_alive


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody is given such processes")
def test_what_a_killed_node_has_started_ends_with_the_server(echo):
    """Its parent is the supervisor then, who also takes in those that end by themselves."""
    with server(echo, nodes=2, settings={"child": "yes"}) as found:
        left, ended = [Process.of(int(node.log.read_text().split()[0])) for node in found.nodes]
        for node in found.nodes:
            node.kill()
        assert left.is_alive
        ended.send(signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{ended.pid}").exists())
        found.nodes[0].start()

    assert not left.is_alive


def test_a_node_that_ends_is_told_with_its_log(echo):
    """And nothing is left of the server."""
    with pytest.raises(OutsideError) as caught, server(echo, settings={"die": "yes"}):
        pass

    assert caught.value.finding.code == "DevServerFailed"
    assert "ended with exit code 1" in caught.value.finding.what
    assert caught.value.finding.what.endswith("  | nothing to do here")
    assert running() == []


def test_a_server_that_is_never_ready_is_ended(echo, monkeypatch):
    """With the reason that it gave last."""
    monkeypatch.setattr(start.load(echo).__class__, "not_ready", lambda *_: "it dreams")

    with pytest.raises(OutsideError, match="not ready after 1 s: it dreams"):
        up(echo, ready_s=1)

    assert running() == []


def test_data_are_kept_where_somebody_says_so(echo, tmp_path):
    """And used again; nobody else may have them meanwhile."""
    with server(echo, data=tmp_path / "data") as found:
        (tmp_path / "data" / "1" / "note").write_text("kept")
        with pytest.raises(BusyError, match="with the data in"):
            up(echo, name="other", data=tmp_path / "data")
    assert (tmp_path / "data" / "1" / "note").read_text() == "kept"

    with server(echo, data=tmp_path / "data") as again:
        assert again.data == found.data
    assert (tmp_path / "data" / "1" / "server.log").read_text() == "listening\nlistening\n"


def test_a_name_is_given_once(echo):
    """The second is told where the first is; two names are two servers."""
    first = up(echo)
    with pytest.raises(BusyError, match=f"server 'echo' is up at {first.address}") as caught:
        up(echo)
    assert caught.value.finding.code == "DevServerUp"

    second = up(echo, name="second")
    assert [each.name for each in running()] == ["echo", "second"]
    assert down("echo").name == "echo"
    assert says(second.nodes[0].ports["client"]) == "1"


def test_a_taken_port_is_refused_before_anything_starts(echo):
    """Also one of a server of ours whose node is down."""
    with socket.socket() as other:
        other.bind((ports.HOST, 0))
        other.listen()
        with pytest.raises(BusyError, match="in use"):
            up(echo, port=other.getsockname()[1])
    with server(echo) as found:
        found.nodes[0].kill()
        with pytest.raises(BusyError, match="in use"):
            up(echo, port=found.nodes[0].ports["client"])
    assert running() == []


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"nodes": 3}, "cannot have 3 nodes"),
        ({"security": "tls"}, "does not know --security tls"),
        ({"name": "../x"}, "cannot be the name"),
    ],
)
def test_a_wish_that_it_does_not_know_is_refused(echo, wish, said):
    """Before anything is fetched or started."""
    with pytest.raises(SettingsError, match=said):
        up(echo, **wish)


def test_a_kind_that_there_is_not(place):
    """The nearest name is the fix."""
    with pytest.raises(SettingsError, match="no local server 'kafak'") as caught:
        up("kafak")

    assert (caught.value.finding.code, caught.value.finding.fix) == (
        "DevServerUnknown",
        "write kafka",
    )


@pytest.fixture
def owner(echo, tmp_path):
    """Another process that has a server; its name."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "kinds")], stdout=subprocess.PIPE, text=True
    )
    process.server = process.stdout.readline().strip()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_servers_end_when_their_owner_is_killed(owner):
    """With -9: nothing of it can run any more."""
    found = attach(owner.server)
    nodes = [Process.of(node.pid) for node in found.nodes]
    supervisor = found.entry.supervisor

    owner.kill()
    owner.wait()

    wait_for(lambda: not supervisor.is_alive)
    assert not any(node.is_alive for node in nodes)
    assert running() == []
    assert not found.data.exists()


def test_what_belongs_to_another_process_is_not_ended(owner):
    """It ends with that one."""
    with pytest.raises(SettingsError, match=f"belongs to process {owner.pid}") as caught:
        down(owner.server)

    assert caught.value.finding.code == "DevServerNotOurs"
    assert attach(owner.server).state == "up"


def test_what_was_not_started_here_is_not_ended(echo):
    """A server that somebody else runs on a port has no entry, so no name."""
    with pytest.raises(SettingsError, match="no server 'echo' was started") as caught:
        down(echo)

    assert caught.value.finding.code == "DevServerNotOurs"


def test_nodes_do_not_outlive_a_supervisor_that_is_killed(echo):
    """With -9: Linux ends them at once, elsewhere `down` does; the entry stays, and says so."""
    found = up(echo, nodes=2)
    nodes = [Process.of(node.pid) for node in found.nodes]

    os.kill(found.entry.supervisor.pid, signal.SIGKILL)

    if sys.platform == "linux":
        wait_for(lambda: not any(node.is_alive for node in nodes))
        assert found.state == "dead"
    assert down(echo).name == "echo"
    assert not any(node.is_alive for node in nodes)
    assert running() == []


def test_what_outlives_a_supervisor_is_ended_by_name(echo):
    """On a system that ends no children: they are known by pid and start."""
    found = up(echo)
    os.kill(found.entry.supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not found.nodes[0].is_alive)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as left:
        state = folders.read_json(found.entry.folder / "state.json")
        state["nodes"][0]["process"] = Process.of(left.pid).to_dict()
        folders.write_json(found.entry.folder / "state.json", state)
        with pytest.raises(BusyError, match="server 'echo' is up"):
            up(echo)

        down(echo)

        assert left.wait() == -signal.SIGTERM


def test_a_pid_of_a_dead_server_that_was_given_away_is_left_alone(echo):
    """The machine was started anew, and its numbers with it."""
    found = up(echo)
    os.kill(found.entry.supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not found.nodes[0].is_alive)
    file = found.entry.folder / "state.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        text = file.read_text()
        for pid in (found.entry.supervisor.pid, found.nodes[0].pid):
            text = text.replace(f'"pid": {pid}', f'"pid": {stranger.pid}')
        file.write_text(text)

        assert json.loads(text)["supervisor"]["pid"] == stranger.pid
        assert found.state == "dead"
        assert down(echo).name == "echo"
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_dead_entries_make_room(echo):
    """Those of killed owners on the way, and the one whose name is wanted."""
    found = up(echo, owner=Process.current())
    os.kill(found.entry.supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not found.nodes[0].is_alive)
    orphan = entries.read(found.entry.folder)
    entries.folders.write_json(
        orphan.folder / "plan.json",
        {**folders.read_json(orphan.folder / "plan.json"), "owner": {"pid": 1, "started": "gone"}},
    )

    other = up(echo, name="other")

    assert [each.name for each in running()] == ["other"]
    assert not found.data.exists()
    other.down()
    assert up(echo).state == "up"


def test_a_group_of_processes_shares_one(echo):
    """Whoever asks first starts it; a dead one is replaced."""
    first = shared(echo, name="group", owner=Process.current())
    second = shared(echo, name="group", owner=Process.current())
    assert first.nodes[0].pid == second.nodes[0].pid

    first.nodes[0].kill()
    third = shared(echo, name="group", owner=Process.current())

    assert third.state == "up"
    assert third.nodes[0].pid != first.nodes[0].pid or third.address != first.address


def test_commands(echo, capsys, tmp_path):
    """Up, ls, down: as text and as JSON."""
    assert call(capsys, "dev", "ls").out == "nothing is up\n"
    said = call(capsys, "dev", "up", echo, "--nodes", 2, "--port", 0, "--data", tmp_path / "d")
    assert (said.code, said.err) == (0, "")
    (found,) = running()
    pids = [node.pid for node in found.nodes]
    assert said.out.startswith(f"echo: 2 nodes at {found.address}, ready after ")
    assert said.out.endswith(f"data: {tmp_path / 'd'}\nnext: mainstem dev down echo\n")

    table = call(capsys, "dev", "ls").out.splitlines()
    assert table[0].split() == ["name", "kind", "nodes", "address", "pids", "state", "data"]
    assert table[2].split() == [
        "echo", "echo", "2", found.address, *map(str, pids), "up", str(tmp_path / "d"),
    ]  # fmt: skip
    (fact,) = json.loads(call(capsys, "dev", "ls", "-o", "json").out)
    assert {name: fact[name] for name in ("name", "kind", "state", "is_kept", "owner_pid")} == {
        "name": "echo", "kind": "echo", "state": "up", "is_kept": True, "owner_pid": None,
    }  # fmt: skip
    assert [(node["pid"], node["is_alive"]) for node in fact["nodes"]] == [(p, True) for p in pids]

    said = call(capsys, "dev", "down", "echo")
    assert (said.code, said.out) == (0, f"echo is down; its data stay in {tmp_path / 'd'}\n")
    assert (tmp_path / "d" / "1" / "server.log").exists()
    said = call(capsys, "dev", "down", "echo")
    assert (said.code, said.err.partition(":")[0]) == (2, "DevServerNotOurs")


def test_up_as_json_and_down_of_all(echo, capsys, owner):
    """What belongs to another process stays up."""
    said = call(
        capsys, "dev", "up", echo, "--name", "one", "--port", 0, "--set", "a=b=c", "-o", "json"
    )
    found = json.loads(said.out)
    assert (found["name"], found["state"], found["client"]) == ("one", "up", {})
    assert attach("one").entry.layout.nodes[0].argv[-1] == "a=b=c"

    said = call(capsys, "dev", "down", "--all", "-o", "json")
    assert json.loads(said.out) == [{"name": "one", "kind": "echo"}]
    assert [each.name for each in running()] == [owner.server]


@pytest.mark.parametrize("words", [("down",), ("down", "a", "--all"), ("up", "echo", "--set", "a")])
def test_commands_called_wrongly(echo, capsys, words):
    """Nothing is started or ended."""
    said = call(capsys, "dev", *words)

    assert (said.code, said.err.partition(":")[0]) == (2, "Usage")


def test_a_starter_may_be_killed_before_the_supervisor_begins(echo, monkeypatch):
    """Its entry is written, and nobody takes care of it: the name is free again."""
    gone = Process(os.getpid(), "an earlier start")
    with monkeypatch.context() as patch:
        patch.setattr(start.Process, "current", classmethod(lambda _: gone))
        patch.setattr(start.supervisor, "spawn", lambda *_, **__: None)
        start.begin(echo, start.Ask(), name="echo", data=None, owner=None)
    assert [each.state for each in running()] == ["dead"]

    assert up(echo).state == "up"
