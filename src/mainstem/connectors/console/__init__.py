"""Standard output, for looking at the rows of a table."""

from __future__ import annotations

from mainstem.connectors.console.options import ConsoleSink
from mainstem.connectors.spec import Connector
from mainstem.plan.nodes import Binding

CONNECTOR = Connector("console", None, ConsoleSink, doc=__doc__)


def console(*, limit: int | None = None, format: str | None = None) -> Binding:
    """Bind a table to standard output.

    Parameters
    ----------
    limit : int, optional
        Rows that are shown of an epoch (default 20); the others are counted.
    format : str, optional
        ``table`` (default), or ``json`` for one object a line.

    Returns
    -------
    Binding
        For ``sink=``.

    Examples
    --------
    >>> console(limit=5).as_dict()
    {'limit': 5}
    """
    return Binding.of("console", limit=limit, format=format)
