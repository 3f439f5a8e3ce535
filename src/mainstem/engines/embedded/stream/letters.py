"""Dead letters of a stream: tables of the state file that rows of many shapes are added to."""

from __future__ import annotations

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import state_table
from mainstem.engines.embedded.stream.statefile import columns_of, make_growing
from mainstem.engines.embedded.types import quoted


def keep_letters(
    session: Session, name: str, letters: str, column: str, epoch: int, *, is_once: bool = False
) -> int:  # fmt: skip
    """Add dead letters to a table of the state file, by the names of their columns.

    Parameters
    ----------
    session : Session
        In the transaction of the epoch.
    name : str
        Of the table, which is made when it is not there; columns that it has not are added, and those
        that these letters have not stay NULL.
    letters : str
        Quoted name of the relation that has them.
    column, epoch : str and int
        The column with the number of the epoch, and the number.
    is_once : bool, optional
        Whether letters that are there already, of whatever epoch, are left out.

    Returns
    -------
    int
        How many were added.
    """
    table = state_table(name)
    own = {row[0] for row in session.rows(f"DESCRIBE SELECT * FROM {letters}")}
    others = [
        f", CAST(NULL AS {type_}) AS {quoted(known)}"
        for known, type_ in columns_of(session, table) or [] if known not in own | {column}
    ]  # fmt: skip
    select = f"SELECT CAST({epoch} AS BIGINT) AS {column}, *{''.join(others)} FROM {letters}"
    make_growing(session, table, select, name, may_move=True)
    if is_once:
        same = " AND ".join(
            f"t.{quoted(c)} IS NOT DISTINCT FROM n.{quoted(c)}" for c in sorted(own)
        )
        select = f"SELECT * FROM ({select}) AS n WHERE NOT EXISTS (FROM {table} AS t WHERE {same})"
    ((n_rows,),) = session.rows(f"INSERT INTO {table} BY NAME {select}")
    return int(n_rows)
