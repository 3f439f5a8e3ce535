"""Sorted runs: the pairs of one partition in the order of their keys, in blocks with checksums.

A run is one file with a section for each partition. A block is a frame of a length, a CRC-32 and two
lists, keys and values: pairs in lists of their own take a third of the time of lists of pairs.
"""

from __future__ import annotations

import heapq
import marshal
import pickle
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import IO, Any

from mainstem.mapreduce.job import Section

PAIRS = 8192
_HEAD = struct.Struct("<IIc")
_MARSHAL, _PICKLE = b"m", b"p"
# Without references between objects, whose table costs more than it saves here.
_VERSION = 2

Pair = tuple[Any, Any]
first = itemgetter(0)


class Damaged(Exception):
    """A run does not have the bytes that were written."""


def write_run(path: str, partitions: Sequence[list[Pair]]) -> list[Section]:
    """Write the pairs of each partition, sorted by their keys; give the section of each."""
    sections = []
    with open(path, "wb") as file:  # noqa: PTH123
        for pairs in partitions:
            start = file.tell()
            pairs.sort(key=first)
            for at in range(0, len(pairs), PAIRS):
                _write_block(file, pairs[at : at + PAIRS])
            sections.append(Section(path, start, file.tell() - start))
    return sections


def _write_block(file: IO[bytes], pairs: list[Pair]) -> None:
    keys, values = map(list, zip(*pairs, strict=True))
    try:
        word, body = _MARSHAL, marshal.dumps((keys, values), _VERSION)
    except ValueError:
        # Decimals, dates and instants are no values of marshal.
        word, body = _PICKLE, pickle.dumps((keys, values), pickle.HIGHEST_PROTOCOL)
    file.write(_HEAD.pack(len(body), zlib.crc32(body), word))
    file.write(body)


def read_section(section: Section) -> Iterator[tuple[list[Any], list[Any]]]:
    """Give the blocks of a section: keys and values.

    Raises
    ------
    Damaged
        When a checksum differs, or bytes are missing.
    """
    with open(section.path, "rb") as file:  # noqa: PTH123
        file.seek(section.offset)
        left = section.size
        while left:
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                raise Damaged(f"{section.path} is shorter than it was")
            size, check, word = _HEAD.unpack(head)
            body = file.read(size)
            if len(body) < size or zlib.crc32(body) != check:
                raise Damaged(f"{section.path} has other bytes than were written")
            left -= _HEAD.size + size
            yield marshal.loads(body) if word == _MARSHAL else pickle.loads(body)  # noqa: S301, S302


def pairs_of(section: Section) -> Iterator[Pair]:
    """Give the pairs of a section, in the order of their keys."""
    for keys, values in read_section(section):
        yield from zip(keys, values, strict=True)


def merged(sections: Iterable[Section]) -> Iterator[Pair]:
    """Give the pairs of sections in the order of their keys, holding one block of each."""
    return heapq.merge(*map(pairs_of, sections), key=first)


def loaded(sections: Iterable[Section]) -> list[Pair]:
    """Give the pairs of sections in the order of their keys, all at once."""
    pairs: list[Pair] = []
    for section in sections:
        for keys, values in read_section(section):
            pairs.extend(zip(keys, values, strict=True))
    # Runs that are sorted already are merged by the sort itself.
    pairs.sort(key=first)
    return pairs
