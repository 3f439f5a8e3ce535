"""Where in the user's Python file a call and its SQL text stand.

A call is found from its frame; the SQL from the string literal that holds it, so that an error in
the SQL points at file, line and column of the user's own text.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from mainstem.errors import NOWHERE, Place
from mainstem.record import record

# Only the frames of the words themselves: `mainstem.demo` has pipelines of its own to point at.
_OWN = "mainstem.definition."


@record
class Span:
    """First and last line of a piece of a Python file, from 1."""

    line: int
    end_line: int


@record
class Located:
    """Where a text begins; `has_columns` says whether its columns are those of the file.

    `is_exact` is False when the text was found nowhere (it was computed): then only the call is
    known.
    """

    place: Place
    has_columns: bool = True
    is_exact: bool = True


def caller() -> tuple[Place, Span]:
    """Give the place of the nearest call that stands outside of this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_OWN):
        frame = frame.f_back
    if frame is None:
        return NOWHERE, Span(0, 0)
    place = Place(frame.f_code.co_filename, frame.f_lineno)
    positions = itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    line, end_line, _, _ = next(positions, (None, None, None, None))
    # Absent when Python runs with -X no_debug_ranges.
    return place, Span(line or frame.f_lineno, end_line or line or frame.f_lineno)


def function_place(function: Callable[..., Any]) -> tuple[Place, Span]:
    """Give the place of a function, from its first decorator to its last line."""
    code = getattr(function, "__code__", None)
    if code is None:
        return caller()
    lines = [line for _, _, line in code.co_lines() if line]
    place = Place(code.co_filename, code.co_firstlineno)
    return place, Span(code.co_firstlineno, max([code.co_firstlineno, *lines]))


def locate(text: str, call: Place, span: Span) -> Located:
    """Find the literal that holds a text: in the call or function first, then in the whole file.

    Parameters
    ----------
    text : str
        The SQL as it was given.
    call : Place
        The call or function that gave it.
    span : Span
        Lines of that call or function.
    """
    source = "".join(linecache.getlines(call.file))
    literals = list(_literals(source))
    inside = [node for node in literals if _touches(span, node)]
    # Only "\n" ends a line of a Python file; `str.splitlines` sees more, such as a form feed.
    lines = source.split("\n")
    for nodes in (inside, literals):
        for find in (_verbatim, _formatted, _by_lines):
            for node in nodes:
                found = find(text, node, lines)
                if found is not None:
                    line, column = found
                    has_columns = find is not _by_lines
                    place = Place(call.file, line, column if has_columns else 0)
                    return Located(place, has_columns)
    return Located(call, has_columns=False, is_exact=False)


def _touches(span: Span, node: ast.expr) -> bool:
    # The last line of a function's code may be the first one of a literal over several lines.
    return span.line <= node.lineno <= span.end_line


def _literals(source: str) -> Iterator[ast.Constant | ast.JoinedStr]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # a notebook cell or text that was never a file
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def _segment(node: ast.expr, lines: Sequence[str]) -> str:
    """Give the text of a node; `ast.get_source_segment` splits the whole file for each."""
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    # The columns of a node count bytes of UTF-8.
    cut = [line.encode() for line in lines[first : last + 1]]
    cut[-1] = cut[-1][: node.end_col_offset]
    cut[0] = cut[0][node.col_offset :]
    return b"\n".join(cut).decode()


def _body(node: ast.expr, lines: Sequence[str]) -> tuple[str, int, int] | None:
    """Give what stands between the quotes of one plain literal, with its line and column."""
    segment = _segment(node, lines)
    match = re.match(r"[a-zA-Z]{0,2}('''|\"\"\"|'|\")", segment)
    if match is None:
        return None
    before = lines[node.lineno - 1].encode()[: node.col_offset]
    column = len(before.decode()) + match.end() + 1
    body = segment[match.end() : -len(match[1])]
    if body.startswith("\\\n"):
        return body[2:], node.lineno + 1, 1
    return body, node.lineno, column


def _verbatim(text: str, node: ast.expr, lines: Sequence[str]) -> tuple[int, int] | None:
    """Find a text in a literal without escapes, whole or stripped."""
    found = _plain_body(node, lines, text)
    if found is None or text not in found[0]:
        return None
    return _advanced(*found, found[0].find(text))


def _plain_body(
    node: ast.expr, lines: Sequence[str], part: str
) -> tuple[str, int, int] | None:  # fmt: skip
    """Give the body of a literal that holds `part` and whose value is what stands between its quotes."""
    value = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(value, str) or part not in value:
        return None
    found = _body(node, lines)
    return found if found is not None and value == found[0] else None


def _advanced(body: str, line: int, column: int, at: int) -> tuple[int, int]:
    newlines = body.count("\n", 0, at)
    if newlines:
        return line + newlines, at - body.rfind("\n", 0, at)
    return line, column + at


def _formatted(text: str, node: ast.expr, lines: Sequence[str]) -> tuple[int, int] | None:
    """Find an f-string that can have given the text; its lines are right, columns up to a field."""
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = [
        re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[^\n]*"
        for part in node.values
    ]
    # f"{a}:{b}" would match any SQL with a colon in it: the fixed parts must say as much as SELECT.
    fixed = "".join(str(p.value) for p in node.values if isinstance(p, ast.Constant))
    if sum(c.isalpha() for c in fixed) < len("SELECT"):
        return None
    if not re.fullmatch("".join(parts), text):
        return None
    found = _body(node, lines)
    return None if found is None else found[1:]


def _by_lines(text: str, node: ast.expr, lines: Sequence[str]) -> tuple[int, int] | None:
    """Find a text whose lines were indented otherwise, as `textwrap.dedent` does."""
    wanted = [line.strip() for line in text.splitlines()]
    found = _plain_body(node, lines, max(wanted, key=len, default=""))
    if found is None:
        return None
    given = [line.strip() for line in found[0].splitlines()]
    for start in range(len(given) - len(wanted) + 1):
        if any(wanted) and given[start : start + len(wanted)] == wanted:
            return found[1] + start, 0
    return None
