"""Made-up records, the same ones on every run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem.connectors.generator.options import GeneratorSource
from mainstem.connectors.spec import Connector
from mainstem.plan.nodes import Binding

CONNECTOR = Connector("generator", GeneratorSource, None, bounded=False, doc=__doc__)


def generator(
    *, rate: float | None = None, count: int | None = None,
    columns: Mapping[str, Mapping[str, Any]] | None = None, seed: int | None = None,
    disorder: str | None = None, duplicates: float | None = None, bad: float | None = None,
    start: str | None = None, event_rate: float | None = None, partitions: int | None = None,
) -> Binding:  # fmt: skip
    """Bind a source to made-up records that fit its schema.

    Parameters
    ----------
    rate : int or float, optional
        Records a second; as many as are read when absent.
    count : int, optional
        Records in all; without it the source never ends.
    columns : dict, optional
        What is in a column: ``{"sequence": 1}``, ``{"choice": ["a", "b"], "weights": [9, 1]}``,
        ``{"range": [0, 100]}``, ``{"zipf": 1000, "exponent": 1.2, "prefix": "user-"}``,
        ``{"letters": 12}`` or ``{"time": True}``, each with ``"nulls": 0.01`` beside it or not.
    seed : int, optional
        Another one gives other records.
    disorder : str, optional
        By how much at most an event time lies before its place in the stream: ``"5 seconds"``.
    duplicates, bad : float, optional
        Share of the records that repeat an earlier one, and that do not fit the schema.
    start : str, optional
        Time of the first record: a timestamp, or ``now``.
    event_rate : int or float, optional
        Records in a second of event time; as `rate` when absent.
    partitions : int, optional
        How many partitions the source has.

    Returns
    -------
    Binding
        For ``Pipeline.source(...)``.

    Examples
    --------
    >>> generator(count=100, columns={"page": {"zipf": 50}}).as_dict()
    {'columns': (('page', (('zipf', 50),)),), 'count': 100}
    """
    return Binding.of(
        "generator", rate=rate, count=count, columns=columns, seed=seed, disorder=disorder,
        duplicates=duplicates, bad=bad, start=start, event_rate=event_rate, partitions=partitions,
    )  # fmt: skip
