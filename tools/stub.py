"""Writes what editors know of `ms.f`: a stub with every function of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from mainstem.definition.function import is_word, python_name
from mainstem.functions.spec import Function, meanings

HEAD = '''"""Written from the catalogue by `python tools/docs.py`; a test keeps it in step."""

from collections.abc import Callable

from mainstem.definition.expression import Expr, Value

class Functions:
    """Every function of the catalogue; a string is the name of a column where one may stand."""

'''
TAIL = '''
f: Functions

def count(value: Value = ..., /) -> Expr: """Count rows, or the values that are not NULL."""
def count_distinct(value: Value, /) -> Expr: """Count distinct values."""
def sum(value: Value, /) -> Expr: """Add up."""
def avg(value: Value, /) -> Expr: """Give the mean."""
def min(value: Value, /) -> Expr: """Give the least value."""
def max(value: Value, /) -> Expr: """Give the greatest value."""
'''
WIDTH = 118


def parameters(row: Function) -> str:
    """Give the parameters that some signature of a function has."""
    counts = [len(overload.takes) for overload in row.overloads]
    longest = max(row.overloads, key=lambda overload: len(overload.takes)).takes
    said = []
    for index, pattern in enumerate(longest):
        type_ = "Callable[..., Expr] | Value" if pattern.startswith("lambda") else "Value"
        if pattern.endswith("..."):
            said.append(f"*rest: {type_}")
        else:
            said.append(f"x{index + 1}: {type_}" + (" = ..." if index >= min(counts) else ""))
    if said and not longest[-1].endswith("..."):
        said.append("/")
    elif len(said) > 1:
        said.insert(-1, "/")
    return "".join(f", {one}" for one in said)


def entry(row: Function) -> Iterator[str]:
    """Give the lines of one function and its other names."""
    if is_word(row.name):
        head = f"    def {python_name(row.name)}(self{parameters(row)}) -> Expr: "
        first = " ".join(row.doc.split()).replace("\\", "\\\\").replace('"', "'")
        room = WIDTH - len(head) - 6
        text = first if len(first) <= room else first[: max(room - 1, 0)].rsplit(" ", 1)[0] + "…"
        yield f'{head}"""{text}"""'
    for alias in row.aliases:
        if is_word(alias):
            source = python_name(row.name) if is_word(row.name) else ""
            if source:
                yield f"    {python_name(alias)} = {source}"
            else:
                yield f"    def {python_name(alias)}(self{parameters(row)}) -> Expr: ..."


def stub() -> str:
    """Give the whole stub."""
    lines = [line for row in meanings() for line in entry(row)]
    return HEAD + "\n".join(lines) + "\n" + TAIL
