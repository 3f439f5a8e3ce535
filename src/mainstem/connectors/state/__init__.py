"""Tables in the pipeline's own state file, where a table without a sink lives."""

from __future__ import annotations

from mainstem.connectors.spec import Connector
from mainstem.connectors.state.options import StateSink
from mainstem.plan.nodes import Binding

CONNECTOR = Connector("state", None, StateSink, doc=__doc__)


def state() -> Binding:
    """Bind a table to the state file; what a table gets when no sink is named.

    Returns
    -------
    Binding
        For ``Step.sink``.
    """
    return Binding.of("state")
