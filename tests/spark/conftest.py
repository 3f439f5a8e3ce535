"""The servers that tests of Spark use."""

import pytest

from mainstem.dev import server
from tests.servers.conftest import kafka

__all__ = ["kafka"]


@pytest.fixture(scope="session")
def cluster():
    """A standalone cluster on this machine; tests that need it are of one group, so there is one."""
    with server("spark") as found:
        yield found
