"""The commit token of a stream as it stands at a sink, and whose it has to be."""

from __future__ import annotations

import json
from typing import Any

from mainstem.errors import NOWHERE, Place, StateError
from mainstem.record import record

# Of the envelope around the engine's fields. A batch run's token has no such field.
STREAM_FORMAT = 1
_FIELD = "stream"


@record
class Owner:
    """Whose rows a sink has to hold.

    Parameters
    ----------
    pipeline, table : str
        They stand in every token.
    place : str
        The sink, for messages.
    is_force : bool
        Whether a token of somebody else counts as none.
    where : Place
        The table's declaration.
    """

    pipeline: str
    table: str
    place: str
    is_force: bool = False
    where: Place = NOWHERE

    def text(self, token: dict[str, Any]) -> str:
        """Give a token as the sink keeps it; equal tokens give equal texts."""
        own = {"pipeline": self.pipeline, "table": self.table}
        return json.dumps({**token, **own, _FIELD: STREAM_FORMAT}, sort_keys=True)

    def token(self, text: str) -> dict[str, Any] | None:
        """Give the token that a sink keeps; None for none.

        Raises
        ------
        StateError
            When another pipeline, another table, a batch run or a newer version wrote it.
        """
        if not text:
            return None
        fields = self._fields(text)
        if fields.get(_FIELD, STREAM_FORMAT) != STREAM_FORMAT:
            raise self._refusal(
                f"has a commit token of format {fields[_FIELD]}, this version knows "
                f"{STREAM_FORMAT}", "SinkTokenFormat", "run the version that wrote it",
            )  # fmt: skip
        writer = (fields.get("pipeline"), fields.get("table"))
        if writer != (self.pipeline, self.table):
            self._refuse_foreign(f"was filled by table {writer[1]!r} of pipeline {writer[0]!r}")
            return None
        if _FIELD not in fields:
            self._refuse_foreign("was filled by a batch run of this pipeline")
            return None
        del fields[_FIELD]
        return fields

    def _fields(self, text: str) -> dict[str, Any]:
        try:
            fields = json.loads(text)
            int(fields["epoch"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._refusal(
                f"has a commit token that cannot be read: {error}", "SinkTokenFormat",
                "run the version that wrote it, or choose another place",
            ) from error  # fmt: skip
        return dict(fields)

    def _refuse_foreign(self, what: str) -> None:
        if not self.is_force:
            raise self._refusal(
                what, "SinkOfAnother", "choose another place, or add force=True to the sink"
            )

    def _refusal(self, what: str, code: str, fix: str) -> StateError:
        return StateError(
            f"{self.place} {what}", where=self.where, step=self.table, code=code, fix=fix
        )

    def taken_over(self, by: str) -> StateError:
        """Give the error of a writer that finds another one's mark at the sink."""
        return self._refusal(
            f"was taken over by {by}: this run writes nothing more to it",
            "SinkTakenOver",
            "stop one of the two runs; the rows of both are whole and each is there once",
        )


def epoch_of(token: dict[str, Any] | None) -> int:
    """Give the epoch of a token; -1 for none."""
    return -1 if token is None else int(token["epoch"])


def already_there(rows: int) -> dict[str, Any]:
    """Give the facts of an epoch that the sink had."""
    return {"rows": 0, "already_there": rows}
