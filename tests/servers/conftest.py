"""One real broker for all tests of a run; tests that hurt a broker take one of their own."""

import os

import pytest

from mainstem.dev import Process, shared


@pytest.fixture(scope="session")
def kafka():
    """A broker that every process of this run shares: use topics of your own, and do not kill it.

    It belongs to the process that was started by whoever runs the tests, and is gone a moment after
    that process, however it ends.
    """
    # With pytest-xdist each process that runs tests has the one that was started as its parent.
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    owner = Process.of(os.getppid()) if is_worker else Process.current()
    return shared("kafka", name=f"tests-{owner.pid}", owner=owner)
