"""Every error that can be raised stands on the page that its message points at, and no other."""

import ast
import inspect
import re
from pathlib import Path

from mainstem import errors
from mainstem.formats.records import REASONS

ROOT = Path(__file__).parents[3]
HEADING = re.compile(r"^### ([A-Za-z]+)$", re.MULTILINE)
CODE = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")
# Strings of this shape that are given to calls and are no codes of errors: reasons of bad rows, which
# docs/files.md explains.
OTHER = set(REASONS)


def codes_in(text):
    """Codes that a module gives to errors and findings, by their shape."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") != "cast":
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            for given in (*node.args, *named):
                value = given.value if isinstance(given, ast.Constant) else None
                if isinstance(value, str) and CODE.fullmatch(value):
                    is_named = given in named or len(re.findall("[A-Z]", value)) > 1
                    found |= {value} if is_named else set()
        if isinstance(node, ast.Assign):
            found |= {text for text in assigned_codes(node) if CODE.fullmatch(text)}
    return found


def assigned_codes(node):
    """What ``code = "…"`` and ``code, fix = "…", "…"`` give to the name `code`."""
    (target,) = node.targets[:1]
    pairs = [(target, node.value)]
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = list(zip(target.elts, node.value.elts, strict=False))
    for name, value in pairs:
        if isinstance(name, ast.Name) and name.id == "code" and isinstance(value, ast.Constant):
            yield str(value.value)


def used():
    """Every code in the package, and the classes, whose names stand in where there is no code."""
    found = {
        name for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.MainstemError)
    } - {"MainstemError"}  # fmt: skip
    for file in (ROOT / "src" / "mainstem").rglob("*.py"):
        found |= codes_in(file.read_text(encoding="utf-8"))
    return found - OTHER


def headings():
    """The names on the page."""
    return HEADING.findall((ROOT / errors.DOCS).read_text(encoding="utf-8"))


def test_every_code_has_its_place_on_the_page():
    """A message ends in an address; it must not lead to nowhere."""
    assert sorted(used() - set(headings())) == []


def test_page_has_no_code_twice_and_none_that_nothing_raises():
    """`Unused` is one word, which is too common a shape to look for."""
    names = headings()
    assert len(names) == len(set(names))
    assert sorted(set(names) - used() - {"Unused", "Usage"}) == []


def test_page_says_cause_and_fix_of_each():
    """Each heading is followed by both."""
    text = (ROOT / errors.DOCS).read_text(encoding="utf-8")
    parts = HEADING.split(text)[1:]

    without = [
        name for name, body in zip(parts[::2], parts[1::2], strict=True)
        if not re.match(r"\n\n\S.*\n\n\*Fix:\* \S", body)
    ]  # fmt: skip
    assert without == []
