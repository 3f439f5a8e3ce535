"""Tables in another DuckDB file."""

from __future__ import annotations

from mainstem.connectors.duckdb.options import DuckdbSink, DuckdbSource
from mainstem.connectors.keyed import KeyedPairs
from mainstem.connectors.spec import Connector
from mainstem.plan.nodes import Binding

CONNECTOR = Connector("duckdb", DuckdbSource, DuckdbSink, doc=__doc__)


def duckdb(
    path: str, table: str, *, mode: str | KeyedPairs | None = None, force: bool | None = None,
    cursor: str | None = None,
) -> Binding:  # fmt: skip
    """Bind a source or a sink to a table of another DuckDB file.

    Parameters
    ----------
    path : str
        The DuckDB file. As a sink it is opened for the commit only, because DuckDB locks every
        other process out of a file that is open for writing.
    table : str
        ``table`` or ``schema.table``.
    mode : str, optional
        Sinks: ``overwrite`` (default), ``append``, or what `ms.merge` or `ms.history` gives.
    force : bool, optional
        Sinks: replace rows that Mainstem did not write.
    cursor : str, optional
        Sources: a column that only grows; a run reads the rows above what was read before.

    Returns
    -------
    Binding
        For ``Pipeline.source(...)``, ``Pipeline.lookup(...)`` or ``sink=``.

    Examples
    --------
    >>> duckdb("warehouse.duckdb", "sales").as_dict()
    {'path': 'warehouse.duckdb', 'table': 'sales'}
    """
    return Binding.of("duckdb", path=path, table=table, mode=mode, force=force, cursor=cursor)
