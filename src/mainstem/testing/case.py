r"""Reads case files: short stories of rows in, marks among them, and the rows that come out.

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
``title``, ``rule`` (contract ids), ``source`` (may repeat), ``rows`` or ``rows NAME`` (may repeat: the order in the
file is the order of arrival), ``param`` (``day date = 2024-01-01``), ``view NAME`` and ``table NAME`` (steps before
the last), ``dedupe NAME`` (a step: ``clicks by who within 10 minutes``, then perhaps ``keep any``), ``query`` (the
table that is compared), ``with`` (words of that table: ``mode updating``, ``ttl 1 hour``, ``state unbounded``),
``batch`` (its rows; a bag unless ``ordered: yes``), ``columns`` (its names and types, when they are the point),
``error`` and ``warning`` (codes of findings, with an optional ``at line:column`` inside the query), ``fails``
(what the message of a failing run says, one part a line), ``bad`` (every bad row, as its line of that message),
``ledger`` (``source clicks: read 3, dead 0``, ``expectation clicks.known: checked 3, warned 1``).

``expect`` (may repeat: what follows ``CREATE EXPECTATION`` in a file), ``quarantine NAME`` (the rows that went into
the quarantine of NAME: the rule, the row's number in its file, its columns), ``dead NAME`` (the records that became
dead letters: the row's number, the column or null, and words of the message). Where there is a ``stream``, they, the
``ledger`` and ``fails`` hold of the stream as well; the row's number is then that in its partition.

``stream`` (rows of the same pipeline over sources that never end; as a bag, or for an updating table its folded
content), ``late`` or ``late STEP`` (what goes to ``STEP__late``: the step's input columns, then perhaps the row's
watermark and the JSON list of the ends of the windows that it missed), ``kind`` (``append``, or ``updating by KEY``;
of the stream where there is one), ``refuses`` (codes of the findings that refuse the stream).

The words behind a source's schema: ``event time COLUMN``, ``watermark``, ``idle`` and ``max ahead`` with a span,
``written TIME`` (when its file was), ``on bad dead_letter``, ``max bad NUMBER``, ``bounded`` (it ends in a stream
too), ``lookup by KEY`` and ``refresh`` with a span; a second ``rows NAME`` of a lookup is its next version, for the
epochs behind it.

A case of a pipeline file has ``pipeline FILE`` in place of ``source`` lines (from the case file's folder; perhaps
``FILE --pipeline NAME``): `mainstem.testing.filecase`. ``rows NAME`` bind its sources, perhaps below a head, told by a
line of ``==`` under each name; ``result NAME`` (may repeat) are the rows of a table or view, of the columns that its
head names. Rows of a source that never ends may have marks among them, and ``late NAME`` is what came too late for a
table or view. ``query``, over all of it, is only needed for ``batch``. ``param`` gives a value (``day = 2024-01-01``),
``real`` names the sources that are read as the pipeline binds them, ``env`` its environment, ``now`` its clock, ``key``
the run key, ``select`` the tables.

In place of rows a source has ``file NAME.csv`` with the bytes of a file: the lines are joined by nothing, and
``\n``, ``\r``, ``\t``, ``\\`` and ``\xHH`` stand for bytes; or ``parquet NAME`` with the query, in DuckDB's SQL, whose
rows a Parquet file holds. ``options NAME`` are the file's options as JSON.

Cells are parted by ``|``. ``null`` is NULL, ``''`` the empty text, a cell in ``'…'`` keeps its spaces; lists, maps
and structs are JSON. Marks stand between rows; ``crash``, ``pause``, ``watermark`` and ``idle`` end an epoch:

``-- crash``
    The process is killed, while it computes what comes next, and started again.
``-- pause``, ``-- pause 30 seconds``
    Nothing comes for a moment, shorter than any ``idle``; nothing comes for so long.
``-- watermark TIME``
    The source's watermark is TIME now (or ``none``): a claim that is checked.
``-- partition NAME``
    The rows behind it, of this source, are of that partition.
``-- idle``, ``-- idle NAME``
    The source, or that partition, has given nothing for its ``idle`` span.
``-- stop``
    At the end: stopped as by ``--until-caught-up``, closing nothing. Without it the source ends, and every
    window closes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from mainstem.errors import DefinitionError, Place, listing, nearest
from mainstem.record import record

# How a pipeline file is run.
_OF_FILE = ("real", "env", "now", "key", "select")
_SINGLE = (
    "title", "rule", "query", "with", "batch", "stream", "columns", "ordered", "fails", "bad", "kind",
    "refuses", "ledger", "pipeline", *_OF_FILE,
)  # fmt: skip
_STEPS = ("view", "table", "dedupe")
_REPEATED = (
    "source", "rows", "file", "parquet", "options", "param", *_STEPS, "error", "warning", "late", "expect",
    "quarantine", "dead", "result",
)  # fmt: skip
MARKS = ("crash", "pause", "watermark", "partition", "idle", "stop")
_LINE = re.compile(r"(?P<key>[a-z]+)(?:\s+(?P<name>[A-Za-z_][\w.]*))?:(?:\s+(?P<value>.*))?$")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|(.?))")
_ESCAPED = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\"}


@record
class Mark:
    """Something that happens between two rows; see the module."""

    kind: str
    value: str = ""


Row = tuple[str | None, ...]


@record
class CaseSource:
    """A source of a case: its words after ``source:`` and its rows with the marks among them.

    `file` is the name of a file with the bytes `content`, `parquet` the query whose rows a Parquet
    file holds; with either of them there are no rows. `options` are the file's, as JSON. Of a
    pipeline file's source `text` has the lines of its rows.
    """

    name: str
    schema: str
    words: str = ""
    rows: tuple[Row | Mark, ...] = ()
    file: str = ""
    content: bytes = b""
    parquet: str = ""
    options: str = ""
    text: str = ""


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
    lates: tuple[tuple[str, tuple[Row, ...]], ...] = ()
    columns: str = ""
    is_ordered: bool = False
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fails: str = ""
    bad: tuple[str, ...] = ()
    ledger: tuple[str, ...] = ()
    words: str = ""
    kind: str = ""
    refuses: tuple[str, ...] = ()
    arrivals: tuple[tuple[str, Row | Mark], ...] = ()
    expects: tuple[str, ...] = ()
    aside: tuple[tuple[str, tuple[Row, ...]], ...] = ()
    pipeline: str = ""
    results: tuple[tuple[str, str], ...] = ()
    sections: tuple[tuple[str, str], ...] = ()
    late_texts: tuple[tuple[str, str], ...] = ()
    run: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """Give a name that is unique in the suite: file and title."""
        return f"{Path(self.place.file).stem}: {self.title}"

    @property
    def is_stream(self) -> bool:
        """Say whether the case has an answer for sources that never end."""
        return self.stream is not None or bool(self.lates or self.refuses)

    @property
    def is_batch(self) -> bool:
        """Say whether the case has an answer for a run that ends."""
        expected = (
            self.errors, self.fails, self.bad, self.columns, self.ledger, self.aside, self.results,
        )  # fmt: skip
        return self.batch is not None or any(expected) or not self.is_stream


def read_cases(path: Path) -> list[Case]:
    """Read a case file.

    Raises
    ------
    DefinitionError
        With file and line: bytes that are no text, a key that is not one, a case without a title, without a query, or
        without anything that it expects.
    """
    cases: list[Case] = []
    block: list[str] = []
    start = 1
    try:
        # `splitlines` would also cut a cell in two that holds a form feed or another separator.
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DefinitionError(
            f"not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}",
            where=Place(str(path), 1), code="CaseSyntax", fix="save the file as UTF-8",
        ) from error  # fmt: skip
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

    def texts(self, key: str) -> tuple[tuple[str, str], ...]:
        return tuple((p[1], "\n".join(p[2])) for p in self.parts if p[0] == key)

    def lines(self, key: str) -> tuple[str, ...]:
        return tuple(self.one(key).splitlines())

    def arrivals(self) -> tuple[tuple[str, Row | Mark], ...]:
        only = self.one("source").partition("(")[0].strip()
        rows = [p for p in self.parts if p[0] == "rows"]
        return tuple((name or only, _row(line)) for _, name, lines, _ in rows for line in lines)

    def case(self) -> Case:
        made = Case(
            self.one("title"), Place(str(self.path), self.start), tuple(self.one("rule").split()),
            self.sources(), tuple(self.all("param")),
            tuple((p[0], p[1], "\n".join(p[2])) for p in self.parts if p[0] in _STEPS),
            self.one("query"), self.table("batch"), self.table("stream"),
            tuple((p[1], tuple(map(cells, p[2]))) for p in self.parts if p[0] == "late"),
            self.one("columns"), self.one("ordered") == "yes", tuple(self.all("error")),
            tuple(self.all("warning")), self.one("fails"), self.lines("bad"), self.lines("ledger"),
            self.one("with"), self.one("kind"), tuple(self.one("refuses").split()), self.arrivals(),
            tuple(self.all("expect")),
            tuple(
                (f"{p[1]}__{p[0]}", tuple(map(cells, p[2])))
                for p in self.parts if p[0] in ("quarantine", "dead")
            ),
            self.one("pipeline"),
            self.texts("result"), self.texts("rows"), self.texts("late"),
            tuple((key, self.one(key)) for key in _OF_FILE if self.one(key)),
        )  # fmt: skip
        if not made.title or not (made.query or made.pipeline):
            raise self.wrong(
                "a case has a title and a query, or the file of a pipeline", self.start
            )
        self.of_one_form(made)
        expected = (
            made.errors, made.fails, made.bad, made.columns, made.kind, made.is_stream,
            made.results, made.aside, made.ledger,
        )  # fmt: skip
        if made.batch is None and not any(expected):
            raise self.wrong(
                f"case {made.title!r} expects nothing",
                self.start,
                "add result NAME:, batch:, error: or fails:",
            )
        return made

    def of_one_form(self, made: Case) -> None:
        """Refuse words of a pipeline file where there is none, and of an own pipeline beside one."""
        theirs = (
            "source", "view", "table", "dedupe", "with", "columns", "kind", "refuses", "stream",
            "parquet", "options",
        )  # fmt: skip
        others = theirs if made.pipeline else ("result", *_OF_FILE)
        for key, _, _, number in self.parts:
            if key in others:
                why = "stands beside pipeline:" if made.pipeline else "needs a pipeline:"
                raise self.wrong(f"{key}: {why}", number, "take one of them out")
        if made.batch is not None and not made.query:
            raise self.wrong("batch: has no query", self.start, "write result NAME: for a table")

    def sources(self) -> tuple[CaseSource, ...]:
        if self.one("pipeline"):
            return self.bound_sources()
        declared = []
        for text in self.all("source"):
            name, rest = text.split("(", 1)
            depth, end = 1, 0
            for end, sign in enumerate(rest):  # noqa: B007 - the position where the schema closes is used below
                depth += (sign == "(") - (sign == ")")
                if depth == 0:
                    break
            declared.append((name.strip(), rest[:end], rest[end + 1 :].strip(" ,")))
        names = [name for name, _, _ in declared]
        for key, given, _, number in self.parts:
            name = given.partition(".")[0]
            if key not in ("rows", "file", "parquet", "options"):
                continue
            if not name and len(declared) != 1:
                raise self.wrong(
                    f"{key}: needs a name when there are several sources", number,
                    f"write {key} NAME:",
                )  # fmt: skip
            if name and name not in names:
                raise self.wrong(f"{key} of {name!r}, which is no source", number)
        rows = self.arrivals()
        return tuple(
            self.filled(CaseSource(n, s, w, tuple(row for name, row in rows if name == n)))
            for n, s, w in declared
        )

    def bound_sources(self) -> tuple[CaseSource, ...]:
        """Give the sources of a pipeline file that the case has rows for."""
        keys = ("rows", "file")
        for _, name, _, number in (p for p in self.parts if p[0] == "late"):
            if not name:
                raise self.wrong("late: needs the name of a table or view", number,
                                 "write late NAME:")  # fmt: skip
        for key, name, _, number in self.parts:
            if key in keys and not name:
                raise self.wrong(f"{key}: needs the name of a source", number,
                                 f"write {key} NAME:")  # fmt: skip
        names = dict.fromkeys(p[1].partition(".")[0] for p in self.parts if p[0] in keys)
        text = {n: [x for p in self.parts if p[:2] == ("rows", n) for x in p[2]] for n in names}
        return tuple(
            self.filled(CaseSource(name, "", text="\n".join(lines))) for name, lines in text.items()
        )

    def filled(self, source: CaseSource) -> CaseSource:
        """Give a source with its file, when it has one."""
        own = [p for p in self.parts if p[1].partition(".")[0] == source.name]
        text = {p[0]: "\n".join(p[2]) for p in own}
        files = [(p[1], b"".join(map(file_bytes, p[2]))) for p in own if p[0] == "file"]
        if len(files) + bool(source.rows or source.text) + ("parquet" in text) > 1:
            raise self.wrong(f"{source.name!r} has rows twice", self.start)
        file, content = files[0] if files else ("", b"")
        return replace(
            source, file=file, content=content, parquet=text.get("parquet", ""),
            options=text.get("options", ""),
        )  # fmt: skip


def file_bytes(line: str) -> bytes:
    r"""Give the bytes that a line of ``file`` stands for.

    >>> file_bytes(r"1,\xff\n")
    b'1,\xff\n'

    Raises
    ------
    DefinitionError
        For a backslash that begins no escape.
    """
    parts: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(line):
        if match[1] is None and match[2] not in _ESCAPED:
            raise DefinitionError(
                f"{match[0]!r} is no escape", code="CaseSyntax",
                fix=r"escapes are \n, \r, \t, \\ and \xHH",
            )  # fmt: skip
        code = bytes([int(match[1], 16)]) if match[1] else _ESCAPED[match[2]]
        parts += [line[at : match.start()].encode(), code]
        at = match.end()
    return b"".join([*parts, line[at:].encode()])


def _row(line: str) -> Row | Mark:
    return mark_of(line) or cells(line)


def mark_of(line: str) -> Mark | None:
    """Give the mark that a line is; None for one that is a row, or the rule below a head.

    >>> mark_of("-- pause 30 seconds")
    Mark(kind='pause', value='30 seconds')

    Raises
    ------
    DefinitionError
        For a mark that there is not.
    """
    if not line.startswith("-- ") or not set(line) - set("-=| "):
        return None
    kind, _, value = line[3:].strip().partition(" ")
    if kind not in MARKS:
        close = nearest(kind, MARKS)
        raise DefinitionError(
            f"{line!r} is no mark", code="CaseSyntax",
            fix=f"write -- {close}" if close else f"marks are {listing(MARKS)}",
        )  # fmt: skip
    return Mark(kind, value.strip())


def cells(line: str) -> Row:
    """Cut a line into cells at ``|`` outside of quotes and JSON brackets; ``null`` is None."""
    return tuple(map(_cell, cell_texts(line)))


def cell_texts(line: str) -> list[str]:
    """Cut a line into the texts of its cells, quotes and all."""
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
    return [part.strip() for part in [*parts, current]]


def _cell(text: str) -> str | None:
    if text == "null":
        return None
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text
