"""Reads case files: short stories of rows in, marks among them, and the rows that come out.

A file holds one or more cases, parted by a line of ``---``. A case is lines of ``key: value``; a value
goes on in the indented lines that follow::

    title:  a row later than the watermark is counted late
    rule:   T5
    source: clicks(at timestamp, who string), event time at, watermark 0 seconds
    rows:
      2024-01-01 10:00:05 | ann
      -- crash
      -- watermark 2024-01-01 10:01:00
      2024-01-01 10:00:59 | eve
    query:  SELECT window_start, count(*) AS n FROM TUMBLE(clicks, at, INTERVAL '1 minute') GROUP BY ALL
    batch:
      2024-01-01 10:00:00 | 2
    stream:
      2024-01-01 10:00:00 | 1
    late:
      2024-01-01 10:00:59 | eve

Keys
----
``title``, ``rule`` (contract ids), ``source`` (may repeat), ``rows`` or ``rows NAME``, ``param`` (``day date =
2024-01-01``), ``view NAME`` and ``table NAME`` (steps before the last), ``query`` (the table that is compared),
``batch`` (its rows; a bag unless ``ordered: yes``), ``stream`` (when a stream answers otherwise), ``late``,
``columns`` (its names and types, when they are the point), ``error`` and ``warning`` (codes of findings, with
an optional ``at line:column`` inside the query), ``fails`` (a word of the message of a failing run).

Cells are parted by ``|``. ``null`` is NULL, ``''`` the empty text, a cell in ``'…'`` keeps its spaces; lists, maps
and structs are JSON. Marks are ``-- crash``, ``-- pause`` and ``-- watermark TIME``.
"""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path

from mainstem.errors import DefinitionError, Place, listing, nearest
from mainstem.record import record

_SINGLE = ("title", "rule", "query", "batch", "stream", "late", "columns", "ordered", "fails")
_REPEATED = ("source", "rows", "param", "view", "table", "error", "warning")
_MARKS = ("crash", "pause", "watermark")
_LINE = re.compile(r"(?P<key>[a-z]+)(?:\s+(?P<name>[A-Za-z_]\w*))?:(?:\s+(?P<value>.*))?$")


@record
class Mark:
    """Something that happens between two rows: ``crash``, ``pause`` or ``watermark`` with its time."""

    kind: str
    value: str = ""


Row = tuple[str | None, ...]


@record
class CaseSource:
    """A source of a case: its words after ``source:`` and its rows with the marks among them."""

    name: str
    schema: str
    words: str = ""
    rows: tuple[Row | Mark, ...] = ()


@record
class Case:
    """One case; see the module for what each part means."""

    title: str
    place: Place
    rules: tuple[str, ...] = ()
    sources: tuple[CaseSource, ...] = ()
    params: tuple[str, ...] = ()
    steps: tuple[tuple[str, str, str], ...] = ()
    query: str = ""
    batch: tuple[Row, ...] | None = None
    stream: tuple[Row, ...] | None = None
    late: tuple[Row, ...] | None = None
    columns: str = ""
    is_ordered: bool = False
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fails: str = ""
    marks: tuple[Mark, ...] = field(default=())

    @property
    def id(self) -> str:
        """Give a name that is unique in the suite: file and title."""
        return f"{Path(self.place.file).stem}: {self.title}"


def read_cases(path: Path) -> list[Case]:
    """Read a case file.

    Raises
    ------
    DefinitionError
        With file and line: a key that is not one, a case without a title, without a query, or
        without anything that it expects.
    """
    cases: list[Case] = []
    block: list[str] = []
    start = 1
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate([*lines, "---"], 1):
        if line.strip() == "---":
            if any(x.strip() and not x.startswith("#") for x in block):
                cases.append(_Reader(path, start, block).case())
            block, start = [], number + 1
        else:
            block.append(line)
    return cases


