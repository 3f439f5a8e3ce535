"""Places of verbs: an offset that also knows the line of the user's Python file."""

from __future__ import annotations

import dataclasses
import linecache
import sys
from types import FrameType
from typing import Any, TypeVar

from mainstem.errors import NOWHERE, Finding, Place
from mainstem.plan import tree as t
from mainstem.record import record
from mainstem.sql.text import Printer, quoted
from mainstem.sql.tokens import Text

NodeT = TypeVar("NodeT", bound=t.Node)

_OWN = "mainstem.definition."


class Spot(int):
    """The `at` of a node that a verb made.

    The value is an offset only in `text`, the SQL of ``ms.expr``; everywhere else `place` says all.
    """

    place: Place
    text: Text | None

    @classmethod
    def of(cls, place: Place, text: Text | None = None, offset: int = 0) -> Spot:
        """Make the spot of a Python line, or of an offset in a piece of SQL that stands there."""
        spot = cls(offset)
        spot.place, spot.text = place, text
        return spot


def here() -> Spot:
    """Give the spot of the nearest call outside of the definition layer."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_OWN):
        frame = frame.f_back
    if frame is None:
        return Spot.of(NOWHERE)
    return Spot.of(Place(frame.f_code.co_filename, frame.f_lineno))


def moved(node: NodeT, text: Text, place: Place) -> NodeT:
    """Give a parsed piece of SQL whose nodes say the line of Python that it stands in."""

    def change(part: t.Node) -> t.Node:
        below = t.rebuilt(part, change)
        return dataclasses.replace(below, at=Spot.of(place, text, part.at))

    changed: Any = change(node)
    return changed  # type: ignore[no-any-return]


@record
class VerbText(Text):
    """What verbs built: the tree itself, and its SQL to be read by people.

    Binding takes the tree; places come from its nodes.
    """

    query: t.Query = dataclasses.field(kw_only=True)

    def locate(self, at: int) -> Place:
        """Give the line of Python that made a node."""
        return at.place if isinstance(at, Spot) else self.place

    def snippet(self, at: int) -> str:
        """Give the piece of SQL with a caret, or the line of Python."""
        if not isinstance(at, Spot):
            return ""
        if at.text is not None:
            return at.text.snippet(int(at))
        return linecache.getline(at.place.file, at.place.line).strip()

    def finding(
        self, code: str, what: str, at: int, fix: str = "", *, severity: str = "error"
    ) -> Finding:
        """Build a finding whose fix is in the words of verbs, unless the node is a piece of SQL."""
        is_sql = isinstance(at, Spot) and at.text is not None
        said = fix if is_sql else _IN_VERBS.get(fix, fix)
        return super().finding(code, what, at, said, severity=severity)


# What the binder advises in SQL, as one would do it in verbs.
_IN_VERBS = {
    "text goes in single quotes: '…'": 'text is ms.lit("…")',
    "CAST an argument; text is never converted by itself": 'write .cast("type") behind an argument',
    "use HAVING, or compute it in a subquery": "filter behind agg, on the column that agg names",
    "use QUALIFY, or compute it in a subquery": "compute it by with_columns, then use the column",
}


class Written(Printer):
    """Prints a tree as the verbs built it, so that reading it back gives the same plan."""

    def relation(self, node: t.Relation) -> str:
        """Print something in FROM, window tables with their table."""
        if isinstance(node, t.TableCall) and node.table is not None:
            table = node.table
            n_spans = 2 if node.name in ("tumble", "session") else 3
            spans, keys = node.args[:n_spans], node.args[n_spans:]
            first = f"({self.query(table.query)})" if isinstance(table, t.Subquery) else ""
            if isinstance(table, t.Table):
                first = f"TABLE {quoted(table.name)}"
            parts = ", ".join([first, *(self.expr(e) for e in (*spans, *keys))])
            return f"{node.name.upper()}({parts}){self.alias(node)}"
        return super().relation(node)

    def join(self, node: t.Join) -> str:
        """Print a join with its USING."""
        using = f" USING ({', '.join(map(quoted, node.using))})" if node.using else ""
        return super().join(node) + using

    def print_literal(self, node: t.Literal) -> str:
        """Print a constant so that it keeps its kind."""
        text = super().print_literal(node)
        return f"{text}." if node.kind == "decimal" and "." not in text else text

    def print_star(self, node: t.Star) -> str:
        """Print a star, and the columns of ``with_columns`` behind it."""
        star = super().print_star(node)
        put = (f"{self.expr(e)} AS {quoted(n)}" for n, e in node.put)
        return ", ".join([star, *put])


def written(query: t.Query) -> str:
    """Give the SQL of a tree that verbs built.

    A column that ``with_columns`` puts in the place of another is printed behind the others: which
    of them is there already only the binder knows.
    """
    return Written().query(query)
