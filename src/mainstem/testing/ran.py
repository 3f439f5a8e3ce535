"""What a run in a test has made: rows of tables, what was kept aside, the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mainstem.connectors.keyed import HISTORY_COLUMNS, keyed_of
from mainstem.errors import Finding, MainstemError, SettingsError, listing, nearest
from mainstem.plan.nodes import Plan, Step, is_stream
from mainstem.plan.types import BOOL, Field, Schema, Type
from mainstem.runtime.query import Answer
from mainstem.testing import kept
from mainstem.testing.difference import difference
from mainstem.testing.values import Table, typed_rows

if TYPE_CHECKING:
    from mainstem.testing.arrivals import Sections
    from mainstem.testing.bench import Bench
    from mainstem.testing.given import Given

# pytest shows the line of the test, not those here.
__tracebackhide__ = True


class Ran:
    """What a run in a test has made; rows are dicts, instants aware datetimes in UTC.

    Attributes
    ----------
    ledger : dict
        Counts by source, step and sink (contract L1).
    warnings : tuple of Finding
        What the check of the pipeline warned of.
    run_id : str
        Name of the run; of a stream that crashed, of the last one.
    watermarks : dict
        Of each endless source, an aware datetime or None.
    clock : datetime or None
        How late it is by the clock of a stream, which marks move.
    """

    def __init__(self, bench: Bench, plan: Plan, end: Mapping[str, Any]) -> None:
        self._bench = bench
        self._plan = plan
        self.run_id: str = end["run_id"]
        self.ledger: dict[str, Any] = end["ledger"]
        self.warnings: tuple[Finding, ...] = bench.warnings
        self.watermarks: dict[str, datetime | None] = bench.watermarks
        self.clock: datetime | None = bench.clock

    @property
    def expectations(self) -> dict[str, dict[str, Any]]:
        """Give the counts of each rule, by ``relation.rule``."""
        return dict(self.ledger["expectations"])

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Give the rows of a table, in no order that means anything.

        Parameters
        ----------
        table : str
            A table, or one kept aside, as ``orders__quarantine`` or ``totals__late``; a view that the
            run was told of.
        """
        columns = self.columns(table)
        return [dict(zip(columns, row, strict=True)) for row in self._read(table, tuple(columns))]

    def quarantine(self, relation: str) -> list[dict[str, Any]]:
        """Give the rows that rules took out of a relation, with ``__rule`` and ``__row``."""
        return self.rows(f"{relation}__quarantine")

    def dead(self, source: str) -> list[dict[str, Any]]:
        """Give the records of a source that did not fit, with ``__column`` and ``__message``.

        Of a step of a stream, the rows on which an expression failed, with ``__expression``.
        """
        return self.rows(f"{source}__dead")

    def late(self, step: str) -> list[dict[str, Any]]:
        """Give the rows that came too late for a table or view (contract T5).

        They have the columns of what it reads, ``__watermark`` and ``__missed_windows``. Where all
        inputs end nothing is late.

        Raises
        ------
        SettingsError
            When there is no such step.
        """  # noqa: DOC501 - built by a function
        if self._plan.step(step) is None:
            raise _unknown(step, [s.name for s in self._plan.steps])
        return self.rows(f"{step}__late")

    def kept_aside(self) -> list[str]:
        """Give the names of the tables that hold rows kept aside, in their order."""
        if not is_stream(self._plan):
            return sorted(self.ledger["kept"])
        names = [s.name for s in self._plan.sources] + [s.name for s in self._plan.steps]
        tables = [f"{name}__{kind}" for name in names for kind in kept.KINDS]
        return sorted(name for name in tables if kept.is_filled(self._asked, name))

    def query(self, sql: str) -> Answer:
        """Answer a question, in DuckDB's SQL, to the tables that are in the state file."""
        return self._bench.ask(sql)

    def columns(self, table: str) -> dict[str, Type]:
        """Give the columns of a table with their types."""
        name, _ = kept.split(table)
        if name:
            if self._plan.source(name) is None and self._plan.step(name) is None:
                known = [s.name for s in self._plan.sources] + [s.name for s in self._plan.steps]
                raise _unknown(name, known)
            if is_stream(self._plan):
                return kept.there(self._plan, self._asked, table)
            return kept.columns_of(self._plan, table)
        return {field.name: field.type for field in content(self.step(table)).fields}

    def assert_rows(self, table: str, expected: Table, *, ordered: bool = False) -> None:
        """Raise unless a table holds the expected rows, each as often, whatever their order.

        Exact values are compared exactly, floats up to their 9th digit (contract V5).

        Parameters
        ----------
        table : str
            As for `rows`.
        expected : list of dict, list of tuple, or str
            Dicts name the columns that are compared; tuples have all of them, in order; text is a
            table of cells parted by ``|``, below a head that names columns or without one.
        ordered : bool
            Compare the order too, as the table's own ORDER BY gives it.

        Raises
        ------
        AssertionError
            With the rows that are missing, that nobody expected, and the cells that differ.
        """
        what = f"table {table!r}"
        names, wanted = typed_rows(expected, self.columns(table), what)
        said = difference(what, names, self._read(table, names), wanted, is_ordered=ordered)
        if said:
            raise AssertionError(said)

    def assert_snapshot(self, *tables: str, name: str = "") -> None:
        """Raise unless tables are as in the snapshot of the test, a text file beside it.

        ``pytest --mainstem-update`` writes snapshots anew. One that is not there is written, and
        named at the end; where the variable ``CI`` is set it fails.

        Parameters
        ----------
        *tables : str
            As for `rows`; without any, all that was kept aside: quarantine and dead letters.
        name : str, optional
            Tells the snapshots of one test apart.

        Raises
        ------
        AssertionError
            When they differ, or there is none and none may be written.
        SettingsError
            Outside of a test of pytest.
        """
        if self._bench.album is None:
            raise SettingsError(
                "a snapshot stands beside a test of pytest", code="GivenForm",
                fix="run the pipeline by the fixture run_pipeline",
            )  # fmt: skip
        self._bench.album.check(self, tables, name)

    def _asked(self, sql: str) -> Sequence[tuple[Any, ...]]:
        return self._bench.ask(sql).rows

    def again(
        self, given: Mapping[str, Given] | Sections | None = None, **words: Any
    ) -> Ran:  # fmt: skip
        """Run once more in the same state, as the day after would.

        Parameters
        ----------
        given : mapping, optional
            Rows by source. Of an incremental source they are new files; of another one they
            replace what was given. Sources that are not named have what they had. A stream goes on
            behind what arrived before, which has to end with ``-- stop``.
        **words
            As for ``run_pipeline``; those that are not given are as before.
        """
        try:
            return self._bench.run(given or {}, **words)
        except MainstemError as error:
            raise error.with_traceback(None) from None

    def step(self, name: str) -> Step:
        """Give a table of the run, or a view that it was told to keep.

        Raises
        ------
        SettingsError
            When there is none of that name, or none of its rows are kept.
        """  # noqa: DOC501 - built by a function
        step = next((s for s in self._plan.steps if s.name.lower() == name.lower()), None)
        if step is None:
            raise _unknown(name, [s.name for s in self._plan.steps])
        if step.sink is None:
            raise SettingsError(
                f"{name!r} is a view, and none of its rows are kept", code="GivenUnknown",
                fix=f'give run_pipeline views=["{step.name}"]',
            )  # fmt: skip
        return step

    def _read(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        if kept.split(table)[0] and is_stream(self._plan):
            return kept.rows_of(self._asked, table, columns)
        if "__" in table:
            # Without an expectation, or with on_bad="fail", there is no such table.
            if table not in self.ledger["kept"]:
                return []
            return list(self._bench.ask(f'SELECT {names} FROM "{table}" ORDER BY __id').rows)
        step = self.step(table)
        if step.sink is not None and step.sink.type != "state":
            return self._bench.sink_rows(step, columns)
        return list(self._bench.ask(f'SELECT {names} FROM "{step.name}"').rows)


def content(step: Step) -> Schema:
    """Give the columns of a table as they are at its sink: a history adds its own."""
    keyed = keyed_of(step.sink.as_dict().get("mode", "")) if step.sink is not None else None
    if keyed is None or keyed.kind != "history":
        return step.schema
    of = {field.name.lower(): field.type for field in step.schema.fields}
    type_ = of[keyed.sequence_by[0].lower()]
    added = zip(HISTORY_COLUMNS, (type_, type_, BOOL), strict=True)
    return Schema((*step.schema.fields, *(Field(name, own) for name, own in added)))


def _unknown(name: str, known: Sequence[str]) -> SettingsError:
    close = nearest(name, known)
    return SettingsError(
        f"the pipeline has no {name!r} (it has: {listing(known)})", code="GivenUnknown",
        fix=f"write {close}" if close else "name one of them",
    )  # fmt: skip