class _Reader:
    """Reads the lines of one case."""

    def __init__(self, path: Path, start: int, lines: list[str]) -> None:
        self.path, self.start = path, start
        self.parts: list[tuple[str, str, list[str], int]] = []
        for number, line in enumerate(lines, start):
            if line.startswith("#") or not line.strip():
                continue
            if line.startswith((" ", "\t")):
                if not self.parts:
                    raise self.wrong("an indented line follows no key", number)
                self.parts[-1][2].append(line.strip())
                continue
            self.key(line, number)

    def key(self, line: str, number: int) -> None:
        match = _LINE.match(line)
        known = (*_SINGLE, *_REPEATED)
        if match is None or match["key"] not in known:
            close = nearest(line.split(":", maxsplit=1)[0].split(maxsplit=1)[0], known)
            raise self.wrong(f"{line!r} is no key (keys: {listing(known, limit=20)})", number,
                             f"write {close}:" if close else "")  # fmt: skip
        if match["key"] in _SINGLE and any(p[0] == match["key"] for p in self.parts):
            raise self.wrong(
                f"{match['key']} stands twice", number, "part the cases by a line of ---"
            )
        value = (match["value"] or "").strip()
        self.parts.append((match["key"], match["name"] or "", [value] if value else [], number))

    def wrong(self, what: str, line: int, fix: str = "") -> DefinitionError:
        return DefinitionError(what, where=Place(str(self.path), line), fix=fix, code="CaseSyntax")

    def one(self, key: str) -> str:
        return next(("\n".join(p[2]) for p in self.parts if p[0] == key), "")

    def all(self, key: str) -> list[str]:
        return ["\n".join(p[2]) for p in self.parts if p[0] == key]

    def table(self, key: str) -> tuple[Row, ...] | None:
        return next((tuple(map(cells, p[2])) for p in self.parts if p[0] == key), None)

    def case(self) -> Case:
        made = Case(
            self.one("title"), Place(str(self.path), self.start), tuple(self.one("rule").split()),
            self.sources(), tuple(self.all("param")),
            tuple((p[0], p[1], "\n".join(p[2])) for p in self.parts if p[0] in ("view", "table")),
            self.one("query"), self.table("batch"), self.table("stream"), self.table("late"),
            self.one("columns"), self.one("ordered") == "yes", tuple(self.all("error")),
            tuple(self.all("warning")), self.one("fails"),
        )  # fmt: skip
        if not made.title or not made.query:
            raise self.wrong("a case has a title and a query", self.start)
        if made.batch is None and not (made.errors or made.fails or made.columns or made.stream):
            raise self.wrong(
                f"case {made.title!r} expects nothing", self.start, "add batch:, error: or fails:"
            )
        return made

    def sources(self) -> tuple[CaseSource, ...]:
        declared = []
        for text in self.all("source"):
            name, rest = text.split("(", 1)
            depth, end = 1, 0
            for end, sign in enumerate(rest):  # noqa: B007 - the position where the schema closes is used below
                depth += (sign == "(") - (sign == ")")
                if depth == 0:
                    break
            declared.append((name.strip(), rest[:end], rest[end + 1 :].strip(" ,")))
        tables = {p[1]: p[2] for p in self.parts if p[0] == "rows"}
        if "" in tables and len(declared) != 1:
            raise self.wrong(
                "rows: needs a name when there are several sources", self.start, "write rows NAME:"
            )
        for name in tables:
            if name and name not in [d[0] for d in declared]:
                raise self.wrong(f"rows of {name!r}, which is no source", self.start)
        return tuple(
            CaseSource(n, s, w, tuple(_row(x) for x in tables.get(n, tables.get("", []))))
            for n, s, w in declared
        )


def _row(line: str) -> Row | Mark:
    if line.startswith("-- "):
        kind, _, value = line[3:].partition(" ")
        if kind not in _MARKS:
            raise DefinitionError(
                f"{line!r} is no mark", code="CaseSyntax", fix=f"marks are {listing(_MARKS)}"
            )
        return Mark(kind, value.strip())
    return cells(line)


def cells(line: str) -> Row:
    """Cut a line into cells at ``|`` outside of quotes and JSON brackets; ``null`` is None."""
    parts, depth, quote, current = [], 0, "", ""
    for sign in line:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        depth += (sign in "[{") - (sign in "]}") if not quote else 0
        if sign == "|" and not quote and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += sign
    return tuple(_cell(p.strip()) for p in [*parts, current])


def _cell(text: str) -> str | None:
    if text == "null":
        return None
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text
