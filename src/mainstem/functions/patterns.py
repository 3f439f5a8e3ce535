"""Checks of literal regular expressions, JSON paths and start positions, made when a plan is made.

They are entered by name in `mainstem.functions.checks`. What is refused here is what engines read
differently, or what would stop a run at its first row.
"""

from __future__ import annotations

import re
from typing import Any

from mainstem.lazy import pattern

# The subset on which RE2 (DuckDB) and Java (Spark, Flink) agree. No look-around, back reference or possessive
# repeat (RE2 has none), no POSIX or nested class (Java reads them otherwise).
_ESCAPE = r"\\(?:x[0-9A-Fa-f]{2}|[pP]\{[A-Z][a-z]?\}|[dDwWsSbBtnrf]|[^A-Za-z0-9])"
_REGEX_TOKEN = pattern(
    rf"""
      (?P<atom>{_ESCAPE} | [^\\\[({{*+?|)])
    | (?P<set>\[\^?(?:{_ESCAPE}|[^\\\[\]])+\])
    | (?P<flags>\(\?[ims]+\))
    | (?P<open>\((?:\?[ims]*:)?(?!\?))
    | (?P<close>\))
    | (?P<bar>\|)
    | (?P<repeat>(?:[*+?]|\{{[0-9]+(?:,[0-9]*)?\}})\??)
    """,
    re.VERBOSE | re.DOTALL,
)
_MOST_REPEATS = 1000
_PATH = pattern(r'\$(?:\.[\w-]+|\."[^"\\*]+"|\[-?[0-9]{1,9}\])*')


def regex_problem(pattern: Any) -> str:
    """Say what is wrong with a regular expression of the documented subset."""
    if not isinstance(pattern, str):
        return f"a pattern is a text, not {pattern!r}"
    at = depth = 0
    before = "open"
    while at < len(pattern):
        token = _REGEX_TOKEN.match(pattern, at)
        if token is None or token.lastgroup is None:
            return _outside(pattern, at)
        kind = token.lastgroup
        depth += (kind == "open") - (kind == "close")
        if depth < 0:
            return f"the pattern {pattern!r} closes a group that is not open; write \\) for the character"
        problem = _repeat_problem(token[0], before) if kind == "repeat" else ""
        problem = problem or (_set_problem(token[0]) if kind == "set" else "")
        if problem:
            return f"{problem} in the pattern {pattern!r}"
        before, at = kind, token.end()
    return (
        f"a group stays open in the pattern {pattern!r}; write \\( for the character"
        if depth
        else ""
    )


def _outside(pattern: str, at: int) -> str:
    part = pattern[at : at + 3]
    fix = {
        "{": "write \\{ for the character",
        "[": "write \\[ inside of a set, and no set inside of another",
    }
    hint = fix.get(part[0], "see the subset in docs/functions.md")
    return f"{part!r} is outside of the subset that all engines share, in the pattern {pattern!r}; {hint}"


def _repeat_problem(text: str, before: str) -> str:
    if before not in ("atom", "set", "close"):
        return f"{text!r} repeats nothing (write \\{text[0]} for the character)"
    if any(int(n) > _MOST_REPEATS for n in re.findall("[0-9]+", text)):
        return f"{text!r} is over {_MOST_REPEATS} repeats"
    low, _, high = text.strip("{}?").partition(",")
    return f"{text!r} ends before it starts" if high and int(high) < int(low) else ""


def _set_problem(text: str) -> str:
    if "&&" in text:
        return "&& in a set (two sets meet there in Java; write one &)"
    for low, high in re.findall(r"([^\\\[^-])-([^\\\]])", text):
        if low > high:
            return f"the range {low}-{high} runs backwards"
    return ""


def path_problem(path: Any) -> str:
    """Say what is wrong with a JSON path, or a key where a path may stand."""
    if not isinstance(path, str):
        return f"a path is a text, not {path!r}"
    if path.startswith("$"):
        if _PATH.fullmatch(path):
            return ""
        return (
            f'{path!r} is not a path; write $.name, $."any name", $[0] or $[-1], one behind another'
        )
    if not path or path[0] in "/*" or "\\" in path:
        # DuckDB reads /a as a JSON pointer and * as all keys.
        return f"{path!r} cannot be a key here" + (f'; write $."{path}"' if path[:1] == "/" else "")
    return ""


def start_problem(start: Any) -> str:
    """Say what is wrong with the first position of a part."""
    return "positions count from 1, and engines differ in what 0 means" if start == 0 else ""
