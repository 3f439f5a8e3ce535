"""The records of the generator as SQL: any run of them, by number, the same ones every time.

A record is a function of its number and the seed alone. Random numbers are those of a fixed mixing
function over 32 bits, spelled in SQL, so that neither a version of DuckDB nor a restart changes them:
`mixed` is the same function in Python.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mainstem.connectors.generator.columns import Column
from mainstem.connectors.generator.options import GeneratorSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.errors import SettingsError
from mainstem.formats.coercion import RANGES, coerce_text
from mainstem.formats.records import Misfit
from mainstem.plan.nodes import Source
from mainstem.plan.types import Field, Schema, in_expressions
from mainstem.record import record

if TYPE_CHECKING:
    from mainstem.engines.embedded.session import Session

# Records before it among which a repeated one is found, and how often a record is surely no repetition:
# the one that is repeated is always such an original, so that nobody has to look further back.
REACH, ORIGINAL = 1000, 64
# Keys of a zipf that are drawn exactly; those behind them, rarer than one in a thousand, by a curve.
HEAD = 1024
_WORD = 1 << 32
_MASK = _WORD - 1
_ROUNDS = ((16, 2146121005), (15, 2221713035))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIX = 26**6
_DIGITS, _LETTERS = "0123456789ABCDEFGHIJKLMNOP", "abcdefghijklmnopqrstuvwxyz"


def key_of(seed: int, name: str) -> tuple[int, int]:
    """Give the two numbers that make a random number of its own for a column or a purpose."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4]), int.from_bytes(digest[4:8]) | 1


def mixed(number: int, key: tuple[int, int]) -> int:
    """Give the random number of a record, from 0 to 2^32 - 1."""
    found = (number ^ ((number >> 32) * 2654435769)) & _MASK
    found = ((found ^ key[0]) * key[1]) & _MASK
    for shift, factor in _ROUNDS:
        found = ((found ^ (found >> shift)) * factor) & _MASK
    return found ^ (found >> 16)


def _mix(relation: str, number: str, keys: Mapping[str, tuple[int, int]]) -> str:
    """Give `relation` with a random number of the record `number` for each key."""
    if not keys:
        return relation
    # A layer for each step: written into one another, the text would double with each of them.
    start = f"xor({number}, ({number} >> 32) * 2654435769) & {_MASK}"
    relation = f"(SELECT *, {start} AS __x FROM {relation})"
    made = (f"(xor(__x, {a}) * {b}) & {_MASK} AS {n}" for n, (a, b) in keys.items())
    relation = f"(SELECT * EXCLUDE (__x), {', '.join(made)} FROM {relation})"
    for shift, factor in _ROUNDS:
        step = ", ".join(f"(xor({n}, {n} >> {shift}) * {factor}) & {_MASK} AS {n}" for n in keys)
        relation = f"(SELECT * REPLACE ({step}) FROM {relation})"
    last = ", ".join(f"xor({n}, {n} >> 16) AS {n}" for n in keys)
    return f"(SELECT * REPLACE ({last}) FROM {relation})"


def threshold(share: float) -> int:
    """Give the number that a random number is less than in that share of the records."""
    return round(share * _WORD)


def alias(weights: Sequence[float]) -> tuple[list[int], list[int]]:
    """Give Walker's tables: slot `i` gives `i` below the threshold, and the other one above.

    Source: M. D. Vose, A linear algorithm for generating random numbers with a given distribution (1991).
    """
    whole = sum(weights)
    scaled = [weight * len(weights) / whole for weight in weights]
    limits, others = [_WORD] * len(weights), list(range(len(weights)))
    small = [i for i, value in enumerate(scaled) if value < 1]
    large = [i for i, value in enumerate(scaled) if value >= 1]
    while small and large:
        less, more = small.pop(), large[-1]
        limits[less], others[less] = threshold(scaled[less]), more
        scaled[more] -= 1 - scaled[less]
        if scaled[more] < 1:
            small.append(large.pop())
    return limits, others


@record
class Value:
    """A column as SQL over the random numbers `keys`, and the lists that it looks into."""

    sql: str
    keys: tuple[str, ...]
    lists: tuple[tuple[str, str, tuple[Any, ...]], ...] = ()


