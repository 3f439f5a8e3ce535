"""Loading the messages of an epoch: in vectors what can be proved, one by one what cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.native.columns import UNKNOWN, Parsed, columns_of
from mainstem.engines.embedded.native.memory import messages
from mainstem.engines.embedded.reading.reference import BATCH, Corrections, encoded
from mainstem.engines.embedded.stream.records import objects, plain
from mainstem.engines.embedded.stream.records.forms import Form, form_of
from mainstem.engines.embedded.stream.records.judge import Judge, Message, Values, values_of
from mainstem.engines.embedded.stream.records.layout import Layout
from mainstem.engines.embedded.stream.records.letters import Letter, Letters
from mainstem.engines.embedded.stream.records.reading import (
    HEADERS,
    Reading,
    metadata,
    statement,
    wrong_headers,
)
from mainstem.engines.embedded.stream.records.registry import Registry
from mainstem.engines.embedded.stream.spec import PART, ROW, Loaded, Part
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.errors import SettingsError
from mainstem.formats.csv import CsvFormat
from mainstem.formats.jsontext import parse_json
from mainstem.formats.records import Misfit
from mainstem.plan.nodes import Source
from mainstem.plan.types import Schema, in_expressions
from mainstem.record import record

if TYPE_CHECKING:
    from mainstem.engines.embedded.session import Session

SAMPLE = 100
PATIENCE = 10
# Planning the statement that reads in vectors takes as long as judging twice as many small messages one
# by one (measured).
SMALL = 100
# When a larger share of an epoch was not JSON, the next one is asked first (`objects.by_form`).
_MUCH = 0.0005
_MESSAGES, _DOUBTS, _CHECKED = '"__messages"', '"__doubts"', '"__checked"'
_PARSED = '"__parsed"'
_NUMBERED = f"(SELECT *, row_number() OVER () - 1 AS __at FROM {_MESSAGES})"
_WAYS: dict[str, Callable[[Layout], Reading]] = {
    "json": objects.by_checks, "csv": plain.by_delimiter, "text": plain.by_text,
    "bytes": plain.by_bytes, "avro": plain.by_reference,
}  # fmt: skip


@record
class Prepared:
    """Messages of an epoch, and what C has made of them; None where that is not done."""

    raw: Any
    parsed: Parsed | None = None


class Records:
    """Makes typed tables of the messages of one source, epoch after epoch.

    It learns which form most messages have, and needs no more than a few of them for that.

    Parameters
    ----------
    source : Source
        Columns, event time, what becomes of bad messages.
    format : str
        ``json``, ``csv``, ``text``, ``bytes`` or ``avro``.
    metadata : mapping, optional
        Column to ``key``, ``headers``, ``partition``, ``offset``, ``timestamp`` or ``topic``.
    csv : CsvFormat, optional
        How CSV is spelled.
    names : tuple of str
        Columns of a CSV line; the declared ones when empty.
    registry : Registry, optional
        Where the schemas of Avro messages are.

    Raises
    ------
    SettingsError
        For a format or a word that does not exist, for Avro without a registry or its package.
    """

    def __init__(
        self, source: Source, format: str, metadata: Mapping[str, str] | None = None, *,
        csv: CsvFormat | None = None, names: tuple[str, ...] = (),
        registry: Registry | None = None,
    ) -> None:  # fmt: skip
        self.source = source
        self.layout = Layout.of(source, format, metadata, csv, names)
        self.judge = Judge(self.layout, _values_of(self.layout, registry))
        self._columns = columns_of(self.layout.value) if self.layout.is_flat else None
        # Epochs to wait until it is tried again.
        self._pause = 0
        self._form: Form | None = None
        self._is_guarded = False
        self._has_failed = False
        # Epochs to wait until a form is looked for again.
        self._patience = 0

    def load(
        self, session: Session, raw: Any, parts: tuple[Part, ...], table: str, read_at: datetime
    ) -> Loaded:
        """Make the temporary table of an epoch; see `stream.spec.Reader.load`.

        Parameters
        ----------
        session : Session
            The run's connection; ``TimeZone`` is UTC, insertion order is kept.
        raw : object
            Has ``__arrow_c_stream__``, which may be called more than once. Columns: ``value`` and
            ``key`` (bytes, NULL allowed), ``part`` (index into `parts`), ``position``, ``time``
            (timestamp, NULL allowed), and where the metadata ask for them ``headers`` (list of
            struct of ``key`` and ``value``). Rows of a part stand in the order of their positions.
            Or what `prepared` has made of it.
        parts : tuple of Part
            Of the slice.
        table : str
            Quoted name of the table.
        read_at : datetime
            When the slice was read: the time of records that have none (T2).

        Raises
        ------
        DataError
            ``BadRow``, when a message is bad and the source says ``on_bad="fail"``.
        """
        if not parts:
            return self._empty(session, table)
        epoch = _Epoch(self, session, parts, table, read_at)
        made = raw if isinstance(raw, Prepared) else self.prepared(raw)
        epoch.raw, epoch.parsed = made.raw, made.parsed
        try:
            return epoch.run()
        finally:
            epoch.hide()

    def _empty(self, session: Session, table: str) -> Loaded:
        columns = [
            f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}"
            for f in self.source.schema.fields
        ]
        columns.append(f"{quoted(PART)} INTEGER")
        session.rows(f"CREATE OR REPLACE TEMP TABLE {table} ({', '.join(columns)})")
        return Loaded(0, 0)

    def reading(self, sample: Callable[[], list[bytes]]) -> Reading:
        """Give how the messages of an epoch are read in vectors."""
        format_ = self.layout.format
        if format_ == "json":
            if self._form is None and self._patience == 0:
                self._learn(sample())
            else:
                self._patience = max(self._patience - 1, 0)
            if self._form is not None:
                return objects.by_form(self._form, guarded=self._is_guarded)
        return self.checked()

    def prepared(self, raw: Any) -> Prepared:
        """Make columns of messages in C, where that can be done; in any thread, one at a time."""
        if self._columns is None or not hasattr(raw, "memory") or raw.rows <= SMALL:
            return Prepared(raw)
        if self._pause:
            self._pause -= 1
            return Prepared(raw)
        return Prepared(raw, self._columns.read(raw))

    def note_parsed(self, rows: int, doubtful: int) -> None:
        """Take to heart how an epoch went: where most messages were in doubt, reading them twice is waste."""
        if 2 * doubtful > rows:
            self._pause = PATIENCE

    def checked(self) -> Reading:
        """Give the way that knows nothing of the messages' form."""
        return _WAYS[self.layout.format](self.layout)

    def _learn(self, sample: list[bytes]) -> None:
        found = []
        for raw in sample:
            try:
                text = raw.decode()
                found.append((text, parse_json(text)))
            except (UnicodeDecodeError, Misfit):
                self._is_guarded = True
        self._form = form_of(found, self.layout.value)
        self._patience = 0 if self._form or not sample else PATIENCE

    def note(self, rows: int, doubtful: int, not_json: int) -> None:
        """Take to heart how an epoch went."""
        self._is_guarded = not_json > _MUCH * rows
        if self._form is None:
            return
        if 2 * (doubtful - not_json) <= rows:
            self._has_failed = False
            return
        # Messages may have changed their form. Where the next one does no better, there is none.
        self._form = None
        self._patience = PATIENCE if self._has_failed else 0
        self._has_failed = not self._has_failed

    @property
    def has_form(self) -> bool:
        """Say whether messages are read by a form."""
        return self._form is not None


