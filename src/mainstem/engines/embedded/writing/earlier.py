"""What an earlier run left at a sink, and whether this run may go on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mainstem.engines.embedded.writing.outputs import Output
from mainstem.errors import NOWHERE, OutsideError, Place
from mainstem.plan.types import Field, Schema, parse_schema
from mainstem.storage.local.manifest import Manifest


def is_already_there(left: str, token: str, *, path: str, step: str, is_force: bool) -> bool:
    """Say whether a sink that grows has this very commit; refuse one that it must not follow.

    Parameters
    ----------
    left : str
        The token of the sink's last commit.
    token : str
        That of this run.
    path, step : str
        The sink and its table, for messages.
    is_force : bool
        Whether the sink says ``force=True``.

    Raises
    ------
    OutsideError
        When another pipeline or table filled it, or it is ahead: the rows of this run may be in it.
    """
    have, own = _fields(left), _fields(token)
    if have.get("id") == own["id"]:
        return True
    if is_force:
        return False
    if "stream" in have:
        # Its epochs count something else: neither "ahead" nor "behind" would mean anything.
        raise OutsideError(
            f"{path} was filled by a stream of pipeline {have.get('pipeline')!r}", step=step,
            code="SinkOfAnother",
            fix="choose another path, or add force=True to the sink to append to it",
        )  # fmt: skip
    if (have.get("pipeline"), have.get("table")) != (own["pipeline"], own["table"]):
        raise OutsideError(
            f"{path} was filled by table {have.get('table')!r} of pipeline "
            f"{have.get('pipeline')!r}", step=step, code="SinkOfAnother",
            fix="choose another path, or add force=True to the sink to append to it",
        )  # fmt: skip
    if int(have.get("epoch", 0)) >= own["epoch"]:
        raise OutsideError(
            f"{path} is ahead of the state directory: it holds epoch {have['epoch']}, this run is "
            f"epoch {own['epoch']}, so its rows may be there already", step=step, code="SinkAhead",
            fix="restore the state directory, write to another path, or add force=True to the "
            "sink to append all the same",
        )  # fmt: skip
    return False


def _fields(token: str) -> dict[str, Any]:
    try:
        found = json.loads(token)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def added_columns(older: Manifest, output: Output) -> tuple[Field, ...]:
    """Give the columns of this run that the rows in a folder do not have.

    Raises
    ------
    OutsideError
        When other changes were made: a column is gone or has another type, the folders or the
        files are others.
    """  # noqa: DOC501 - built by a function
    if older.partition_by != output.partition_by:
        raise columns_differ(
            output, f"partition_by was {list(older.partition_by)}, is {list(output.partition_by)}"
        )
    if older.written and older.written != output.spelling:
        raise columns_differ(
            output, f"its files are written as {older.written}, this run writes {output.spelling}"
        )
    have = {f.name: str(f.type) for f in parse_schema(older.schema).fields}
    wrong = other_columns(have, output.written_schema)
    if wrong:
        raise columns_differ(output, wrong)
    added = tuple(f for f in output.written_schema.fields if f.name not in have)
    if added and output.format != "parquet":
        names = ", ".join(f.name for f in added)
        raise columns_differ(
            output, f"column {names} is new, and {output.format} files stay as they are"
        )
    return added


def other_columns(have: Mapping[str, str], given: Schema) -> str:
    """Say what a sink's columns, by name with their types, do not allow; "" when all is well."""
    types = {f.name: str(f.type) for f in given.fields}
    gone = [name for name in have if name not in types]
    if gone:
        return f"this run does not give column {', '.join(gone)}"
    retyped = [f"{n} was {t}, is {types[n]}" for n, t in have.items() if t != types[n]]
    if retyped:
        return f"column {', '.join(retyped)}"
    filled = [f.name for f in given.fields if f.name not in have and not f.nullable]
    if filled:
        return f"column {', '.join(filled)} is new and not null, and the old rows have no value"
    return ""


def columns_differ(output: Output, why: str) -> OutsideError:
    """Give the error of a sink whose rows have other columns."""
    return rows_differ(str(output.path), why, step=output.step.name, where=output.step.where)


def rows_differ(path: str, why: str, *, step: str, where: Place = NOWHERE) -> OutsideError:
    """Give the error of a sink whose rows this run cannot go on with."""
    return OutsideError(
        f"{path} holds rows of earlier runs that do not go with this one's: {why}",
        where=where, step=step, code="SinkRowsDiffer",
        fix='change the query, write everything once with mode="overwrite", or choose another path',
    )  # fmt: skip
