"""What a task is given and what it gives back: plain records that can be sent anywhere."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from mainstem.plan.types import Schema, Type
from mainstem.record import record

# Reducers that are known by name, which the worker does itself.
WORDS = ("sum", "min", "max", "count")


@record
class Job:
    """A map/reduce step as its tasks know it.

    Parameters
    ----------
    name : str
        The step's.
    key, value : Schema
        Of the pairs between map and reduce; without columns in a job that only maps.
    returns : Schema
        The columns of the rows that come out.
    sort : tuple of Type
        By what the values of a key are sorted; empty for no order.
    word : str
        A reducer of `WORDS`, or "".
    code : bytes
        The user's class or functions, pickled by value.
    on_error : str
        ``fail`` or ``dead_letter``.
    partitions : int
        Into how many parts the keys fall: as many reduce tasks there are.
    memory_bytes : int
        About so much a task holds before it writes a run.
    params : dict
        The run's parameters, by name.
    files : dict
        Paths of the side files, by the names that the job gave them.
    uses_combiner : bool
        Whether values are combined before they leave the map task.
    """

    name: str
    key: Schema
    value: Schema
    returns: Schema
    sort: tuple[Type, ...] = ()
    word: str = ""
    code: bytes = b""
    on_error: str = "fail"
    partitions: int = 1
    memory_bytes: int = 64 << 20
    params: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    uses_combiner: bool = True

    @property
    def is_map_only(self) -> bool:
        """Say whether there is nothing to reduce."""
        return not len(self.key)


@record
class TextSplit:
    """Lines of a text file: those that begin in ``[start, end)``; `end` is -1 for all of them.

    A file that is compressed has one split, and its offsets are those of the text.
    """

    path: str
    start: int = 0
    end: int = -1
    compression: str = "none"
    column: str = "line"


@record
class RowSplit:
    """Rows that an engine has written as `frames`: lists of columns, in the order of `columns`."""

    path: str
    columns: tuple[str, ...]


Split = TextSplit | RowSplit


@record
class MapTask:
    """One split to be mapped.

    `skip` are records that are not to be given to the user's code, by their number in the split;
    `mark` names a file in which the number of the record at work is kept, for a worker that dies.
    """

    number: int
    attempt: int
    split: Split
    folder: str
    skip: frozenset[int] = frozenset()
    mark: str = ""


@record
class Section:
    """The part of a run that belongs to one partition."""

    path: str
    offset: int
    size: int


@record
class ReduceTask:
    """One partition to be reduced: every run's section of it.

    `skip` are groups that are not to be given to the user's code, by their number in the order of keys.
    """

    number: int
    attempt: int
    sections: tuple[Section, ...]
    folder: str
    skip: frozenset[int] = frozenset()
    mark: str = ""


@record
class Dead:
    """A record or group that the user's code failed on.

    `index` is the number of the record in its split, from 0, -1 for a group; `offset` its first byte in
    the file, -1 where there is none. `reason` is ``exception``, ``result`` or ``killed``; `file` and
    `line` say where the exception was raised.
    """

    function: str
    index: int
    offset: int
    shown: str
    reason: str
    message: str
    file: str = ""
    line: int = 0


@record
class Done:
    """What a task has made.

    `records` are those read (map) or the groups (reduce); `pairs` went into the shuffle. `sections`
    has for each partition those of every run; `rows_path` is a file of `frames`, each a list of columns.
    """

    records: int
    dead: tuple[Dead, ...] = ()
    pairs: int = 0
    rows: int = 0
    bytes: int = 0
    sections: tuple[tuple[Section, ...], ...] = ()
    rows_path: str = ""
    counters: dict[str, int] = field(default_factory=dict)


Task = MapTask | ReduceTask
