"""Computes the shards of streams in this process, which sees tasks and results as bytes only."""

import pickle

import pytest

from mainstem.engines.embedded.engine import Embedded
from mainstem.engines.embedded.stream import run as stream_run
from mainstem.engines.embedded.stream.shards.task import run_pickled


class Aside:
    """Where shards are computed; remembers what they came down to."""

    def __init__(self):
        self.results = []

    def compute(self, tasks):
        """Compute tasks, the last one first: nothing may depend on their order."""
        made = [pickle.loads(run_pickled(pickle.dumps(task))) for task in reversed(tasks)]
        self.results += made
        return made


@pytest.fixture
def aside(monkeypatch):
    """Have the shards of every stream computed aside."""
    made = Aside()

    def stream(self, plan, settings, desk=None):
        return stream_run.run_stream(plan, settings, desk, made)

    monkeypatch.setattr(Embedded, "stream", stream)
    return made
