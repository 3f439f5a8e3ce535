"""Rows kept aside, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mainstem.cli.numbers import count, plural
from mainstem.cli.table import aligned, table
from mainstem.cli.terminal import harmless
from mainstem.cli.values import text

if TYPE_CHECKING:
    from mainstem.engines.embedded.judging.aside import Counted
    from mainstem.runtime.aside import Explained, Preview

# How much of a value a table shows.
LONGEST = 60
# Columns that every shown row has the same of, or that only programs want.
_HIDDEN = ("__at", "__status", "__offset", "__header", "__rows", "__closed_by", "__row")


def raw_text(raw: bytes, most: int = LONGEST) -> str:
    """Give bytes so that a terminal shows them and does nothing else."""
    # A backslash of the data is doubled, so that one which spells out a byte is told apart.
    plain = raw[: most + 1].replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")
    shown = harmless(plain.replace("\n", "\\n").replace("\t", "\\t"))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def counted_text(lines: Iterable[Counted]) -> str:
    """Give the counts of rows kept aside."""
    heads = ("relation", "kind", "rule or reason", "open", "replayed", "dropped", "first run",
             "last run")  # fmt: skip
    rows = [
        (line.relation, line.kind, line.why, count(line.open), count(line.replayed),
         count(line.dropped), line.first_run, line.last_run)
        for line in lines
    ]  # fmt: skip
    return table(heads, rows, right=(3, 4, 5))


def shown_text(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Give rows kept aside as a table: the columns that tell most, values cut."""
    kept = [at for at, name in enumerate(names) if name not in _HIDDEN]
    heads = [names[at].lstrip("_") for at in kept]
    return table(heads, [[_cell(names[at], row[at]) for at in kept] for row in rows])


def _cell(name: str, value: Any) -> str | None:
    if name == "__path" and isinstance(value, str) and len(value) > LONGEST:
        # The end of a path tells more than its beginning.
        return f"…{value[1 - LONGEST :]}"
    return _value(value)


def _value(value: Any) -> str | None:
    if isinstance(value, bytes | bytearray | memoryview):
        return raw_text(bytes(value))
    if value is None:
        return None
    shown = text(value)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def preview_text(shown: Preview) -> str:
    """Give what a replay would do."""
    lines = [("taken", plural(shown.taken, "row"), f"of {shown.request.table}")]
    if shown.passing:
        lines.append(("pass", plural(shown.passing, "row"), f"into {', '.join(shown.tables)}"))
    lines += [("fail again", plural(n, "row"), rule) for rule, n in shown.failing.items()]
    if shown.dropped:
        lines.append(("dropped", plural(shown.dropped, "row"), "by a rule"))
    lines += [("stay", plural(n, "row"), why) for why, n in shown.staying.items()]
    return f"a replay would have\n{aligned(lines, right=(1,))}"


def explained_text(found: Explained) -> str:
    """Give everything about one row."""
    lines = [("row", f"{found.id} of {found.relation}__{found.kind}, {found.status}")]
    lines.append(("kept", f"by run {found.run_id}, {found.at}"))
    if found.tries:
        lines.append(("tries", f"{plural(found.tries, 'replay')} judged it again"))
    if found.closed_by:
        lines.append(("closed", f"by {found.closed_by}"))
    word = "rule" if found.kind == "quarantine" else "reason"
    about = f" ({', '.join(found.looks_at)})" if found.looks_at else ""
    lines.append((word, f"{found.why}{about}"))
    if found.message:
        lines.append(("message", found.message))
    if found.text_then:
        lines.append(("then", found.text_then))
    if found.text_now and found.text_now != found.text_then:
        lines.append(("now", found.text_now))
    if found.where.file:
        lines.append(("declared", str(found.where)))
    lines += _place(found)
    shown = {name: value for name, value in found.values.items() if name != "raw"}
    lines += [(f"  {name}", _value(value) or "NULL") for name, value in shown.items()]
    if "raw" in found.values:
        lines.append(("bytes", raw_text(bytes(found.values["raw"]), 400)))
    return aligned([*lines, ("a replay", found.now)], indent="")


def _place(found: Explained) -> list[tuple[str, str]]:
    if found.path is None and found.row is None:
        return []
    parts = [found.path or "", f"row {found.row}"]
    if found.line is not None:
        parts.append(f"line {found.line}, byte {found.offset}")
    return [("from", ", ".join(filter(None, parts)))]
