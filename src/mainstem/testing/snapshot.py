"""Snapshots: rows that a run has made, as plain text beside the test, so that a change of them is seen.

Names of runs, times and paths are left out, and rows are sorted: the same rows are the same text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mainstem.record import record
from mainstem.testing.case import cell_texts
from mainstem.testing.difference import difference
from mainstem.testing.ran import Ran
from mainstem.testing.text import Cell, cell_text, table_text

# pytest shows the line of the test, not those here.
__tracebackhide__ = True

_TITLE = re.compile(r"^# (\S+)$", re.MULTILINE)
UPDATE = "if the run is right: pytest --mainstem-update"


@record
class Table:
    """A table of a snapshot; floats are numbers, all other values the text of their cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def tables_of(ran: Ran, names: Sequence[str]) -> dict[str, Table]:
    """Give tables of a run as a snapshot has them; without names all that was kept aside."""
    chosen = names or ran.kept_aside()
    found = {}
    for name in chosen:
        columns = tuple(ran.columns(name))
        rows = (tuple(map(_value, row.values())) for row in ran.rows(name))
        found[name] = Table(columns, tuple(sorted(rows, key=lambda row: tuple(map(str, row)))))
    return found


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        # What came in is nearly always text, and is to be read by a person.
        value = value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, float) else Cell(cell_text(value))


def text_of(tables: Mapping[str, Table]) -> str:
    """Give the text of a snapshot."""
    parts = []
    for name, table in tables.items():
        cells = [[cell_text(value) for value in row] for row in table.rows]
        parts.append(f"# {name}\n{table_text(table.columns, cells)}\n")
    return "\n".join(parts) or "# nothing was kept aside\n"


def read(text: str, found: Mapping[str, Table]) -> dict[str, Table]:
    """Read a snapshot; cells are numbers where the run has floats."""
    parts = _TITLE.split(text)[1:]
    tables = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        lines = [cell_texts(line) for line in body.splitlines() if line.strip()]
        columns = tuple(lines[0]) if lines else ()
        floats = _float_columns(found.get(name), columns)
        rows = [
            tuple(_number(cell) if at in floats else Cell(cell) for at, cell in enumerate(line))
            for line in lines[2:]
        ]
        tables[name] = Table(columns, tuple(rows))
    return tables


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        # NULL, or what somebody has written into the file: it differs, and is shown.
        return Cell(cell)


def _float_columns(table: Table | None, columns: tuple[str, ...]) -> set[int]:
    if table is None or table.columns != columns:
        return set()
    return {at for row in table.rows for at, value in enumerate(row) if isinstance(value, float)}


def compared(stored: Mapping[str, Table], found: Mapping[str, Table]) -> str:
    """Say in what a run differs from its snapshot; "" when in nothing."""
    parts = [f"{name} is new" for name in found if name not in stored]
    parts += [f"{name} is gone" for name in stored if name not in found]
    for name, table in found.items():
        own = stored.get(name)
        if own is None:
            continue
        if own.columns != table.columns:
            parts.append(f"{name} has the columns {', '.join(table.columns)}; they were "
                         f"{', '.join(own.columns)}")  # fmt: skip
        elif any(len(row) != len(table.columns) for row in own.rows):
            parts.append(f"{name}: the snapshot has a row with another number of cells")
        else:
            parts.append(difference(name, table.columns, table.rows, own.rows))
    return "\n".join(part for part in parts if part)


@record
class Album:
    """The snapshots of one test.

    Parameters
    ----------
    folder : Path
        ``snapshots/<file of the test>`` beside it.
    test : str
        Its name.
    is_update : bool
        Whether they are written anew.
    is_strict : bool
        Whether one that is not there fails, and is not written: so in continuous integration.
    tell : callable
        Is told of each file that was written.
    """

    folder: Path
    test: str
    is_update: bool
    is_strict: bool
    tell: Callable[[Path], None]

    def file(self, name: str) -> Path:
        """Give the file of a snapshot; any name of a test is a safe name there."""
        parts = [self.test, name] if name else [self.test]
        return self.folder / (quote(".".join(parts), safe="[]=, ") + ".txt")

    def check(self, ran: Ran, tables: Sequence[str], name: str) -> None:
        """Compare a run with its snapshot, or write it.

        Raises
        ------
        AssertionError
            When they differ, or there is none and none may be written.
        """
        file = self.file(name)
        found = tables_of(ran, tables)
        if self.is_update or (not file.exists() and not self.is_strict):
            self._write(file, text_of(found))
            return
        if not file.exists():
            raise AssertionError(f"there is no snapshot {file}\n{UPDATE}")
        said = compared(read(file.read_text("utf-8"), found), found)
        if said:
            raise AssertionError(f"{said}\nthe snapshot is {file}\n{UPDATE}")

    def _write(self, file: Path, text: str) -> None:
        if file.exists() and file.read_text("utf-8") == text:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        self.tell(file)
