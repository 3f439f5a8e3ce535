"""Writes what is generated: the catalogue's page, its stub, and the cases under each rule.

``python tools/docs.py`` writes them, ``--check`` says what is not up to date and exits with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from stub import stub

from mainstem.functions.spec import Example, Fails, Function, Overload, Sql, meanings
from mainstem.plan import tree as t
from mainstem.sql.text import Printer, text_literal
from mainstem.testing.case import Case, read_cases
from mainstem.testing.engines import engine_names, gap_of

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "conformance" / "cases"
FUNCTIONS = ROOT / "docs" / "functions.md"
CONTRACT = ROOT / "docs" / "contract.md"
STUB = ROOT / "src" / "mainstem" / "definition" / "catalogue.pyi"
GENERATED = "## Cases of each rule"
MARK = "  - *Cases:"
RULE = re.compile(r"^- \*\*([A-Z]\d+)\*\* ")


class Shown(Printer):
    """Prints calls for readers: names stand as they are, without quotes."""

    def print_name(self, node: t.Name) -> str:
        """Print what a name stands for in a signature or example."""
        return node.parts[0]


def value(given: Any) -> str:
    """Write a value of an example as SQL."""
    if isinstance(given, Sql):
        return given.text
    if given is None:
        return "NULL"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str):
        return text_literal("".join(chr(0x2400 + ord(c)) if c < " " else c for c in given))
    if isinstance(given, bytes):
        return f"bytes {given.hex() or '(none)'}"
    if isinstance(given, datetime):
        shown = given.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")
        return f"TIMESTAMP '{shown.zfill(19)}Z'"
    if isinstance(given, date):
        return f"DATE '{given.isoformat()}'"
    if isinstance(given, Decimal):
        return f"{given:f}"
    if isinstance(given, list):
        return f"[{', '.join(value(x) for x in given)}]"
    if isinstance(given, dict):
        return "{" + ", ".join(f"{value(k)}: {value(v)}" for k, v in given.items()) + "}"
    return str(given)


def call(name: str, args: Sequence[str]) -> str:
    """Write a call or an operator with its operands."""
    shown = Shown().expr(t.Call(name, tuple(t.Name((arg,)) for arg in args)))
    is_wrapped = shown.startswith("(") and shown.endswith(")") and not name.isidentifier()
    return shown[1:-1] if is_wrapped or name in INFIX else shown


INFIX = ("and", "or", "not", "between", "like", "ilike", "negate", "is null", "is true", "is false")


def signature(row: Function, overload: Overload) -> str:
    """Write one signature."""
    takes = [re.sub(r":\w+", "", pattern) for pattern in overload.takes]
    gives = overload.gives if isinstance(overload.gives, str) else "a type of its arguments"
    return f"{call(row.name, takes)} → {gives}"


def example(row: Function, one: Example) -> str:
    """Write an example with its result."""
    if isinstance(one.gives, Fails):
        result = f"fails{': ' + one.gives.why if one.gives.why else ''}"
    else:
        result = f"`{value(one.gives)}`"
    if not one.call:
        return f"`{call(row.name, [value(a) for a in one.args])}` → {result}"
    rows = ", ".join(
        value(r[0]) if len(r) == 1 else f"({', '.join(map(value, r))})" for r in one.rows
    )
    return f"`{one.call}` over {f'`{rows}`' if rows else 'no rows'} → {result}"


def function(row: Function) -> Iterator[str]:
    """Give the lines of one row of the catalogue."""
    yield f"### `{row.name}`"
    yield ""
    yield row.doc
    yield ""
    for overload in row.overloads:
        yield f"- `{signature(row, overload)}`"
    facts = [f"NULL: {row.null}.", f"Fails: {row.fails}."]
    if row.aliases:
        facts.append(f"Also called {', '.join(f'`{a}`' for a in row.aliases)}.")
    if row.kind != "scalar":
        facts.append(f"Kind: {row.kind}.")
    if row.order != "free":
        facts.append(ORDERS[row.order])
    if row.rules:
        facts.append(f"Rules: {', '.join(row.rules)}.")
    yield ""
    yield " ".join(facts)
    yield ""
    for one in row.examples:
        yield f"- {example(row, one)}"
    yield ""


ORDERS = {
    "total": "Depends on the order of rows: ties are broken by the row's other columns (T11).",
    "own": "Its values are put in order (V6).",
}


def functions() -> str:
    """Give the page of the catalogue."""
    rows = meanings()
    names = sum(1 + len(row.aliases) for row in rows)
    lines = [
        "# Functions", "",
        f"All {len(rows)} meanings of the catalogue, under {names} names. What is not here does",
        "not exist: a query that uses it is refused with the nearest name. Each example is a",
        "conformance case, worked out by hand and run on every engine, once with literals and once",
        "over columns.", "",
        "This page is written by `python tools/docs.py` from `mainstem.functions`.", "",
        "`T`, `U`, `K`, `V` stand for any type, the same one wherever the letter stands; `...` is",
        "one or more further arguments; a word in quotes is a literal; ␊ is a line feed, ␍ and ␉",
        "are its like. NULL results and failures are promised as much as the others",
        "([contract](contract.md)).", "",
    ]  # fmt: skip
    family = None
    for row in rows:
        if row.family != family:
            family = row.family
            lines += [f"## {family.capitalize()}", ""]
        lines += function(row)
    return "\n".join(lines).rstrip() + "\n"


def all_cases() -> list[Case]:
    """Give every case of the suite, in the order of the files."""
    return [case for path in sorted(CASES.rglob("*.case")) for case in read_cases(path)]


def passing(cases: Sequence[Case]) -> str:
    """Say for each engine how many of the cases it runs as a batch and as a stream."""
    said = []
    for engine in engine_names():
        batches = [c for c in cases if c.is_batch and not gap_of(engine, "case", c.id, "batch")]
        streams = [
            c for c in cases
            if c.is_stream and not gap_of(engine, "case", c.id, "stream")
            and not gap_of(engine, "mode", "stream")
        ]  # fmt: skip
        text = f"{len(batches)} as a batch" + (f", {len(streams)} as a stream" if streams else "")
        refused = [c for c in cases if c not in batches and c not in streams]
        waiting = f" (the other {len(refused)} it refuses by name)" if refused else ""
        said.append(f"{engine} passes {text}{waiting}")
    return "; ".join(said)


def contract(page: str) -> str:
    """Give the contract's page with its cases: a line under each rule, and the list at the end."""
    cases = all_cases()
    lines: list[str] = []
    listed: list[str] = []
    pending = ""
    for line in [*page.partition(GENERATED)[0].rstrip().splitlines(), ""]:
        if line.startswith(MARK):
            continue
        if pending and not line.startswith("  "):
            lines.append(pending)
            pending = ""
        lines.append(line)
        match = RULE.match(line)
        if match is None:
            continue
        own = [case for case in cases if match[1] in case.rules]
        pending = f"{MARK} none yet.*"
        if own:
            anchor = f"cases-of-{match[1].lower()}"
            pending = f"{MARK} [{len(own)}](#{anchor}); {passing(own)}.*"
            listed += [f"### Cases of {match[1]}", "", *(f"- {case.id}" for case in own), ""]
    intro = [GENERATED, "", "Each is in `tests/conformance/cases`, by file and title.", ""]
    return "\n".join([*lines, *intro, *listed]).rstrip() + "\n"


def pages() -> dict[Path, str]:
    """Give each generated page as it should be."""
    return {
        FUNCTIONS: functions(),
        CONTRACT: contract(CONTRACT.read_text("utf-8")),
        STUB: stub(),
    }


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check them."""
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not up to date: run python tools/docs.py")
        else:
            path.write_text(pages()[path], "utf-8")
            print(f"{path.relative_to(ROOT)} written")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
