"""Rows of this process: anything that gives an Arrow stream, such as a dataframe."""

from __future__ import annotations

from typing import Any

from mainstem.connectors.arrow.options import ArrowSource, Held
from mainstem.connectors.spec import Connector
from mainstem.plan.nodes import Binding

CONNECTOR = Connector("arrow", ArrowSource, None, doc=__doc__)


def arrow(data: Any) -> Binding:
    """Bind a source to an object of this process that has ``__arrow_c_stream__``.

    A ``pyarrow.Table``, a ``polars.DataFrame``, a pandas one, an `Answer` and many others have it.
    The columns and types of the object are exact, so the source needs no schema; one that is
    declared is checked as everywhere. Only the schema is read here, the rows by each run.

    Parameters
    ----------
    data : object
        Rows that can be read again by the next run; of a one-time reader the second run fails.

    Returns
    -------
    Binding
        For ``Pipeline.source(...)`` and ``Pipeline.lookup(...)``.

    Raises
    ------
    DefinitionError
        When the object gives no Arrow stream.
    """
    return Binding.of("arrow", data=Held.of(data))
