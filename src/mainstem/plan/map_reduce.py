"""A map/reduce step as the plan knows it."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from mainstem.plan.types import Schema, Type
from mainstem.record import record

NO_COLUMNS = Schema(())


@record
class MapReduce:
    """What a step does with the rows of its query, in Python.

    Parameters
    ----------
    key, value : Schema
        Of the pairs between map and reduce; without columns in a job that only maps.
    returns : Schema
        The columns that come out.
    reads : Schema
        Those that go in: what the step's query gives. Known once it is bound.
    parts : tuple of str
        The functions that the user wrote: ``map``, ``combine``, ``reduce`` and so on.
    word : str
        A reducer known by name (``sum``, ``min``, ``max``, ``count``), or "".
    sort : tuple of Type
        By what the values of a key are sorted; empty for no order.
    on_error : str
        ``fail``: an exception ends the run. ``dead_letter``: the record or group is kept aside.
    reducers, workers : int or None
        Parts that the keys fall into, and processes; None leaves it to the engine.
    split_bytes : int
        How much of a text file one map task takes; 0 leaves it to the engine.
    files : tuple of (name, path)
        Side files.
    digest : str
        Changes when the code does.
    code : class or dict of str to callable
        The user's.
    """

    key: Schema
    value: Schema
    returns: Schema
    reads: Schema = NO_COLUMNS
    parts: tuple[str, ...] = ()
    word: str = ""
    sort: tuple[Type, ...] = ()
    on_error: str = "fail"
    reducers: int | None = None
    workers: int | None = None
    split_bytes: int = 0
    files: tuple[tuple[str, str], ...] = ()
    digest: str = ""
    code: Any = field(default=None, compare=False, repr=False)

    @property
    def is_map_only(self) -> bool:
        """Say whether there is nothing to reduce."""
        return not len(self.key)

    def to_text(self) -> str:
        """Give it in one line, as `plan` and `render` show it."""
        steps = ["map"]
        if self.word:
            steps.append(f"reduce by {self.word}")
        elif not self.is_map_only:
            steps += [*(["combine"] if "combine" in self.parts else []), "reduce"]
        pairs = "" if self.is_map_only else f" ({self.key}) -> ({self.value})"
        order = f", values sorted by {', '.join(map(str, self.sort))}" if self.sort else ""
        return f"{', '.join(steps)}{pairs}{order} -> ({self.returns})"

    def to_facts(self) -> list[Any]:
        """Give what its answer is a function of, besides its input."""
        return [
            str(self.key), str(self.value), str(self.returns), list(self.parts), self.word,
            list(map(str, self.sort)), self.on_error, self.files, self.digest,
        ]  # fmt: skip