def _values_of(layout: Layout, registry: Registry | None) -> Callable[[bytes], Values]:
    if layout.format != "avro":
        return values_of(layout)
    if registry is None:
        raise SettingsError(
            f"source {layout.source.name!r}: Avro without a schema registry",
            where=layout.source.where, code="OptionMissing",
            fix='add schema_registry="http://host:8081"',
        )  # fmt: skip
    from mainstem.engines.embedded.stream.records import avro

    return avro.values_of(layout.value, registry)


class _Epoch:
    """One epoch's messages on their way into a table."""

    def __init__(
        self, records: Records, session: Session, parts: tuple[Part, ...], table: str,
        read_at: datetime,
    ) -> None:  # fmt: skip
        self.records = records
        self.layout = records.layout
        self.session = session
        self.partitions = tuple(part.partition for part in parts)
        self.table = table
        self.read_at = read_at
        self.unknown = 0
        self.is_small = sum(part.rows for part in parts) <= SMALL
        self.is_placed = records.source.name in session.placed
        self.letters = Letters(session, records.source, self.partitions)
        self.raw: Any = None
        self.parsed: Parsed | None = None
        self.is_shown = False

    def show(self) -> None:
        """Let statements read the messages."""
        if not self.is_shown:
            self.session.connection.register(_MESSAGES.strip('"'), self.raw)
            self.is_shown = True

    def hide(self) -> None:
        """Let no statement read them any more."""
        if self.is_shown:
            self.session.connection.unregister(_MESSAGES.strip('"'))

    def run(self) -> Loaded:
        """Load the table and give its ledger."""
        if self.is_small:
            return self._load_small()
        rows = self._load_parsed(self.parsed) if self.parsed else self._load_read()
        dead = self.letters.count
        return Loaded(rows, rows - dead, dead, self.unknown, self.letters.table)

    def _load_parsed(self, parsed: Parsed) -> int:
        """Load what C has made of the messages; give how many they are."""
        self.session.connection.register(_PARSED.strip('"'), parsed.table)
        try:
            self._create(objects.by_columns(self.layout.value.fields), _PARSED)
            rows, doubtful = self._counts()
            self.unknown += parsed.unknown
            if doubtful > parsed.doubts:
                self.unknown -= self._unknown_of_doubts()
        finally:
            self.session.connection.unregister(_PARSED.strip('"'))
        if doubtful:
            self.show()
            self._settle(is_checked=False)
        self.records.note_parsed(rows, doubtful - self.letters.not_json)
        return rows

    def _unknown_of_doubts(self) -> int:
        """Give the unknown fields of messages that C took and that are in doubt, such as for their time."""
        ((found,),) = self.session.rows(
            f"SELECT sum({UNKNOWN}) FROM (SELECT {UNKNOWN}, row_number() OVER () - 1 AS __at "
            f"FROM {_PARSED}) WHERE __at IN (SELECT rowid FROM {self.table} WHERE {quoted(PART)} < 0)"
        )
        return int(found)

    def _load_read(self) -> int:
        """Load what SQL reads out of the messages; give how many they are."""
        self.show()
        reading = self.records.reading(self._sample)
        has_form = self.records.has_form
        self._create(reading, _MESSAGES)
        rows, doubtful = self._counts()
        if reading.unknown.isdecimal():
            self.unknown += int(reading.unknown) * (rows - doubtful)
        if doubtful:
            self._settle(is_checked=not has_form)
        self.records.note(rows, doubtful, self.letters.not_json)
        return rows

    def _load_small(self) -> Loaded:
        """Let the reference judge every message of a small epoch."""
        found = self._found()
        good = self._judged([(at, *row) for at, row in enumerate(found)])
        if self.letters.count:
            self.show()
        self.letters.close(_NUMBERED)
        placed = [found[at][1] for at, _ in good] if self.is_placed else None
        self._create_of([(at, found[at][0], *row) for at, row in good], placed)
        dead = self.letters.count
        latest = None if self.is_placed else self._latest(found, good)
        return Loaded(len(found), len(found) - dead, dead, self.unknown, self.letters.table, latest)

    def _found(self) -> list[tuple[Any, ...]]:
        """Give part, position, value and what `_rest` says of each message, in their order."""
        if hasattr(self.raw, "memory") and wrong_headers(self.layout) == "FALSE":
            has_key = self.layout.key is not None
            return [
                (part, position, value, key if has_key else None, time, False)
                for part, position, value, key, time in messages(self.raw)
            ]
        self.show()
        return self.session.rows(f"SELECT part, position, value, {self._rest} FROM {_MESSAGES}")

    def _latest(
        self, found: list[tuple[Any, ...]], good: list[tuple[int, tuple[Any, ...]]]
    ) -> tuple[datetime | None, ...] | None:
        """Give the largest event time of each part; None where the table has to be asked."""
        names, column = self._corrected().names, self.layout.rule.column
        if column not in names:
            return None
        place = names.index(column)
        latest: list[datetime | None] = [None] * len(self.partitions)
        for at, row in good:
            part, time = found[at][0], row[place]
            known = latest[part]
            if time is not None and (known is None or time > known):
                latest[part] = time
        return tuple(latest)

    def _create_of(self, rows: list[tuple[Any, ...]], placed: list[int] | None) -> None:
        """Make the table of rows that are number, part, and the values of `_corrected`."""
        fields = self._corrected().fields
        kinds = [duckdb_type(in_expressions(f.type)) for f in fields]
        given = {"part": "INTEGER"} | {f"c{i}": kind for i, kind in enumerate(kinds)}
        lists: list[Any] = [[row[1] for row in rows]]
        lists += [[encoded(row[i], f.type) for row in rows] for i, f in enumerate(fields, start=2)]
        if placed is not None:
            given["__position"] = "BIGINT"
            lists.append(placed)
        values = {f.name: f"c{i}" for i, f in enumerate(fields)}
        known, order = metadata(self.layout, self.partitions), ""
        is_joined = bool(known.keys() - values.keys())
        if is_joined:
            given["__at"] = "BIGINT"
            lists.append([row[0] for row in rows])
        unnested = ", ".join(
            f"unnest(CAST(${i} AS {kind}[])) AS {'__p' if is_joined and name == 'part' else name}"
            for i, (name, kind) in enumerate(given.items(), start=1)
        )
        relation = f"(SELECT {unnested})"
        if is_joined:
            # Headers and the like: they are what they are, and are not judged.
            self.show()
            relation, order = f"{_NUMBERED} AS m JOIN {relation} USING (__at)", " ORDER BY __at"
        outputs = [
            f"CAST({values.get(f.name) or known[f.name].value} AS "
            f"{duckdb_type(in_expressions(f.type))}) AS {quoted(f.name)}"
            for f in self.layout.source.schema.fields
        ]
        outputs.append(f"part AS {quoted(PART)}")
        if placed is not None:
            outputs.append(f"__position AS {quoted(ROW)}")
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {self.table} AS "
            f"SELECT {', '.join(outputs)} FROM {relation}{order}",
            lists,
        )

    def _sample(self) -> list[bytes]:
        found = self.session.rows(
            f"SELECT value FROM {_MESSAGES} WHERE value IS NOT NULL LIMIT {SAMPLE}"
        )
        return [value for (value,) in found]

    def _select(self, reading: Reading, relation: str, kept: tuple[str, ...] = ()) -> str:
        return statement(
            reading, self.layout, self.partitions, relation, read_at=self.read_at, kept=kept
        )

    def _create(self, reading: Reading, relation: str) -> None:
        create = f"CREATE OR REPLACE TEMP TABLE {self.table} AS "
        placed = (f"CAST(position AS BIGINT) AS {quoted(ROW)}",) if self.is_placed else ()
        if reading.unknown.isdecimal():
            self.session.rows(create + self._select(reading, relation, placed))
            return
        # Each row has its own number of unknown fields: it is counted and forgotten.
        kept = (*placed, f"{reading.unknown} AS __unknown")
        self.session.rows(create + self._select(reading, relation, kept))
        self._add_unknown(self.table)
        self.session.rows(f"ALTER TABLE {self.table} DROP COLUMN __unknown")

    def _add_unknown(self, table: str) -> None:
        found = self.session.rows(f"SELECT sum(__unknown) FROM {table} WHERE {quoted(PART)} >= 0")
        self.unknown += int(found[0][0] or 0)

    def _counts(self) -> tuple[int, int]:
        part = quoted(PART)
        found = self.session.rows(
            f"SELECT count(*), count(*) FILTER ({part} < 0) FROM {self.table}"
        )
        return int(found[0][0]), int(found[0][1])

    # --- rows in doubt -----------------------------------------------------------------------------

    def _settle(self, *, is_checked: bool) -> None:
        """Judge every row in doubt, correct the good ones in the table, and take the bad ones out."""
        # A column of nothing but NULL has no type, and would get one that is none of ours.
        typed = "CAST(key AS BLOB) AS key"
        if "headers" in self.layout.metadata.values():
            typed += f", CAST(headers AS {HEADERS}) AS headers"
        # The number of a message is the row id: nothing was deleted yet.
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {_DOUBTS} AS SELECT * REPLACE ({typed}) FROM "
            f"{_NUMBERED} AS m WHERE __at IN "
            f"(SELECT rowid FROM {self.table} WHERE {quoted(PART)} < 0)"
        )
        corrections = Corrections(self.session.connection, self.table, self._corrected())
        if not is_checked:
            self._check(corrections)
        self._judge(corrections)
        self.letters.close(_DOUBTS)
        # Row ids are places in the epoch as long as nothing is deleted.
        corrections.apply()
        part = quoted(PART)
        if self.letters.count:
            self.session.rows(
                f"DELETE FROM {self.table} WHERE rowid IN (SELECT __at FROM {self.letters.places})"
            )
        self.session.rows(f"UPDATE {self.table} SET {part} = -1 - {part} WHERE {part} < 0")
        self.session.rows(f"DROP TABLE {_DOUBTS}")

    def _corrected(self) -> Schema:
        """Give the columns that a judged row sets: the other ones hold what they should already."""
        key = self.layout.key
        return Schema((*self.layout.value.fields, *((key,) if key else ())))

    def _check(self, corrections: Corrections) -> None:
        """Let messages of another form pass that the checks in vectors have no doubt about."""
        reading = self.records.checked()
        select = self._select(reading, _DOUBTS, (f"{reading.unknown} AS __unknown", "__at"))
        self.session.rows(f"CREATE OR REPLACE TEMP TABLE {_CHECKED} AS {select}")
        self._add_unknown(_CHECKED)
        names = ", ".join(quoted(name) for name in ("__at", *self._corrected().names))
        found = self.session.rows(
            f"INSERT INTO {corrections.fixed} ({names}) SELECT {names} FROM {_CHECKED} "
            f"WHERE {quoted(PART)} >= 0"
        )
        corrections.count += int(found[0][0])
        self.session.rows(
            f"DELETE FROM {_DOUBTS} WHERE __at IN "
            f"(SELECT __at FROM {_CHECKED} WHERE {quoted(PART)} >= 0)"
        )
        self.session.rows(f"DROP TABLE {_CHECKED}")

    def _judge(self, corrections: Corrections) -> None:
        """Ask the reference about what is left."""
        after = -1
        while batch := self._fetch(after):
            after = batch[-1][0]
            corrections.add(self._judged(batch))

    @property
    def _rest(self) -> str:
        """Give the SQL of what a message has besides its value, in the order of `Message`."""
        key = "CAST(key AS BLOB)" if self.layout.key else "NULL"
        return f"{key}, epoch_us(time), {wrong_headers(self.layout)}"

    def _fetch(self, after: int) -> list[tuple[Any, ...]]:
        return self.session.rows(
            f"SELECT __at, part, position, value, {self._rest} FROM {_DOUBTS} "
            f"WHERE __at > {after} ORDER BY __at LIMIT {BATCH}"
        )

    def _judged(self, batch: list[tuple[Any, ...]]) -> list[tuple[int, tuple[Any, ...]]]:
        """Give the values of good messages; the bad ones become letters."""
        names = self._corrected().names
        good = []
        for at, part, position, value, *rest in batch:
            try:
                row, unknown = self.records.judge.row(Message(value, *rest), self.read_at)
            except Misfit as misfit:
                self.letters.add(Letter(at, part, position, value or b"", misfit))
            else:
                self.unknown += unknown
                good.append((at, tuple(row[name] for name in names)))
        return good
