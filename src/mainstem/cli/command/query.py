"""`mainstem query`: SQL over the tables that a pipeline keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mainstem.cli import target
from mainstem.cli.numbers import plural
from mainstem.cli.options import NO_CHOICE, NO_SPEECH, Chosen, Speech
from mainstem.cli.output import say
from mainstem.cli.table import table
from mainstem.cli.values import csv_line, plain
from mainstem.errors import DataError, SettingsError
from mainstem.runtime.start import state_of

if TYPE_CHECKING:
    from mainstem.runtime.query import Answer

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL")


def query(
    sql: str, file: Path | None = None, /, *,
    output: Annotated[Literal["table", "json", "csv"], Parameter(alias="-o")] = "table",
    limit: Annotated[int | None, Parameter(alias="-n")] = None,
    chosen: Chosen = NO_CHOICE, speech: Speech = NO_SPEECH,
) -> int:  # fmt: skip
    """Ask the tables that a pipeline keeps, in SQL; nothing can be written.

    Tables with a sink are not here: they are where the sink is.

    Parameters
    ----------
    sql : str
        A question, such as "SELECT * FROM by_day".
    file : Path
        Pipeline file, or its folder.
    output : str
        table, json (a list of objects) or csv.
    limit : int
        How many rows are printed as a table; 1000 when not given, 0 for all. json and csv give
        all.

    Raises
    ------
    SettingsError
        For an empty question or a wrong limit.
    """
    from mainstem.runtime.query import query as ask

    speech.start_log()
    if not sql.strip():
        raise SettingsError("the question is empty", code="Usage", fix='write "SELECT * FROM name"')
    if limit is not None and limit < 0:
        raise SettingsError(f"--limit is {limit}", code="Usage", fix="give 0 for all, or more")
    answer = ask(state_of(target.resolve(file, chosen)), sql)
    if output == "json":
        _say_objects(answer)
    elif output == "csv":
        say(csv_line(answer.columns))
        for row in answer.rows:
            say(csv_line(row))
    else:
        _say_table(answer, 1000 if limit is None else limit, quiet=speech.quiet)
    return 0


def _say_table(answer: Answer, limit: int, *, quiet: bool) -> None:
    rows = answer.rows[:limit] if limit else answer.rows
    right = [at for at, type_ in enumerate(answer.types) if _is_number(type_)]
    say(table(answer.columns, rows, right=right))
    if quiet:
        return
    n_all = len(answer.rows)
    more = f"; {len(rows):,} shown, --limit 0 shows all" if len(rows) < n_all else ""
    say(f"{plural(n_all, 'row')}{more}")


def _is_number(type_: str) -> bool:
    return type_.startswith(NUMBERS) and not type_.endswith("]")


def _say_objects(answer: Answer) -> None:
    """Print one list, an object a line."""
    import json

    twice = sorted({name for name in answer.columns if answer.columns.count(name) > 1})
    if twice:
        # An object would keep one of them, and nobody would see which.
        raise DataError(
            f"the answer has several columns called {twice[0]!r}", code="ColumnTwice",
            fix=f"name them in the question: … AS {twice[0]}_2",
        )  # fmt: skip
    lines = [json.dumps(_object(answer.columns, row), ensure_ascii=False) for row in answer.rows]
    say("[" + ",\n ".join(lines) + "]")


def _object(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    return {name: plain(value) for name, value in zip(columns, row, strict=True)}