class MadeUp:
    """The records of one generator.

    Parameters
    ----------
    source : Source
        Bound to a generator.

    Raises
    ------
    SettingsError
        For a column that cannot be made.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.options = read_options(GeneratorSource, source.binding, source.where)
        self.columns = self.options.specs(source.schema, source.event_time)
        self._values = [self._value(i, column) for i, column in enumerate(self.columns)]
        self._is_ready = False

    def prepare(self, session: Session) -> None:
        """Make the lists that columns look into, as variables of the connection."""
        for index, (column, value) in enumerate(zip(self.columns, self._values, strict=True)):
            for name, type_, items in value.lists:
                if type_:
                    session.rows(f"SET VARIABLE {quoted(name)} = CAST({list(items)} AS {type_}[])")
                else:
                    self._set_choice(session, name, index, column, items)
        self._is_ready = True

    def _set_choice(
        self, session: Session, name: str, index: int, column: Column, items: tuple[Any, ...]
    ) -> None:
        from mainstem.engines.embedded.reading.reference import load

        table = quoted(f"__choice_{index}")
        type_ = in_expressions(column.field.type)
        session.rows(f"CREATE OR REPLACE TEMP TABLE {table} (v {duckdb_type(type_)})")
        load(session.connection, table, Schema((Field("v", type_),)), ((v,) for v in items))
        session.rows(f"SET VARIABLE {quoted(name)} = (SELECT list(v ORDER BY rowid) FROM {table})")
        session.rows(f"DROP TABLE {table}")

    def select(
        self, session: Session, first: int, last: int, start: datetime, *, is_bad: bool = False,
        extra: str = "",
    ) -> str:  # fmt: skip
        """Give the SQL of the records from number `first` up to, not with, `last`.

        Parameters
        ----------
        session : Session
            Whose variables hold the lists.
        first, last : int
            Numbers in the whole source, from 0.
        start : datetime
            The time of record 0.
        is_bad : bool
            Whether those that are to be bad are wanted, as they would be if they were good; else the
            others.
        extra : str
            SQL of further columns over ``i``, the record's number.
        """
        if not self._is_ready:
            self.prepare(session)
        self._check_sequences(last)
        relation = f"(SELECT CAST(range AS UBIGINT) AS i FROM range({first}, {last}))"
        relation = self._repeated(relation)
        if self.options.bad:
            word = "<" if is_bad else ">="
            relation = _mix(relation, "j", {"__bad": self._key("__bad")})
            relation = (
                f"(SELECT i, j FROM {relation} WHERE __bad {word} {threshold(self.options.bad)})"
            )
        keys = {key for value in self._values for key in value.keys}
        relation = _mix(relation, "j", {k: self._key(k) for k in sorted(keys)})
        relation = f"(SELECT *, {self._time(start)} AS __us FROM {relation})"
        outputs = [
            f"CAST({value.sql} AS {duckdb_type(in_expressions(c.field.type))}) AS {quoted(c.field.name)}"
            for c, value in zip(self.columns, self._values, strict=True)
        ]
        return f"SELECT {', '.join([*outputs, *([extra] if extra else [])])} FROM {relation}"

    def _key(self, name: str) -> tuple[int, int]:
        return key_of(self.options.seed, name.strip('"'))

    def _repeated(self, relation: str) -> str:
        """Add ``j``, the record that a record repeats: mostly itself."""
        share = self.options.duplicates
        if not share:
            return f"(SELECT i, i AS j FROM {relation})"
        limit = min(_WORD, threshold(share * ORIGINAL / (ORIGINAL - 1)))
        relation = _mix(relation, "i", {"__d": self._key("__d"), "__r": self._key("__r")})
        # Where the one that is drawn is a repetition too, the original before it is taken.
        drawn = f"i - 1 - __r % least(i, {REACH - ORIGINAL})"
        relation = (
            f"(SELECT i, __d < {limit} AND i % {ORIGINAL} > 0 AS is_again, "
            f"CASE WHEN i > 0 THEN {drawn} ELSE 0 END AS r FROM {relation})"
        )
        relation = _mix(relation, "r", {"__d": self._key("__d")})
        return (
            "(SELECT i, CASE WHEN NOT is_again THEN i "
            f"WHEN __d < {limit} THEN r - r % {ORIGINAL} ELSE r END AS j FROM {relation})"
        )

    def _time(self, start: datetime) -> str:
        """Give the SQL of the event time of ``j`` in microseconds since 1970."""
        begin = micros_of(start)
        place = f"{begin} + CAST(floor(j * (1000000 / CAST({self.options.events_per_s!r} AS DOUBLE))) AS BIGINT)"
        span = self.options.disorder_span // timedelta(microseconds=1)
        return f"{place} - {_whole(0, span, '__late', '__late2')}" if span else place

    def place_us(self, number: int, start: datetime) -> int:
        """Give the time of a record's place in the stream, in microseconds since 1970."""
        return micros_of(start) + int(number * (1_000_000 / self.options.events_per_s))

    def _check_sequences(self, last: int) -> None:
        for column in self.columns:
            if column.kind != "sequence" or column.field.type.kind not in RANGES:
                continue
            low, high = RANGES[column.field.type.kind]
            end = column.start + column.step * (last - 1)
            if not low <= end <= high:
                raise SettingsError(
                    f"column {column.field.name!r} of the generator: its sequence comes to {end}, and "
                    f"{column.field.type} ends at {high}", where=self.source.where,
                    code="GeneratorColumn", fix=f"declare {column.field.name} as bigint, or give count=",
                )  # fmt: skip

    # ---- columns

    def _value(self, index: int, column: Column) -> Value:
        value = _MADE[column.kind](self, index, column)
        if self.options.disorder_span and column.kind == "time":
            value = Value(value.sql, (*value.keys, '"__late"', '"__late2"'), value.lists)
        if not column.nulls:
            return value
        null = f'"__null{index}"'
        return Value(
            f"CASE WHEN {null} >= {threshold(column.nulls)} THEN {value.sql} END",
            (*value.keys, null), value.lists,
        )  # fmt: skip

    def _sequence(self, index: int, column: Column) -> Value:
        del index
        number = f"{column.start} + {column.step} * CAST(j AS BIGINT)"
        return Value(_text(column, number), ())

    def _choice(self, index: int, column: Column) -> Value:
        items = []
        for given in column.values:
            try:
                text = str(given).lower() if isinstance(given, bool) else str(given)
                items.append(None if given is None else coerce_text(text, column.field.type))
            except Misfit as misfit:
                raise SettingsError(
                    f"column {column.field.name!r} of the generator: {given!r} is {misfit.reason}",
                    where=self.source.where, code="GeneratorColumn", fix="correct the choice",
                ) from misfit  # fmt: skip
        name = f"__{self.source.name}_choice{index}"
        slot = self._drawn(index, column.weights)
        sql = f"getvariable({literal(name)})[{slot.sql} + 1]"
        return Value(sql, slot.keys, (*slot.lists, (name, "", tuple(items))))

    def _drawn(self, index: int, weights: Sequence[float]) -> Value:
        """Give the SQL of an index that is drawn with weights."""
        slot, coin = f'"__slot{index}"', f'"__coin{index}"'
        at = f"CAST(({slot} * {len(weights)}) >> 32 AS BIGINT)"
        if len(set(weights)) == 1:
            return Value(at, (slot,))
        limits, others = alias(weights)
        names = (f"__{self.source.name}_limits{index}", f"__{self.source.name}_others{index}")
        first, second = (f"getvariable({literal(name)})[{at} + 1]" for name in names)
        return Value(
            f"(CASE WHEN {coin} < {first} THEN {at} ELSE {second} END)", (slot, coin),
            ((names[0], "UBIGINT", tuple(limits)), (names[1], "BIGINT", tuple(others))),
        )  # fmt: skip

    def _zipf(self, index: int, column: Column) -> Value:
        size, exponent = column.size, column.exponent
        weights = [1 / k**exponent for k in range(1, min(size, HEAD) + 1)]
        if size <= HEAD:
            slot = self._drawn(index, weights)
            return Value(_text(column, f"{slot.sql} + 1"), slot.keys, slot.lists)
        # The last slot is all other keys; among these the key is where the curve x^-s has come to.
        low, high = HEAD + 0.5, size + 0.5
        slot = self._drawn(index, [*weights, _area(low, high, exponent)])
        tail = f'"__tail{index}"'
        at = _inverse(f"({tail} / {float(_WORD)!r})", low, high, exponent)
        key = (
            f"CASE WHEN {slot.sql} < {HEAD} THEN {slot.sql} + 1 "
            f"ELSE greatest({HEAD + 1}, least({size}, CAST(floor({at} + 0.5) AS BIGINT))) END"
        )
        return Value(_text(column, f"({key})"), (*slot.keys, tail), slot.lists)

    def _range(self, index: int, column: Column) -> Value:
        one, two = f'"__a{index}"', f'"__b{index}"'
        kind, low, high = column.field.type.kind, column.low, column.high
        if kind == "double":
            share = f"(({one} << 21) + ({two} >> 11)) / 9007199254740992.0::DOUBLE"
            return Value(f"{low!r}::DOUBLE + ({high - low!r})::DOUBLE * ({share})", (one, two))
        if kind == "decimal":
            return Value(_decimal(column, one, two), (one, two))
        if kind == "date":
            sql = (
                f"DATE '1970-01-01' + CAST({_whole(_days(low), _days(high), one, two)} AS INTEGER)"
            )
        elif kind == "timestamp":
            sql = f"make_timestamptz(CAST({_whole(micros_of(low), micros_of(high), one, two)} AS BIGINT))"
        else:
            sql = _whole(low, high, one, two)
        return Value(sql, (one, two))

    def _letters(self, index: int, column: Column) -> Value:
        is_bytes = column.field.type.kind == "bytes"
        n_words = -(-column.size // (4 if is_bytes else 6))
        keys = tuple(f'"__l{index}_{at}"' for at in range(n_words))
        if not keys:
            return Value("''", ())
        if is_bytes:
            hexed = " || ".join(f"to_base(CAST({key} AS BIGINT), 16, 8)" for key in keys)
            return Value(f"unhex(left({hexed}, {2 * column.size}))", keys)
        words = " || ".join(f"to_base(CAST({key} % {_SIX} AS BIGINT), 26, 6)" for key in keys)
        return Value(f"translate(left({words}, {column.size}), '{_DIGITS}', '{_LETTERS}')", keys)

    def _at(self, index: int, column: Column) -> Value:
        del index
        return Value(
            "make_timestamptz(__us)" if column.field.type.kind == "timestamp"
            else "CAST(make_timestamp(__us) AS DATE)", (),
        )  # fmt: skip


_MADE: dict[str, Callable[[MadeUp, int, Column], Value]] = {
    "sequence": MadeUp._sequence, "choice": MadeUp._choice, "zipf": MadeUp._zipf,
    "range": MadeUp._range, "letters": MadeUp._letters, "time": MadeUp._at,
}  # fmt: skip


def _text(column: Column, number: str) -> str:
    if column.field.type.kind != "string":
        return number
    return f"{literal(column.prefix)} || CAST({number} AS VARCHAR)"


def _whole(low: int, high: int, one: str, two: str) -> str:
    """Give the SQL of a whole number from `low` to `high`, both included."""
    size = high - low + 1
    if size <= _WORD:
        return f"({low} + CAST(({one} * {size}) >> 32 AS BIGINT))"
    return f"({low}::HUGEINT + (({one}::HUGEINT * {_WORD} + {two}) % {size}::HUGEINT))"


def _decimal(column: Column, one: str, two: str) -> str:
    scale = column.field.type.scale
    low, high = (int(Decimal(end).scaleb(scale)) for end in (column.low, column.high))
    number = f"CAST({_whole(low, high, one, two)} AS HUGEINT)"
    if not scale:
        return number
    return (
        f"CASE WHEN {number} < 0 THEN '-' ELSE '' END || abs({number}) // {10**scale}::HUGEINT || '.' || "
        f"lpad(CAST(abs({number}) % {10**scale}::HUGEINT AS VARCHAR), {scale}, '0')"
    )


def _area(low: float, high: float, exponent: float) -> float:
    """Give the area under x^-s between two ends."""
    import math

    if exponent == 1:
        return math.log(high / low)
    return float((high ** (1 - exponent) - low ** (1 - exponent)) / (1 - exponent))


def _inverse(share: str, low: float, high: float, exponent: float) -> str:
    """Give the SQL of where a share of that area is reached."""
    if exponent == 1:
        return f"{low!r} * pow({high / low!r}, {share})"
    power = 1 - exponent
    first, last = low**power, high**power
    return f"pow({first!r}::DOUBLE + {share} * ({last - first!r})::DOUBLE, {1 / power!r}::DOUBLE)"


def micros_of(at: datetime) -> int:
    """Give an instant as microseconds since 1970; one without a zone is UTC (V7)."""
    known = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (known - _EPOCH) // timedelta(microseconds=1)


def _days(at: date) -> int:
    return (at - date(1970, 1, 1)).days
