"""Rows that were kept aside, in the place of a relation: taken, judged again, and their status set.

What is taken is copied out of the state file before anything else is read, so that reading needs no
transaction there. The status of each row is set in the transaction that commits the run: a row is
either still open and nowhere at a sink, or replayed and there once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import field
from typing import Any, cast

import duckdb

from mainstem.engines.embedded.compile import expression_sql
from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.judging.aside import LATER, chosen, order_of
from mainstem.engines.embedded.judging.expect import STOPPING, Judgement, Rows
from mainstem.engines.embedded.judging.letters import (
    Letter,
    Reader,
    from_row,
    message_of,
    unreadable,
)
from mainstem.engines.embedded.reading.reference import load
from mainstem.engines.embedded.reading.sources import as_events
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import CATALOG, state_path, state_table
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.embedded.writing.write import RANGES
from mainstem.engines.spec import Event, Replay, RunSettings
from mainstem.errors import InternalError, StateError, UnsupportedError
from mainstem.formats.records import BadRow
from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan, fingerprint
from mainstem.plan.types import BIGINT, STRING, Field, Schema, in_expressions
from mainstem.record import mutable

# Letters that are in memory at a time; each may be as long as a line may be.
BATCH = 200
_TAKEN, _GIVEN, _BAD, _OUTCOME = '"__taken"', '"__given"', '"__still_bad"', '"__outcome"'
_BAD_SCHEMA = Schema((
    Field("nth", BIGINT), Field("column_name", STRING), Field("reason", STRING),
    Field("message", STRING),
))  # fmt: skip


@mutable
class Replaying:
    """One replay; the methods are its stages, in order.

    Attributes
    ----------
    taken : int
        Rows that are judged again.
    staying : dict
        Rows that are chosen and cannot be judged again, by the reason why.
    digest : str
        Of the rows taken.
    bad : int
        Dead letters that still are no record.
    """

    session: Session
    settings: RunSettings
    plan: Plan
    given: Replay
    taken: int = 0
    staying: dict[str, int] = field(default_factory=dict)
    digest: str = ""
    bad: int = 0
    judgement: Judgement | None = None

    @property
    def name(self) -> str:
        """Give the relation."""
        return self.given.relation

    @property
    def is_dead(self) -> bool:
        """Say whether records are read again; else rows are judged again."""
        return self.given.kind == "dead"

    @property
    def schema(self) -> Schema:
        """Give the present columns."""
        source = self.plan.source(self.name)
        step = self.plan.step(self.name)
        if source is None and step is None:
            raise InternalError(f"{self.name!r} is not in the plan")
        return source.schema if source is not None else cast("Any", step).schema

    def rows(self) -> Generator[Event, None, Rows]:
        """Take the chosen rows and give them as those of the relation, before its rules.

        Raises
        ------
        StateError
            When there are none, or others than the preview has judged.
        """  # noqa: DOC501 - built by functions
        try:
            self._take()
            work = self.session.watch_call(self._read if self.is_dead else self._cast)
            yield from as_events(self.name, work)
            self._check_values()
        except duckdb.Error as error:
            doing = f"taking the rows of {self.given.table}"
            doing += ", with the values of --set" if self.given.sets else ""
            raise explained(error, None, doing=doing) from error
        place = ("r.__from_path", "r.__from_row")
        return Rows(self.name, self.schema, _GIVEN, is_placed=True, place=place)

    def read_event(self) -> Event:
        """Give what a source read: its line of the ledger."""
        return Event("source_read", self.name, {
            "rows": self.taken, "admitted": self.taken - self.bad, "dead": self.bad, "skipped": 0,
            "files": 0, "bytes": 0, "unknown_fields": 0, "in_place": False,
            "position": self.position, "replay": self.given.kind,
        })  # fmt: skip

    @property
    def position(self) -> str:
        """Give what the outputs are a function of besides the plan."""
        return fingerprint(["replay", self.given.kind, self.digest, self.given.texts])

    # Taking

    def _take(self) -> None:
        catalog = quoted(CATALOG)
        path = literal(str(state_path(self.settings.state_dir)))
        self.session.rows(f"ATTACH {path} AS {catalog}")
        try:
            self._copy()
        finally:
            # The run's own transaction in it begins later, when everything is computed.
            self.session.rows(f"DETACH {catalog}")
        if not self.taken:
            raise self._nothing()
        if self.given.digest and self.given.digest != self.digest:
            raise StateError(
                f"the open rows of {self.given.table} are not those that the preview has judged",
                code="ReplayChanged", fix="look at the preview again, and replay then",
            )  # fmt: skip

    def _copy(self) -> None:
        table = state_table(self.given.table)
        known = self.session.rows(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = $1 AND "
            "schema_name = 'main' AND table_name = $2", [CATALOG, self.given.table],
        )  # fmt: skip
        if not known[0][0]:
            return
        for column, type_ in LATER:
            self.session.rows(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {type_}")
        where = f"__status = 'open' AND {chosen(self.given)}"
        why = self._why()
        self.staying = dict(self.session.rows(
            f"SELECT why, count(*) FROM (SELECT {why} AS why FROM {table} WHERE {where}) "
            "WHERE why IS NOT NULL GROUP BY why ORDER BY why"
        ))  # fmt: skip
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {_TAKEN} AS SELECT row_number() OVER (ORDER BY "
            f"{order_of('__id')}) AS __nth, * FROM {table} WHERE {where} AND {why} IS NULL"
        )
        count, mixed = self.session.rows(
            f"SELECT count(*), bit_xor(hash(__id, coalesce(__tries, 0))) FROM {_TAKEN}"
        )[0]
        self.taken, self.digest = count, fingerprint([count, str(mixed)])

    def _why(self) -> str:
        """Give the SQL that says why a chosen row cannot be judged again; NULL when it can."""
        if not self.is_dead:
            changed = {name for name, _ in self.given.sets}
            rules = [
                rule.name for rule in self.plan.expected_of(self.name)
                if rule.kind == "unique" and not changed & set(rule.columns)
            ]  # fmt: skip
            arms = " ".join(
                f"WHEN {literal(rule)} THEN {literal(f'breaks {rule}: its key has passed')}"
                for rule in rules
            )
            # The row that has passed is not among those taken, so the rule would see nothing.
            return f"CASE __rule {arms} END" if arms else "CAST(NULL AS VARCHAR)"
        source = self.plan.source(self.name)
        if source is None:
            return literal("holds the arguments of a Python function, not the row")
        whole = unreadable(source)
        if whole:
            return literal(whole)
        lossy = [f.name for f in source.schema.fields if "bytes" in str(f.type)]
        arms = "WHEN __raw IS NULL THEN 'stands for a row group, which has no bytes'"
        arms += " WHEN __reason = 'LineTooLong' THEN 'is kept in part: the line was too long'"
        if lossy:
            text = literal(f"holds values as JSON, which loses the bytes of {lossy[0]}")
            arms += f" WHEN __line IS NULL THEN {text}"
        return f"CASE {arms} END"

    def _nothing(self) -> StateError:
        stay = "; ".join(f"{n} open: {why}" for why, n in self.staying.items())
        return StateError(
            f"{self.given.table} has no open row to replay" + (f" ({stay})" if stay else ""),
            code="ReplayNothing", fix="see mainstem quarantine ls; drop the rows that nobody wants",
        )  # fmt: skip

    # Rows of a quarantine

    def _cast(self) -> None:
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {_GIVEN} AS SELECT __nth AS __row, __id, __from_path, "
            f"__from_row, {', '.join(self._values())} FROM (SELECT __nth, __id, __path AS "
            f"__from_path, __row AS __from_row, {', '.join(self._present())} FROM {_TAKEN}) "
            f"AS {quoted(self._alias())}"
        )

    def _present(self) -> list[str]:
        """Give the present columns of the kept rows; one that has come since is NULL."""
        there = {row[0]: row[1] for row in self.session.rows(f"DESCRIBE {_TAKEN}")}
        nulls = {f.name: self._null(f) for f in self.schema.fields}
        wanted = {
            row[0]: row[1]
            for row in self.session.rows(f"DESCRIBE SELECT {', '.join(nulls.values())}")
        }
        changed = {name for name, _ in self.given.sets}
        other = [n for n in wanted if there.get(n, wanted[n]) != wanted[n] and n not in changed]
        if other:
            raise StateError(
                f"column {other[0]!r} of {self.given.table} is {there[other[0]]}, and "
                f"{wanted[other[0]]} is declared now", code="ReplayColumns",
                fix="declare the type as it was, replay, and change it then",
            )  # fmt: skip
        return [
            quoted(name) if there.get(name) == wanted[name] else null
            for name, null in nulls.items()
        ]

    @staticmethod
    def _null(one: Field) -> str:
        return f"CAST(NULL AS {duckdb_type(in_expressions(one.type))}) AS {quoted(one.name)}"

    def _values(self) -> list[str]:
        given = {
            name: expression_sql(cast("t.Select", query.body).items[0].expr)
            for name, query in self.given.sets
        }
        return [
            f"{given[name]} AS {quoted(name)}" if name in given else quoted(name)
            for name in self.schema.names
        ]

    def _alias(self) -> str:
        for _, query in self.given.sets:
            return cast("t.Relation", cast("t.Select", query.body).source).alias
        return self.name

    # Records of dead letters

    def _read(self) -> None:
        source = self.plan.source(self.name)
        if source is None:
            raise UnsupportedError(f"{self.name!r} is no source", code="ReplayLetters")
        fields = self.schema.fields
        numbered = Schema((Field("__nth", BIGINT), *fields))
        columns = ", ".join(
            f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}" for f in numbered.fields
        )
        self.session.rows(f"CREATE OR REPLACE TEMP TABLE __read ({columns})")
        columns = ", ".join(f"{f.name} {duckdb_type(f.type)}" for f in _BAD_SCHEMA.fields)
        self.session.rows(f"CREATE OR REPLACE TEMP TABLE {_BAD} ({columns})")
        reader, connection = Reader(source), self.session.connection
        for letters in self._letters():
            good: list[tuple[Any, ...]] = []
            bad: list[tuple[Any, ...]] = []
            for letter, found in reader.read(iter(letters)):
                if isinstance(found, BadRow):
                    bad.append((letter.nth, found.column, found.code, message_of(found)))
                else:
                    good.append((letter.nth, *found.values))
            load(connection, "__read", numbered, good)
            load(connection, _BAD, _BAD_SCHEMA, bad)
            self.bad += len(bad)
        names = ", ".join(f"g.{quoted(f.name)}" for f in fields)
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {_GIVEN} AS SELECT g.__nth AS __row, k.__id, "
            f"k.__path AS __from_path, k.__row AS __from_row, {names} "
            f"FROM __read AS g JOIN {_TAKEN} AS k ON g.__nth = k.__nth"
        )

    def _letters(self) -> Iterator[list[Letter]]:
        for first in range(1, self.taken + 1, BATCH):
            yield [from_row(row) for row in self.session.rows(
                "SELECT __nth, coalesce(__path, ''), __row, __line, __offset, __raw, __header, "
                f"__at::TIMESTAMP FROM {_TAKEN} WHERE __nth BETWEEN {first} AND {first + BATCH - 1} "
                "ORDER BY __nth"
            )]  # fmt: skip

    def _check_values(self) -> None:
        """Refuse values that the source's schema does not allow: --set may have made them."""
        source = self.plan.source(self.name)
        for one in source.schema.fields if source is not None else ():
            name, tests = quoted(one.name), []
            if not one.nullable:
                tests.append(f"{name} IS NULL")
            if one.type.kind in RANGES:
                low, high = RANGES[one.type.kind]
                tests.append(f"{name} NOT BETWEEN {low} AND {high}")
            if not tests:
                continue
            found = self.session.rows(f"SELECT count(*) FROM {_GIVEN} WHERE {' OR '.join(tests)}")[
                0
            ][0]
            if found:
                raise StateError(
                    f"column {one.name!r} is {one}, and {found} of the rows of {self.given.table} "
                    "would not fit", code="ReplayColumns",
                    fix=f'give them a value: --set "{one.name} = …", or leave them out with --id',
                )  # fmt: skip

    # What becomes of the rows

    def settle(self) -> dict[str, Any]:
        """Decide what becomes of each row that was taken, and count it."""
        rule, status = "CAST(NULL AS VARCHAR)", "'replayed'"
        join = ""
        judged = self.judgement
        if judged is not None and judged.has_stopped and not self.is_dead:
            numbers = [i for i, r in enumerate(judged.rules) if r.on_fail in STOPPING]
            names = " ".join(f"WHEN {i} THEN {literal(judged.rules[i].name)}" for i in numbers)
            ends = " ".join(
                f"WHEN {i} THEN '{'dropped' if judged.rules[i].on_fail == 'drop' else 'open'}'"
                for i in numbers
            )
            rule = f"CASE f.rule {names} END"
            status = f"CASE f.rule {ends} ELSE 'replayed' END"
            join = (
                f"LEFT JOIN (SELECT __row, rule FROM {judged.rows.failed} WHERE rule IN "
                f"({', '.join(map(str, numbers))})) AS f ON g.__row = f.__row"
            )
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {_OUTCOME} AS SELECT g.__id, {status} AS status, "
            f"{rule} AS rule, CAST(NULL AS VARCHAR) AS column_name, CAST(NULL AS VARCHAR) AS reason, "
            f"CAST(NULL AS VARCHAR) AS message FROM {_GIVEN} AS g {join}"
        )
        if self.is_dead:
            self.session.rows(
                f"INSERT INTO {_OUTCOME} SELECT k.__id, 'open', NULL, nullif(b.column_name, ''), "
                f"b.reason, b.message FROM {_BAD} AS b JOIN {_TAKEN} AS k ON b.nth = k.__nth"
            )
        found = dict(self.session.rows(f"SELECT status, count(*) FROM {_OUTCOME} GROUP BY ALL"))
        why = dict(self.session.rows(
            f"SELECT coalesce(rule, reason), count(*) FROM {_OUTCOME} WHERE status <> 'replayed' "
            "GROUP BY ALL ORDER BY ALL"
        ))  # fmt: skip
        failing = dict(self.session.rows(
            f"SELECT coalesce(rule, reason), count(*) FROM {_OUTCOME} WHERE status = 'open' "
            "GROUP BY ALL ORDER BY ALL"
        ))  # fmt: skip
        return {
            "table": self.given.table, "kind": self.given.kind, "taken": self.taken,
            "replayed": found.get("replayed", 0), "dropped": found.get("dropped", 0),
            "again": found.get("open", 0), "by_rule": why, "failing": failing,
            "staying": self.staying,
        }  # fmt: skip

    def keep(self) -> Iterator[Event]:
        """Set the status of the rows, within the run's transaction in the state file.

        Raises
        ------
        InternalError
            When another number of rows was set than taken.
        """
        facts = self.settle()
        table, run = state_table(self.given.table), literal(self.settings.run_id)
        told = "__rule = o.rule"
        if self.is_dead:
            told = "__column = o.column_name, __reason = o.reason, __message = o.message"
        again = self._set(table, f"{told}, __tries = coalesce(__tries, 0) + 1", "= 'open'")
        closed = self._set(table, f"__status = o.status, __closed_by = {run}", "<> 'open'")
        if again + closed != self.taken or again != facts["again"]:
            raise InternalError(
                f"{self.taken} rows of {self.given.table} were taken, {again} stayed and {closed} "
                "were closed", code="LedgerUnbalanced",
                fix="report it with this line; nothing was committed by this run",
            )  # fmt: skip
        n_open = self.session.rows(f"SELECT count(*) FROM {table} WHERE __status = 'open'")[0][0]
        told_of = {"table": self.given.table, "rows": again, "open": n_open}
        yield Event("rows_kept", self.name, told_of)
        yield Event("rows_replayed", self.name, facts)

    def _set(self, table: str, what: str, status: str) -> int:
        found = self.session.rows(
            f"UPDATE {table} SET {what} FROM {_OUTCOME} AS o WHERE {table}.__id = o.__id "
            f"AND {table}.__status = 'open' AND o.status {status}"
        )
        return int(found[0][0])
