"""What ends a stream from outside, in our words: a full disk, a damaged state file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.state_file import damaged, is_damage
from mainstem.errors import MainstemError

# A stream has no old output: what its last epoch left is whole, and the next run goes on behind it.
_FIXES = {
    "DiskFull": "free some space and run again: the stream goes on behind its last whole epoch",
    "InputOutput": "see the message, then run again: the stream goes on behind its last whole epoch",
}


@contextmanager
def in_our_words(state_dir: Path) -> Iterator[None]:
    """Let an error of DuckDB leave as one of ours, and say what becomes of the stream.

    Parameters
    ----------
    state_dir : Path
        That of the stream. Other files are read and written by sources and sinks, whose errors are
        ours already.

    Raises
    ------
    MainstemError
        In place of an error of DuckDB; with another fix where a stream needs one.
    """  # noqa: DOC501 - built by functions
    try:
        yield
    except duckdb.Error as error:
        if is_damage(error):
            raise damaged(state_dir, error) from error
        raise _told(explained(error, None, doing="an epoch of the stream")) from error
    except MainstemError as error:
        _told(error)
        raise


def _told(error: MainstemError) -> MainstemError:
    fix = _FIXES.get(error.finding.code)
    if fix is not None:
        error.finding = replace(error.finding, fix=fix)
    return error
