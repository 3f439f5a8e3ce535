"""What `verify` has found as HTML: one page without scripts, fonts or pictures from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from mainstem.runtime.page import fragment as styled
from mainstem.runtime.page import page as whole_page
from mainstem.runtime.verify_compare import Part
from mainstem.runtime.verify_rows import Rows
from mainstem.runtime.verify_words import summary, verdict

if TYPE_CHECKING:
    from mainstem.runtime.verify import Verification

NAME = "mainstem-verify"


def page(found: Verification) -> str:
    """Give a whole page."""
    return whole_page(f"{found.pipeline}: {' and '.join(_names(found))}", fragment(found), NAME)


def fragment(found: Verification) -> str:
    """Give the part of a page that a notebook shows."""
    marked = "" if found.is_equal else ' class="bad"'
    parts = [
        f"<h2>{escape(found.pipeline)}</h2>\n<p{marked}>{escape(summary(found))}</p>",
        *(f"<p>{escape(note)}</p>" for note in found.notes),
        *(_failure(one.name, str(one.error)) for one in found.failed),
        _table(found),
        *(_different(part) for part in found.parts if not part.is_equal),
    ]
    return styled("\n".join(filter(None, parts)), NAME)


def _names(found: Verification) -> list[str]:
    return [one.name for one in found.engines]


def _failure(name: str, said: str) -> str:
    return f'<p class="bad">{escape(name)} failed: {escape(said)}</p>'


def _table(found: Verification) -> str:
    parts = [part for part in found.parts if part.kind != "source" or not part.is_equal]
    if not parts:
        return ""
    names = found.names
    heads = ["name", "", *(f"{n} rows" for n in names), *(f"{n} seconds" for n in names), "answer"]
    rows = []
    for part in parts:
        numbers = [_count(part.rows.get(name)) for name in names]
        numbers += [_seconds(part.seconds.get(name)) for name in names]
        mark = "" if part.is_equal else ' class="bad"'
        rows.append(
            f'<tr><th scope="row">{escape(part.name)}</th><td>{part.kind}</td>'
            + "".join(f'<td class="n">{number}</td>' for number in numbers)
            + f"<td><span{mark}>{escape(verdict(part))}</span></td></tr>"
        )
    return _scroll(heads, rows, frozenset(range(2, len(heads) - 1)))


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _different(part: Part) -> str:
    counts = "".join(f"<p>{escape(count.text())}</p>" for count in part.counts)
    where = f" <small>{escape(str(part.where))}</small>" if part.where.file else ""
    return (
        f"<h2>{escape(part.kind)} {escape(part.name)}{where}</h2>\n"
        f"<p>{escape(verdict(part))}</p>{counts}"
        + "".join(_rows(part, rows) for rows in part.differences)
    )


def _rows(part: Part, found: Rows) -> str:
    if found.said:
        return f'<p class="bad">{escape(found.said)}</p>'
    lines = [
        f'<tr><th scope="row">{escape(engine)}</th>'
        + "".join(f"<td>{_cell(value)}</td>" for value in row)
        + "</tr>"
        for engine, rows in zip(found.engines, found.only, strict=True)
        for row in rows
    ]
    told = " and ".join(
        f"{n:,} only on {engine}" for engine, n in zip(found.engines, found.counts, strict=True)
    )
    return f"<p>Rows: {escape(told)}.</p>" + _scroll(["only on", *part.columns], lines)


def _cell(value: Any) -> str:
    return "<small>NULL</small>" if value is None else escape(str(value))


def _scroll(heads: Sequence[str], rows: Sequence[str], right: frozenset[int] = frozenset()) -> str:
    cells = "".join(
        f'<th scope="col"{" class=" + chr(34) + "n" + chr(34) if at in right else ""}>'
        f"{escape(head)}</th>"
        for at, head in enumerate(heads)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{cells}</tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
