"""Where each key of a TOML text stands: the parser of the standard library does not say."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Give the line, from 1, of each key and table of a valid TOML text.

    Each piece is given to the real parser, one statement at a time, so quoted and dotted keys,
    inline tables and values over several lines need no grammar of our own. A key inside a value of
    several lines has the line on which the value begins.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _only_path(parsed)
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], number)
            continue
        for path in _paths(parsed):
            found.setdefault(table + path, number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Give each statement with its first line; a statement ends where the parser accepts it."""
    kept: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not kept:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            start = number
        kept.append(line)
        statement = "\n".join(kept)
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a value that goes on over the next line; the whole has been parsed before
        yield start, statement
        kept = []


def _only_path(parsed: Mapping[str, Any]) -> Path:
    path: list[str] = []
    current: Any = parsed
    while isinstance(current, Mapping) and current:
        key = next(iter(current))
        path.append(key)
        current = current[key]
    return tuple(path)


def _paths(parsed: Mapping[str, Any]) -> Iterator[Path]:
    for key, value in parsed.items():
        yield (key,)
        if isinstance(value, Mapping):
            yield from ((key, *rest) for rest in _paths(value))
