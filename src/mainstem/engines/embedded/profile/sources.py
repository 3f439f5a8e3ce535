"""What can be profiled, made readable: sources as a run reads them, and tables of the state file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.infer import described
from mainstem.engines.embedded.profile.measure import Relation, measure, rows
from mainstem.engines.embedded.reading.deadletters import TABLE
from mainstem.engines.embedded.reading.sources import load
from mainstem.engines.embedded.session import Session, open_session
from mainstem.engines.embedded.state_file import open_tables, state_path
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.profile import Dead, RelationProfile
from mainstem.engines.spec import RunSettings, SourceRead
from mainstem.plan.nodes import Source
from mainstem.plan.types import Schema

STATE = quoted("__mainstem_state")
SHOWN = 5
_PLACE = ("path", "row", "line", "column", "reason", "message")


class Profiler:
    """Measures relations one after the other; nothing is written outside of its spill folder."""

    def __init__(
        self, session: Session, settings: RunSettings, state_dir: Path, *, sample: int,
        has_values: bool,
    ) -> None:  # fmt: skip
        self.session = session
        self.settings = settings
        self.state_dir = state_dir
        self.sample = sample
        self.has_values = has_values
        self.is_attached = False

    def source(self, source: Source, kind: str = "source") -> RelationProfile:
        """Read all of a source and measure it; what does not fit its schema is counted and kept.

        Raises
        ------
        MainstemError
            When it cannot be read.
        """
        source = replace(source, on_bad="dead_letter", max_bad=None)
        read = SourceRead(source, source.schema.names, needs_position=self.sample > 0)
        event = _last(load(self.session, read, self.settings))
        dead = self._dead(source.name, event.facts["dead"])
        return self._measure(source.name, kind, source.schema, dead)

    def table(self, name: str) -> RelationProfile:
        """Measure a table of the state file.

        Raises
        ------
        MainstemError
            When it holds a type that has no place in the contract.
        """
        if not self.is_attached:
            path = literal(str(state_path(self.state_dir)))
            self.session.rows(f"ATTACH {path} AS {STATE} (READ_ONLY)")
            self.is_attached = True
        table = f'{STATE}."main".{quoted(name)}'
        schema = Schema(tuple(described(self.session.connection, f"SELECT * FROM {table}")))
        self.session.rows(
            f"CREATE TEMP VIEW {quoted(name)} AS SELECT *, rowid AS __row FROM {table}"
        )
        return self._measure(name, "table", schema, Dead())

    def is_within(self, inner: tuple[str, str], outer: tuple[str, str]) -> bool:
        """Say whether each value of a column is one of another; both relations were measured."""
        (a, one), (b, other) = [(quoted(x), quoted(y)) for x, y in (inner, outer)]
        known = f"SELECT {other} AS k FROM {b} WHERE {other} IS NOT NULL"
        found = rows(
            self.session, f"SELECT 1 FROM {a} AS r ANTI JOIN ({known}) AS o ON r.{one} = o.k "
            f"WHERE r.{one} IS NOT NULL LIMIT 1",
        )  # fmt: skip
        return not found

    def _measure(self, name: str, kind: str, schema: Schema, dead: Dead) -> RelationProfile:
        view = quoted(name)
        try:
            total = rows(self.session, f"SELECT count(*) FROM {view}")[0][0]
            if 0 < self.sample < total:
                columns = ", ".join(f"r.{quoted(n)}" for n in schema.names)
                # The same rows each time, from all parts of the data.
                chosen = (
                    f"SELECT __row AS place FROM {view} ORDER BY hash(__row), __row "
                    f"LIMIT {self.sample}"
                )
                view = quoted(f"__sample_{name}")
                rows(
                    self.session, f"CREATE TEMP TABLE {view} AS SELECT {columns} "
                    f"FROM {quoted(name)} AS r SEMI JOIN ({chosen}) AS c ON r.__row = c.place",
                )  # fmt: skip
        except duckdb.Error as error:
            raise explained(error, None, doing=f"profiling {name!r}") from error
        relation = Relation(name, kind, schema, view, total, dead)
        return measure(self.session, relation, has_values=self.has_values)

    def _dead(self, name: str, count: int) -> Dead:
        if not count:
            return Dead()
        some = f"FROM {quoted(TABLE)} WHERE source = {literal(name)}"
        reasons = self.session.rows(
            f"SELECT reason, count(*) {some} GROUP BY reason ORDER BY 2 DESC, 1"
        )
        found = self.session.rows(
            f"SELECT path, row, line, column_name, reason, message {some} ORDER BY path, row "
            f"LIMIT {SHOWN}"
        )
        samples = [dict(zip(_PLACE, one, strict=True)) for one in found]
        if not self.has_values:
            # The message quotes the value.
            samples = [{k: v for k, v in one.items() if k != "message"} for one in samples]
        return Dead(count, tuple(reasons), tuple(samples))


@contextmanager
def open_profiler(
    settings: RunSettings, state_dir: Path, *, sample: int = 0, has_values: bool = True
) -> Iterator[Profiler]:
    """Open a DuckDB of its own for profiling.

    Parameters
    ----------
    settings : RunSettings
        Its ``state_dir`` is where memory spills to.
    state_dir : Path
        Where the state file is.
    sample : int, optional
        How many rows of each relation are looked at; 0 for all.
    has_values : bool, optional
        Whether values of texts, and the most frequent values, are told.
    """
    with open_session(settings, ()) as session:
        # Nothing here depends on the order of rows, and without one less memory is needed.
        session.rows("SET preserve_insertion_order = false")
        yield Profiler(session, settings, state_dir, sample=sample, has_values=has_values)


def table_names(state_dir: Path) -> tuple[str, ...]:
    """Give the tables of the state file; none when there is no file.

    Raises
    ------
    BusyError
        When a run is writing them.
    """
    if not state_path(state_dir).exists():
        return ()
    connection = open_tables(state_dir)
    try:
        found = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal "
            "ORDER BY table_name"
        ).fetchall()
    finally:
        connection.close()
    return tuple(name for (name,) in found)


def _last(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
