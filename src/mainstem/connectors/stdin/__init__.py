"""Standard input, line by line."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.connectors.spec import Connector
from mainstem.connectors.stdin.options import StdinSource
from mainstem.plan.nodes import Binding

CONNECTOR = Connector("stdin", StdinSource, None, bounded=False, doc=__doc__)


def stdin(
    *, format: str | None = None, header: bool | None = None, delimiter: str | None = None,
    quote: str | None = None, null: str | Sequence[str] | None = None,
) -> Binding:  # fmt: skip
    """Bind a source to standard input.

    Parameters
    ----------
    format : str, optional
        ``json`` (default; one object a line), ``csv``, ``tsv`` or ``text``.
    header, delimiter, quote, null : optional
        How CSV is spelled; see `StdinSource`.

    Returns
    -------
    Binding
        For ``Pipeline.source(...)``.

    Examples
    --------
    >>> stdin(format="text").as_dict()
    {'format': 'text'}
    """
    return Binding.of(
        "stdin", format=format, header=header, delimiter=delimiter, quote=quote, null=null
    )
