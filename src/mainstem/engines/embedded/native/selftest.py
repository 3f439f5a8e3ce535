"""Reads made-up messages through a build of the JSON reader; exits with 0 when it agrees with the reference.

Run by `build.build` in a process of its own: what a wrong build does is to crash. Of a message that it
takes every value and the number of unknown fields have to be those of `mainstem.formats`; what it does
not take is no fault, but for plain ones.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.native.columns import FITS, UNKNOWN, Columns, loaded
from mainstem.engines.embedded.stream.records.arrow import Messages
from mainstem.formats.jsonlines import json_values
from mainstem.formats.records import Misfit
from mainstem.plan.types import Schema, parse_schema

SCHEMAS = (
    "id bigint not null, small smallint, price decimal(8,2), ratio double, ok boolean, "
    "name string, at timestamp, day date",
    "name string not null, n integer, exact decimal(18,6), at timestamp not null",
)
N_MESSAGES, SEED = 6000, 11
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VALUES: dict[str, tuple[str, ...]] = {
    "whole": (
        '0', '7', '-7', '-0', '32767', '32768', '2147483648', '999999999999999999',
        '9223372036854775807', '9223372036854775808', '007', '1.0', '1e2', '+1', '1_0', '"7"',
        '-', '',
    ),
    "number": (
        '0.1', '-25.5', '-2.5E-3', '1e22', '1e23', '123456789012345678', '0.30000000000000004',
        '5e-324', '1e-400', '1e400', '-0.0', '0.000', '0e5', '1.', '.5', 'NaN', 'Infinity',
        '1E+2', '9007199254740993', '12.345', '12.34', '999999.99', '1000000', '4.35',
        '179769313486231570000000000000000000000',
    ),
    "text": (
        '"\\u00fcn"', '"München"', '""', '"Rome"', '"日本"', '"😀"', '"a\\nb\\"\\\\\\/"',
        '"\\u00fc"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00"', '"\\u0000"', '"\\x"',
        '"tab\there"', '"\x7f"', '12', '"no end',
    ),
    "instant": (
        '"2024-01-31T10:15:00Z"', '"2024-01-31 10:15:00.123456"', '"2024-02-29T23:59:59.9Z"',
        '"2023-02-29T00:00:00Z"', '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999Z"',
        '"0000-01-01T00:00:00Z"', '"2024-01-31T24:00:00Z"', '"2024-01-31T10:15:60Z"',
        '"2024-01-31T10:15:00+02:00"', '"2024-01-31T10:15Z"', '"2024-1-31T10:15:00Z"',
        '"1900-02-29T00:00:00Z"', '"2024-01-31T10:15:00.1234567Z"', '"2024-01-31T10:15:00."',
        '1706696100',
    ),
    "day": (
        '"2024-01-31"', '"1969-12-31"', '"2024-02-30"', '"0001-01-01"', '"9999-12-31"',
        '"2024-1-31"', '"20240131"',
    ),
    "truth": (
        'true', 'false', '"true"', '1', 'TRUE',
    ),
    "other": (
        '[]', '{}', 'null', '{"a":[1,{"b":null}]}', '[1,[2,"x"]]', '[1,]', '{"a" 1}',
        '{"a":1,"a":2}', 'nul',
    ),
}  # fmt: skip
STYLES = ((":", ","), (": ", ", "), ("\t:\n ", " ,\r\n"))
# Right and wrong UTF-8: overlong, of halves of a pair, beyond the last letter, cut off.
SEQUENCES = (
    b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf",
    b"\xc0\xaf", b"\xc1\xbf", b"\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\xff", b"\xe2(\xa1",
)  # fmt: skip
BYTES = b'\x00\x1f\x80\xc0\xed\xff"\\{},:0e'
KINDS = {
    "bigint": "whole", "smallint": "whole", "integer": "whole", "decimal": "number", "double": "number",
    "boolean": "truth", "string": "text", "timestamp": "instant", "date": "day",
}  # fmt: skip


class Writer:
    """Writes messages of a schema, plain ones only or all that a topic may hold."""

    def __init__(self, schema: Schema, *, is_plain: bool) -> None:
        self.rng = random.Random(SEED)  # noqa: S311 - not for secrets
        self.schema = schema
        self.is_plain = is_plain

    def happens(self, share: float) -> bool:
        """Say whether something odd is done, in a share of all cases."""
        return not self.is_plain and self.rng.random() < share

    def value(self, kind: str) -> str:
        """Give a value as JSON: mostly a plain one of its kind, sometimes any."""
        if self.happens(0.1) and kind == "number":
            return repr(self.rng.uniform(-1e5, 1e5))
        if self.happens(0.03):
            return "null"
        if self.happens(0.05):
            kind = self.rng.choice(list(VALUES))
        elif kind in ("whole", "number") and self.rng.random() < 0.8:
            return str(
                self.rng.randrange(-3000, 3000) / (1 if kind == "whole" else 100)
            ).removesuffix(".0" if kind == "whole" else "#")
        # The first ones of each are plain.
        return self.rng.choice(VALUES[kind] if self.happens(0.1) else VALUES[kind][:2])

    def message(self) -> bytes | None:
        """Give a message."""
        rng = self.rng
        fields = self.schema.fields
        members = [(json.dumps(f.name), self.value(KINDS[f.type.kind])) for f in fields]
        if rng.random() < 0.3:
            members.append(('"more"', self.value(rng.choice(list(VALUES)))))
        if self.happens(0.1):
            rng.shuffle(members)
        if self.happens(0.1):
            members.pop(rng.randrange(len(members)))
        if self.happens(0.03):
            members.append(rng.choice(members))
        colon, comma = rng.choice(STYLES[: 2 if self.is_plain else 3])
        text = "{" + comma.join(f"{key}{colon}{one}" for key, one in members) + "}"
        if self.happens(0.05):
            text = rng.choice(
                (f" {text}\n", text[:-1], f"{text}x", f"[{text}]", text.replace('"', '\\"', 1))
            )
        raw = text.encode()
        if self.happens(0.05):
            at = rng.randrange(len(raw))
            raw = raw[:at] + bytes([rng.choice(BYTES)]) + raw[at + 1 :]
        if self.happens(0.05):
            raw = raw.replace(b"nchen", rng.choice(SEQUENCES))
        return None if self.happens(0.01) else raw


def expected(raw: bytes | None, schema: Schema) -> tuple[tuple[Any, ...], int] | None:
    """Give what the reference makes of a message; None for a bad one."""
    try:
        return json_values((raw or b"").decode(), schema)
    except (Misfit, UnicodeDecodeError):
        return None


def read(columns: Columns, schema: Schema, raws: list[bytes | None]) -> Iterator[tuple[Any, ...]]:
    """Give whether each message is taken, its unknown fields and its values; doubles as their bits."""
    import duckdb

    n = len(raws)
    table = columns.read(Messages.of(raws, range(n), [0] * n)).table  # noqa: F841 - DuckDB finds it
    outputs = [
        f"epoch_us(c{i})" if f.type.kind == "timestamp" else f"c{i}"
        for i, f in enumerate(schema.fields)
    ]
    with duckdb.connect() as connection:
        found = connection.execute(
            f'SELECT {FITS}, {UNKNOWN}, {", ".join(outputs)} FROM "table"'
        ).fetchall()
    for fits, unknown, *values in found:
        yield fits, unknown, *map(_bits, values)


def _bits(value: Any) -> Any:
    # Zeros of both signs are equal, and are not the same.
    return value.hex() if isinstance(value, float) else value


def as_read(values: tuple[Any, ...], schema: Schema) -> tuple[Any, ...]:
    """Give values of the reference as `read` gives them."""
    return tuple(
        (one - EPOCH) // timedelta(microseconds=1)
        if one is not None and field.type.kind == "timestamp"
        else _bits(one)
        for one, field in zip(values, schema.fields, strict=True)
    )


def main(file: Path) -> None:
    """Compare."""
    library = loaded(file)
    if library is None:
        raise SystemExit("it cannot be loaded")
    for text in SCHEMAS:
        schema = parse_schema(text)
        for is_plain in (True, False):
            compare(Columns(library, schema), Writer(schema, is_plain=is_plain))


def compare(columns: Columns, writer: Writer) -> None:
    """Compare messages of a schema, in slices of several sizes."""
    schema = writer.schema
    for size in (1, 2, 1000, N_MESSAGES):
        raws = [writer.message() for _ in range(size)]
        for raw, (fits, unknown, *found) in zip(raws, read(columns, schema, raws), strict=True):
            right = expected(raw, schema)
            if writer.is_plain and not fits:
                raise SystemExit(f"{raw!r} is plain, and was not taken")
            if fits and (
                right is None or (as_read(right[0], schema), right[1]) != (tuple(found), unknown)
            ):
                raise SystemExit(f"{raw!r} is {right}, and was read as {found}, {unknown} unknown")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
