"""Ports: free ones, asked-for ones, and those that belong to a server that is down for a moment."""

import socket

import pytest

from mainstem.dev import ports
from mainstem.errors import BusyError, SettingsError


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.socket() as other:
        other.bind((ports.HOST, 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_refused_by_its_number(taken):
    """Also when it is the second that is needed."""
    assert not ports.is_free(taken)
    for first in (taken, taken - 1):
        with pytest.raises(BusyError, match=f"port {taken} is in use") as caught:
            ports.claim(first, 2, {taken - 1} - {first})
        assert caught.value.finding.code == "PortTaken"


def test_a_port_of_our_own_counts_as_taken():
    """Its node may be down for a moment."""
    (port,) = ports.choose(1, set())

    assert ports.claim(port, 1, set()) == [port]
    with pytest.raises(BusyError):
        ports.claim(port, 1, {port})


@pytest.mark.parametrize("port", [-1, 70_000, 65_535])
def test_what_is_no_port_is_refused(port):
    """The second of two has to fit, too."""
    with pytest.raises(SettingsError, match=f"port {port}"):
        ports.claim(port, 2, set())


def test_chosen_ports_are_below_those_of_connections(monkeypatch):
    """Different ones, none of them taken; when all are, it says so."""
    monkeypatch.setattr(ports, "_FIRST", 20_000)
    found = ports.choose(50, set())
    assert len(set(found)) == 50
    assert all(20_000 <= port < ports._below() <= 32_000 for port in found)

    monkeypatch.setattr(ports, "_below", lambda: 20_003)
    monkeypatch.setattr(ports, "is_free", lambda port: port != 20_001)
    assert ports.choose(1, {20_000}) == [20_002]
    with pytest.raises(BusyError, match="no free port from 20000 to 20002"):
        ports.choose(2, {20_000})
