"""Damage a copy of New York's flights of 2013, and keep books of every fault.

The same seed damages the same rows in the same way. Each fault hits rows of its own, so what is found can be
laid beside what was done, row by row.
"""

import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SEED = 2013
EACH = 25  # faults of each kind
COLUMNS = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time",
    "arr_delay", "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour",
    "minute", "time_hour",
)  # fmt: skip
Fields = list[bytes]


@dataclass(frozen=True)
class Fault:
    """One fault: its kind, the rows of the sound file that it took, and where it lies in the damaged one.

    `row` counts records from 0, `line` from 1 with the header, `offset` is the first byte of the record.
    """

    kind: str
    sources: tuple[int, ...]
    row: int
    line: int
    offset: int
    raw: bytes


def put(column: str, *values: str) -> Callable[[Fields, random.Random], bytes]:
    """Give a fault that writes one of some values into a column; "*" stands for what was there."""

    def damage(fields: Fields, rng: random.Random) -> bytes:
        i = COLUMNS.index(column)
        value = rng.choice(values).encode().replace(b"*", fields[i])
        return b",".join([*fields[:i], value, *fields[i + 1 :]])

    return damage


def put_anywhere(
    columns: tuple[str, ...], *values: str
) -> Callable[[Fields, random.Random], bytes]:
    """Give a fault that writes one of some values into one of some columns."""

    def damage(fields: Fields, rng: random.Random) -> bytes:
        return put(rng.choice(columns), *values)(fields, rng)

    return damage


def cut(fields: Fields, rng: random.Random) -> bytes:
    """Cut the line short, somewhere before its last field."""
    line = b",".join(fields)
    return line[: rng.randint(1, line.rindex(b",") - 1)]


def add_field(fields: Fields, rng: random.Random) -> bytes:
    """Split a field in two: a comma that was not meant as one."""
    i = rng.randrange(len(fields))
    return b",".join([*fields[: i + 1], b"x", *fields[i + 1 :]])


def break_utf8(fields: Fields, rng: random.Random) -> bytes:
    """Write a byte that no UTF-8 text has into a text."""
    i = COLUMNS.index(rng.choice(["carrier", "tailnum", "origin", "dest"]))
    at = rng.randrange(len(fields[i]))
    damaged = fields[i][:at] + rng.choice([b"\xff", b"\xc3(", b"\xe2\x82"]) + fields[i][at + 1 :]
    return b",".join([*fields[:i], damaged, *fields[i + 1 :]])


def swap(fields: Fields, _: random.Random) -> bytes:
    """Exchange where the flight began and where it ended."""
    i, j = COLUMNS.index("origin"), COLUMNS.index("dest")
    swapped = list(fields)
    swapped[i], swapped[j] = fields[j], fields[i]
    return b",".join(swapped)


NUMBERS = ("dep_time", "dep_delay", "arr_time", "arr_delay", "flight", "air_time", "distance")
WANTED = ("year", "month", "day", "carrier", "flight", "origin", "dest", "distance", "time_hour")
# What is done to one row. Two more kinds concern two rows: `lost_line_end` and `duplicate`.
KINDS: dict[str, Callable[[Fields, random.Random], bytes]] = {
    "cut_line": cut,
    "extra_field": add_field,
    "wrong_type": put_anywhere(NUMBERS, "late", "1O4", "12:30", "4.5", "-"),
    "too_large": put_anywhere(NUMBERS, "99999999999999999999"),
    "not_an_instant": put("time_hour", "2013-02-30T10:00:00Z", "2013-06-01T25:00:00Z", "soon"),
    "bad_utf8": break_utf8,
    "missing_value": put_anywhere(WANTED, "NA"),
    "impossible_month": put("month", "0", "13", "-1"),
    "impossible_day": put("day", "0", "32", "99"),
    "impossible_time": put_anywhere(
        ("dep_time", "sched_dep_time", "arr_time"), "2575", "1260", "-5"
    ),
    "impossible_value": put_anywhere(("distance", "air_time"), "0", "-*", "99999"),
    "swapped_columns": swap,
    "unknown_carrier": put("carrier", "ZZ", "Q8", "ua"),
    "unknown_airport": put("dest", "XXQ", "N1C", "lax"),
    "broken_tail": put("tailnum", "*?", "n*", "*/*", "TBD"),
    "unknown_plane": put("tailnum", "N0ZZ*"),
}
PAIRS = ("lost_line_end", "duplicate")


def sound_lines(data: Path) -> list[bytes]:
    """Give the lines of the sound file, the header first, without their ends."""
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        (member,) = archive.namelist()
        return archive.read(member).splitlines()


def is_plain(line: bytes) -> bool:
    """Say whether a row has all its values and leaves New York: there each fault is a fault."""
    fields = line.split(b",")
    leaves = fields[COLUMNS.index("dest")] not in (b"EWR", b"JFK", b"LGA")
    tail = fields[COLUMNS.index("tailnum")]
    return b"NA" not in fields and leaves and tail.startswith(b"N") and len(tail) == 6


def plan(lines: list[bytes], rng: random.Random) -> dict[int, str]:
    """Choose rows of the sound file and what happens to each, from 0 behind the header.

    A lost line end takes the next row too, so neighbours are left alone.
    """
    rows = lines[1:]
    chosen: dict[int, str] = {}
    for kind in [*KINDS, *PAIRS]:
        left = EACH
        while left:
            row = rng.randrange(len(rows) - 1)
            if is_plain(rows[row]) and not chosen.keys() & {row - 1, row, row + 1}:
                chosen[row] = kind
                left -= 1
    return chosen


def damaged(lines: list[bytes], rng: random.Random) -> list[tuple[bytes, str, tuple[int, ...]]]:
    """Give the records of the damaged file: bytes, kind of fault or "", and the sound rows in it."""
    rows, chosen = lines[1:], plan(lines, rng)
    records: list[tuple[bytes, str, tuple[int, ...]]] = []
    copies: dict[int, list[int]] = {}
    row = 0
    while row < len(rows):
        kind, line = chosen.get(row, ""), rows[row]
        if kind == "lost_line_end":
            records.append((line + rows[row + 1], kind, (row, row + 1)))
            row += 2
            continue
        if kind == "duplicate":
            copies.setdefault(min(row + rng.randint(0, 5000), len(rows) - 2), []).append(row)
            records.append((line, "", (row,)))
        elif kind:
            records.append((KINDS[kind](line.split(b","), rng), kind, (row,)))
        else:
            records.append((line, "", (row,)))
        records += [(rows[copied], "duplicate", (copied,)) for copied in copies.pop(row, ())]
        row += 1
    records += [(rows[r], "duplicate", (r,)) for waiting in copies.values() for r in waiting]
    return records


def write_damaged(data: Path, target: Path, *, seed: int = SEED) -> list[Fault]:
    """Write the damaged file and give its faults, in the order of the file."""
    lines = sound_lines(data)
    rng = random.Random(seed)  # noqa: S311 - the same damage every time is the point
    faults = []
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(lines[0] + b"\n")
        offset = len(lines[0]) + 1
        for row, (raw, kind, sources) in enumerate(damaged(lines, rng)):
            if kind:
                faults.append(Fault(kind, sources, row, row + 2, offset, raw))
            file.write(raw + b"\n")
            offset += len(raw) + 1
    return faults
