"""One real server of a kind for all tests of a run; tests that hurt one take one of their own."""

import os

import pytest

from mainstem.dev import Process, Server, shared


@pytest.fixture(scope="session")
def kafka():
    """A broker that every process of this run shares: use topics of your own, and do not kill it.

    It belongs to the process that was started by whoever runs the tests, and is gone a moment after
    that process, however it ends.
    """
    return of_this_run("kafka")


@pytest.fixture(scope="session")
def hdfs():
    """An HDFS that every process of this run shares: use folders of your own, and do not kill it."""
    return of_this_run("hdfs")


def of_this_run(kind: str) -> Server:
    """The server of a kind that all processes of this run share."""
    # With pytest-xdist each process that runs tests has the one that was started as its parent.
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    owner = Process.of(os.getppid()) if is_worker else Process.current()
    return shared(kind, name=f"tests-{kind}-{owner.pid}", owner=owner)
