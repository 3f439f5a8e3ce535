"""What is asked and told about rows kept aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem.engines.spec import Replay
from mainstem.errors import Place, SettingsError, listing
from mainstem.record import record

STATUSES = ("open", "replayed", "dropped", "all")


@record
class Chosen:
    """Which rows of a relation are meant.

    Parameters
    ----------
    relation : str
        Its name, or that of the table: ``orders``, ``orders__quarantine``, ``orders__dead``.
    rule, reason : str
        Only rows that broke this rule; only records with this reason.
    run : str
        Only those of this run; a beginning is enough.
    ids : tuple of str
        Only these.
    status : str
        ``open``, ``replayed``, ``dropped`` or ``all``.
    """

    relation: str
    rule: str = ""
    reason: str = ""
    run: str = ""
    ids: tuple[str, ...] = ()
    status: str = "open"


@record
class Preview:
    """What a replay would do, rows by rows.

    Parameters
    ----------
    request : Replay
        What was asked for, with the digest of the rows: a replay of others is refused.
    taken : int
        Rows that are judged again: ``passing + dropped + failing + late``.
    passing, dropped, late : int
        Those that would pass, be dropped by a rule, or be late (never without a stream).
    failing : dict
        Those that would fail again, by rule or reason.
    staying : dict
        Chosen rows that cannot be judged again, by the reason why.
    tables : tuple of str
        The tables that would get rows.
    """

    request: Replay
    taken: int
    passing: int
    dropped: int
    failing: dict[str, int]
    staying: dict[str, int]
    late: int = 0
    tables: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for ``-o json``."""
        names = ("taken", "passing", "dropped", "late", "failing", "staying", "tables")
        return self.request.to_dict() | {name: getattr(self, name) for name in names}


@record
class Explained:
    """Everything that is known of one row that was kept aside.

    Parameters
    ----------
    relation, kind, id, status : str
        Which row.
    run_id, at : str
        The run that kept it.
    tries : int
        How often it was judged again.
    closed_by : str
        The replay or drop that closed it.
    why : str
        The rule, or the reason.
    message : str
        Of a dead letter: what does not fit.
    text_then, text_now : str
        The rule's text at that run, and now; "" when it was or is not there.
    looks_at : tuple of str
        The columns that the rule, or the reason, is about.
    where : Place
        Where the rule, or the source, is declared.
    path, row, line, offset
        Where it stood; None where it has no such position.
    values : dict
        The row, or the bytes of the record as ``raw``.
    now : str
        What would happen now.
    """

    relation: str
    kind: str
    id: str
    status: str
    run_id: str
    at: str
    tries: int
    closed_by: str
    why: str
    message: str
    text_then: str
    text_now: str
    looks_at: tuple[str, ...]
    where: Place
    path: str | None
    row: int | None
    line: int | None
    offset: int | None
    values: dict[str, Any]
    now: str

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for ``-o json``."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return found | {"where": str(self.where), "looks_at": list(self.looks_at)}


def chosen_rows(relation: str, filters: Mapping[str, Any]) -> Chosen:
    """Give what filters mean.

    Raises
    ------
    SettingsError
        For a filter or status that does not exist.
    """
    given = dict(filters)
    ids = given.pop("ids", ())
    try:
        found = Chosen(relation, ids=(ids,) if isinstance(ids, str) else tuple(ids), **given)
    except TypeError as error:
        raise SettingsError(
            f"no such filter: {listing(given)}", code="Usage",
            fix="rule, reason, run, ids and status are known",
        ) from error  # fmt: skip
    if found.status not in STATUSES:
        raise SettingsError(
            f"no status {found.status!r}", code="Usage", fix=f"write one of {listing(STATUSES)}"
        )
    return found
