"""Columns of a record that are no part of its value: key, headers, place and time.

One rule for both directions: the schema (of a sink: the query) has every column, and the option
``metadata`` says of some that they are not in the value, and what they are instead. So what is
written with some ``metadata`` is read back with the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from mainstem.connectors.spec import Pairs, Problem, column_missing
from mainstem.errors import listing, nearest
from mainstem.plan.types import Schema

Metadata = Literal["key", "headers", "partition", "timestamp", "topic", "offset"]

# The types that a column may have: a key is text or bytes as it is, or a text that fits (V8).
TYPES: dict[str, tuple[str, ...]] = {
    "key": ("string", "bytes", "bigint", "integer", "smallint"),
    "headers": ("map(string, string)", "map(string, bytes)"),
    "partition": ("bigint", "integer"), "offset": ("bigint",), "timestamp": ("timestamp",),
    "topic": ("string",),
}  # fmt: skip


def wrong_metadata(
    given: Pairs, words: Sequence[str], schema: Schema | None = None
) -> Iterator[Problem]:
    """Give what is wrong with the option: its words, or against a schema its columns."""
    if schema is not None:
        for column, word in given:
            yield from _wrong_column(column, word, schema)
        return
    seen: set[str] = set()
    for column, word in given:
        if word not in words:
            close = nearest(str(word), words)
            yield Problem(
                "OptionType", f"metadata of column {column!r} is {word!r} (words: "
                f"{listing(words)})", f'write "{close or words[0]}"', "metadata",
            )  # fmt: skip
        elif word in seen:
            yield Problem(
                "OptionType", f"metadata has two columns for {word!r}", "remove one of them",
                "metadata",
            )  # fmt: skip
        seen.add(word)


def _wrong_column(column: str, word: str, schema: Schema) -> Iterator[Problem]:
    found = [field for field in schema.fields if field.name.lower() == column.lower()]
    if not found:
        yield from column_missing(column, "metadata", schema)
    elif str(found[0].type) not in TYPES[word]:
        yield Problem(
            "TypeMismatch", f"column {column!r} is {found[0].type}, and {word} of a record is "
            f"{listing(TYPES[word])}", f"declare it as {TYPES[word][0]}", "metadata",
        )  # fmt: skip
