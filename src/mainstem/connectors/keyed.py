"""Sinks that are written by key: `merge` and `history`, as values of a sink's option ``mode``.

A mode is plain pairs, so that a binding with one can be printed, compared and fingerprinted, and an
environment can override it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mainstem.errors import NOWHERE, Finding, Place, listing, nearest
from mainstem.record import record

# Of ``tuple[str, Any]`` pairs; the looser form is one that `connectors.spec` can check.
KeyedPairs = tuple[tuple, ...]  # type: ignore[type-arg]

KINDS = ("merge", "history")
_WORDS = {
    "merge": ("key", "sequence_by", "delete_when"),
    "history": ("key", "sequence_by", "delete_when", "columns"),
}
# What a history adds to the columns of its table.
HISTORY_COLUMNS = ("valid_from", "valid_to", "is_current")


@record
class Keyed:
    """A checked ``mode=ms.merge(…)`` or ``mode=ms.history(…)``."""

    kind: str
    key: tuple[str, ...]
    sequence_by: tuple[str, ...] = ()
    delete_when: str = ""
    columns: tuple[str, ...] = ()


def merge(
    *, key: str | Sequence[str], sequence_by: str | Sequence[str] | None = None,
    delete_when: str | None = None,
) -> tuple[tuple[str, Any], ...]:  # fmt: skip
    """Keep one row for each key: the one with the greatest `sequence_by`.

    Parameters
    ----------
    key : str or list of str
        Columns that say which row is meant; never NULL.
    sequence_by : str or list of str, optional
        Columns that say which of two rows is newer, whatever the order of arrival. Without it the
        run's row replaces the sink's, and two rows of one run with one key are refused.
    delete_when : str, optional
        A predicate over the table's columns, in SQL: a row for which it is TRUE removes its key.

    Returns
    -------
    tuple
        For ``mode=`` of a sink.

    Examples
    --------
    >>> merge(key="id", sequence_by="ts")
    (('key', ('id',)), ('kind', 'merge'), ('sequence_by', ('ts',)))
    """
    return _pairs("merge", key=key, sequence_by=sequence_by, delete_when=delete_when)


def history(
    *, key: str | Sequence[str], sequence_by: str, delete_when: str | None = None,
    columns: str | Sequence[str] | None = None,
) -> tuple[tuple[str, Any], ...]:  # fmt: skip
    """Keep every version of each key (a slowly changing dimension of type 2).

    The sink gets the columns ``valid_from``, ``valid_to`` (NULL while it holds) and ``is_current``.

    Parameters
    ----------
    key : str or list of str
        Columns that say which thing a row is about; never NULL.
    sequence_by : str
        Column that says from when the row holds; never NULL.
    delete_when : str, optional
        A predicate over the table's columns, in SQL: a row for which it is TRUE ends its key.
    columns : str or list of str, optional
        Columns whose change makes a version; all but key and sequence when absent.

    Returns
    -------
    tuple
        For ``mode=`` of a sink.

    Examples
    --------
    >>> history(key="id", sequence_by="ts", columns=["city"])
    (('columns', ('city',)), ('key', ('id',)), ('kind', 'history'), ('sequence_by', ('ts',)))
    """
    return _pairs(
        "history", key=key, sequence_by=sequence_by, delete_when=delete_when, columns=columns
    )


def _pairs(kind: str, **words: Any) -> tuple[tuple[str, Any], ...]:
    given = {k: v for k, v in words.items() if v is not None}
    listed = {
        k: v if k == "delete_when" else ((v,) if isinstance(v, str) else tuple(v))
        for k, v in given.items()
    }
    return tuple(sorted({"kind": kind, **listed}.items()))


def mode_name(mode: Any) -> str:
    """Give the word for a mode, keyed or not."""
    if isinstance(mode, str):
        return mode
    return str(dict(mode).get("kind", ""))


def keyed_of(mode: Any) -> Keyed | None:
    """Give a checked keyed mode, None for a mode that is one word."""
    if isinstance(mode, str) or not mode:
        return None
    words = dict(mode)
    return Keyed(
        words["kind"], _names(words["key"]), _names(words.get("sequence_by")),
        words.get("delete_when", ""), _names(words.get("columns")),
    )  # fmt: skip


def _names(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def wrong_mode(mode: Any, where: Place = NOWHERE) -> list[Finding]:
    """Give everything that is wrong with the words of a keyed mode."""
    if isinstance(mode, str):
        return []
    try:
        words = dict(mode)
    except (TypeError, ValueError):
        return [_finding(f"mode is {mode!r}", "write ms.merge(key=…)", where)]
    kind = words.pop("kind", None)
    if kind not in KINDS:
        return [_finding(f"the mode's kind is {kind!r}", "write ms.merge(key=…)", where)]
    found = []
    for name, value in words.items():
        if name not in _WORDS[kind]:
            close = nearest(name, _WORDS[kind])
            fix = f"write {close}" if close else "remove it"
            found.append(_finding(
                f"{kind} has no {name!r} (it takes: {listing(_WORDS[kind])})", fix, where
            ))  # fmt: skip
        elif not _is_right(name, value):
            found.append(_finding(
                f"{name} of {kind} is {value!r}", f'write {name}="…"', where))  # fmt: skip
    needed = ("key", "sequence_by") if kind == "history" else ("key",)
    missing = [name for name in needed if name not in words]
    found += [_finding(f"{kind} needs {name}", f"add {name}=", where) for name in missing]
    if kind == "history" and len(_names(words.get("sequence_by"))) > 1:
        found.append(_finding("sequence_by of history is several columns",
                              "name one column: valid_from is its value", where))  # fmt: skip
    return found


def _is_right(name: str, value: Any) -> bool:
    if name == "delete_when":
        return isinstance(value, str) and bool(value.strip())
    items: Iterable[Any] = (value,) if isinstance(value, str) else value
    if not isinstance(value, str | tuple | list) or not value:
        return False
    names = list(items)
    return all(isinstance(i, str) and i for i in names) and len(set(names)) == len(names)


def _finding(what: str, fix: str, where: Place) -> Finding:
    return Finding("ModeWords", what, where, fix)
