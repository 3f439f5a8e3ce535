"""What a pipeline has been told, before anything is resolved: frozen records with their places."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from datetime import timedelta
from typing import Any

from mainstem.definition.building import reading
from mainstem.definition.frame import Frame
from mainstem.definition.place import Located, Span, locate
from mainstem.definition.spot import Spot, VerbText, written
from mainstem.definition.verbs import Verbs
from mainstem.errors import DefinitionError, Place
from mainstem.lazy import pattern
from mainstem.plan.map_reduce import MapReduce
from mainstem.plan.nodes import Binding
from mainstem.plan.tree import Query, Table
from mainstem.plan.types import Schema
from mainstem.record import record
from mainstem.sql.parse import parse
from mainstem.sql.tokens import Text

_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_PIPELINE_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_-]*")
_LONGEST = 63


@record
class Ref(Verbs):
    """A source, view or table by name, as `Pipeline.ref` gives it.

    Inside an f-string it is the quoted name; given instead of SQL it means all of its rows. The
    verbs of dataframes go on from it.
    """

    name: str
    where: Place
    home: Any = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return '"' + self.name.replace('"', '""') + '"'

    def frame(self) -> Frame:
        """Give all of its rows."""
        tree = reading(Table(self.name, at=Spot.of(self.where)))
        return Frame(tree, self.name, home=self.home, where=self.where)


@record
class SourceDeclaration:
    """A source or a lookup as it was declared; the words are those of `plan.nodes.Source`."""

    name: str
    binding: Binding
    schema: Schema | None
    where: Place
    span: Span
    event_time: str = ""
    watermark: timedelta | None = None
    idle: timedelta | None = None
    max_ahead: timedelta | None = None
    is_lookup: bool = False
    key: tuple[str, ...] = ()
    refresh: timedelta | None = None
    on_bad: str = ""
    max_bad: int | float | None = None


@record
class StepDeclaration:
    """A view or a table: its SQL, or the function that gives it.

    The words are those of `plan.nodes.Step`; `mode` is the kind that is asserted. `text_at` is where
    the SQL begins when that is known beforehand, as in a ``.sql`` file.
    """

    name: str
    sql: str | Verbs | Callable[[], Any]
    where: Place
    span: Span
    is_table: bool = False
    sink: Binding | None = None
    sink_schema: Schema | None = None
    mode: str = ""
    text_at: Place | None = None
    allowed_lateness: timedelta | None = None
    ttl: timedelta | None = None
    state: str = ""
    job: MapReduce | None = None

    def statement(self) -> Text:
        """Give the SQL, calling the user's function when there is one; see `located` for its place.

        Raises
        ------
        DefinitionError
            When the function gives something that is not SQL.
        """
        value = self.sql() if callable(self.sql) else self.sql
        if isinstance(value, Verbs):
            tree = value.query
            where = value.where if isinstance(value, Ref) else self.where
            return VerbText(written(tree), where, self.name, query=tree)
        if not isinstance(value, str) or not value.strip():
            given = "nothing" if value is None or value == "" else f"{type(value).__name__}"
            # What `group_by` gives is no frame yet.
            is_grouped = hasattr(value, "agg")
            raise DefinitionError(
                f"{self.kind} {self.name!r} gives {given}, not SQL", where=self.where,
                step=self.name, code="SqlMissing",
                fix="add .agg(n=ms.count())" if is_grouped
                else 'return "SELECT …" from the function, or p.ref("name") and its verbs',
            )  # fmt: skip
        return Text(value, self.text_at or Place(self.where.file, 1, 1), self.name)

    def located(self, text: Text) -> tuple[Text, Located]:
        """Give the SQL with its place in the user's file.

        Finding a literal means to read the user's file again, so only a message asks for it.
        """
        if isinstance(text, VerbText):
            return text, Located(text.place, has_columns=False)
        if self.text_at is not None:
            return text, Located(self.text_at)
        located = locate(text.text, self.where, self.span)
        place = located.place if located.is_exact else text.place
        return Text(text.text, place, self.name), located

    @property
    def kind(self) -> str:
        """Give the word for messages: view or table."""
        return "table" if self.is_table else "view"


def tree_of(text: Text) -> Query:
    """Give the tree of a step's SQL or verbs; the errors are those of `parse`."""
    return text.query if isinstance(text, VerbText) else parse(text)


def checked_name(name: object, kind: str, where: Place) -> str:
    """Give a name of a source, step or parameter when it is a right one.

    Raises
    ------
    DefinitionError
        For anything but letters, digits and single underscores.
    """
    pattern = _PIPELINE_NAME if kind == "pipeline" else _NAME
    if not isinstance(name, str) or not pattern.fullmatch(name) or len(name) > _LONGEST:
        close = re.sub(r"\W+", "_", str(name), flags=re.ASCII).strip("_")[:_LONGEST]
        # With a prefix the name could be too long again.
        right = close if pattern.fullmatch(close) else f"{kind}_{close}"[:_LONGEST].strip("_")
        article = "an" if kind[0] in "aeiou" else "a"
        raise DefinitionError(
            f"{name!r} is no name for {article} {kind} (letters a to z, digits and underscores, at most "
            f"{_LONGEST})", where=where, code="NameNotValid", fix=f"write {right}",
        )  # fmt: skip
    if "__" in name:
        raise DefinitionError(
            f"{name!r} has two underscores in a row: such names are kept for named outputs, as "
            "step__late", where=where, code="NameNotValid",
            fix=f"write {re.sub('_+', '_', name)}",
        )  # fmt: skip
    return name
