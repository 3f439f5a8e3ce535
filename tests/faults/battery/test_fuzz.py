"""Valid files with bytes and lines changed from a seed: both ways of reading agree, whatever comes."""

from __future__ import annotations

import faulthandler
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from mainstem.connectors.files.listing import list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.reading import blocks
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.reading.reference import file_columns
from mainstem.errors import NOWHERE, MainstemError
from mainstem.plan.nodes import Source
from tests.unit.embedded_reading import dirty
from tests.unit.embedded_reading.test_same_as_reference import check_file

# Files of each format; 300 and 20,001 in all.
FILES = 6667 if os.environ.get("MAINSTEM_LONG") == "1" else 100
BLOCK = 20
# Far beyond what a block takes: a reader that hangs ends the process with the place where it does.
HANGS_S = 600
NAMES = ["id", "small", "price", "ratio", "ok", "day", "at", "name", "data"]
SPLICES: list[bytes] = [
    *dirty.BREAKS, b"\\", b"{", b"}", b"[", b"]", b"null", b"NaN", b'"id":1,', b"\t", b" ", b"\xc0\x80",
    b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\x1a", b"\x0b", b"9" * 400, b'"' * 7, b"[" * 250, b"\x00" * 64,
]  # fmt: skip


def flip(chance: random.Random, data: bytearray) -> None:
    """Turn one bit over."""
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def splice(chance: random.Random, data: bytearray) -> None:
    """Put something in the place of up to three bytes."""
    at = chance.randrange(len(data) + 1)
    data[at : at + chance.randrange(4)] = chance.choice(SPLICES)


def cut(chance: random.Random, data: bytearray) -> None:
    """Take some bytes out."""
    at = chance.randrange(len(data))
    del data[at : at + chance.randrange(1, 40)]


def shorten(chance: random.Random, data: bytearray) -> None:
    """Cut the end off."""
    del data[chance.randrange(len(data)) :]


def copy(chance: random.Random, data: bytearray) -> None:
    """Put a piece of the file somewhere else too."""
    start, at = chance.randrange(len(data)), chance.randrange(len(data) + 1)
    data[at:at] = data[start : start + chance.randrange(1, 40)]


def lines(chance: random.Random, data: bytearray) -> None:
    """Shuffle, double or drop lines after the first."""
    head, *rest = bytes(data).splitlines(keepends=True)
    chance.shuffle(rest)
    rest = [line for line in rest for _ in range(chance.choice([0, 1, 1, 1, 2, 5]))]
    data[:] = head + b"".join(rest)


def ends(chance: random.Random, data: bytearray) -> None:
    """Give the file, or one line of it, other line ends."""
    data[:] = data.replace(
        b"\n", chance.choice([b"\r\n", b"\r", b"\n\n", b"\n\r"]), chance.choice([-1, 1, 2])
    )


MUTATIONS: tuple[Callable[[random.Random, bytearray], None], ...] = (
    flip, flip, flip, splice, splice, splice, splice, cut, copy, lines, ends, shorten,
)  # fmt: skip


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Change a file one to four times."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4])):
        if changed:
            chance.choice(MUTATIONS)(chance, changed)
    return bytes(changed)


def field(chance: random.Random, name: str) -> str:
    """Give a CSV field that fits its column, in quotes or not."""
    text = chance.choice(dirty.TEXTS[name])
    is_quoted = "," in text or '"' in text or (text not in {"", "NA"} and chance.random() < 0.2)
    return f'"{text}"' if is_quoted else text


def valid(chance: random.Random, format_: str) -> bytes:
    """Give a file without any mistake."""
    count = chance.randrange(1, 12)
    if format_ == "csv":
        rows = [",".join(field(chance, name) for name in NAMES) for _ in range(count)]
        found = [",".join(NAMES), *rows]
    elif format_ == "jsonl":
        found = [dirty.json_line(chance, NAMES, 0, shuffled=False) for _ in range(count)]
    else:
        found = [chance.choice(["", "a", "é日本", "x" * 300, '{"a":1}', " "]) for _ in range(count)]
    return ("\n".join(found) + chance.choice(["", "\n"])).encode()


@contextmanager
def ending() -> Iterator[None]:
    """End the process when what is inside does not end."""
    faulthandler.dump_traceback_later(HANGS_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def header_error(source: Source) -> str:
    """Give the code of what is wrong with the header of a CSV file, as the reference says; or ""."""
    options = read_options(FilesSource, source.binding)
    (file,) = list_files(options)
    if file.format != "csv":
        return ""
    try:
        file_columns(file, options, source.schema, NOWHERE)
    except MainstemError as error:
        return error.findings[0].code
    return ""


def check(source: Source) -> str:
    """Read a file in both ways and both modes, and compare; give how it went."""
    refused = header_error(source)
    if not refused:
        return check_file(source)[0]
    with pytest.raises(MainstemError) as caught:
        ingest(duckdb.connect(config={"threads": 1}), source)
    assert caught.value.findings[0].code == refused
    return "refused"


@pytest.mark.parametrize("block", range((FILES + BLOCK - 1) // BLOCK))
@pytest.mark.parametrize("format_", ["csv", "jsonl", "txt"])
def test_mutations(
    tmp_path: Path, format_: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """No crash and no hang; the same rows, dead letters and counts as the plain-Python reader."""
    # Every other block of JSON goes by way of C where it was compiled, however much of it is in doubt.
    monkeypatch.setattr(blocks, "MOST_DOUBTS", block % 2)
    with ending():
        for seed in range(block * BLOCK, min((block + 1) * BLOCK, FILES)):
            chance = random.Random(f"{format_} {seed}")
            path = tmp_path / f"{seed}.{format_}"
            data = valid(chance, format_)
            is_valid = seed % 5 == 0
            path.write_bytes(data if is_valid else mutated(chance, data))
            schema = "line string, line_number bigint" if format_ == "txt" else dirty.SCHEMA
            options = {"null": "NA", "multiline": chance.random() < 0.3} if format_ == "csv" else {}
            try:
                outcome = check(dirty.source_of(path, schema, **options))
            except Exception:
                print("seed", seed, path.read_bytes(), options)
                raise
            # Mutations of a file that was bad before would compare little.
            assert outcome != "bad" or not is_valid
