"""A profile as HTML: one page without scripts, fonts or pictures from anywhere, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mainstem.engines.profile import ColumnProfile, RelationProfile
from mainstem.runtime.page import fragment as styled
from mainstem.runtime.page import page as whole_page
from mainstem.runtime.profile_words import (
    details,
    distinct,
    extent,
    heights,
    place,
    share,
    summary,
    value_text,
)

NAME = "mainstem-profile"
WIDTH, HEIGHT = 140, 28


def page(relations: Sequence[RelationProfile], made_at: str) -> str:
    """Give a whole page."""
    title = f"Profile of {', '.join(relation.name for relation in relations)}"
    return whole_page(title, fragment(relations), NAME, made_at)


def fragment(relations: Sequence[RelationProfile]) -> str:
    """Give the part of a page that a notebook shows."""
    return styled("\n".join(_section(relation) for relation in relations), NAME)


def _section(relation: RelationProfile) -> str:
    heads = "".join(
        f'<th scope="col"{name}>{text}</th>'
        for text, name in (
            ("column", ""), ("NULL", ' class="n"'), ("distinct", ' class="n"'), ("extent", ""),
            ("distribution", ""),
        )
    )  # fmt: skip
    rows = "\n".join(_row(column) for column in relation.columns)
    return (
        f"<h2>{escape(relation.name)}</h2>\n<p>{escape(summary(relation))}</p>\n{_dead(relation)}"
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n<tbody>{rows}</tbody></table>'
        "</div>"
    )


def _dead(relation: RelationProfile) -> str:
    if not relation.dead.count:
        return ""
    reasons = ", ".join(f"{reason} ({n:,})" for reason, n in relation.dead.reasons)
    places = "".join(
        f"<dt>{escape(place(one))}</dt>"
        f"<dd>{escape(str(one.get('message') or one.get('reason')))}</dd>"
        for one in relation.dead.samples
    )
    return f'<p class="bad">bad records: {escape(reasons)}</p><dl>{places}</dl>\n'


def _row(column: ColumnProfile) -> str:
    more = "".join(
        f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in details(column)
    )
    name = f"{escape(column.name)} <small>{escape(column.type)}</small>"
    if more:
        name = f"<details><summary>{name}</summary><dl>{more}</dl></details>"
    return (
        f'<tr><th scope="row">{name}</th><td class="n">{share(column.nulls, column.rows)}</td>'
        f'<td class="n">{distinct(column)}</td><td>{escape(extent(column))}</td>'
        f"<td>{_chart(column)}</td></tr>"
    )


def _chart(column: ColumnProfile) -> str:
    counts = heights(column)[:20]
    most = max(counts, default=0)
    if not most:
        return ""
    step = WIDTH / len(counts)
    bars = []
    for at, count in enumerate(counts):
        tall = 0.0 if not count else max(1.0, HEIGHT * count / most)
        bars.append(
            f'<rect x="{at * step:.1f}" y="{HEIGHT - tall:.1f}" width="{max(1.0, step - 1):.1f}" '
            f'height="{tall:.1f}"><title>{escape(_bar(column, at))}: {count:,}</title></rect>'
        )
    label = escape(f"distribution of {column.name}")
    return (
        f'<svg role="img" aria-label="{label}" width="{WIDTH}" height="{HEIGHT}">'
        f"{''.join(bars)}</svg>"
    )


def _bar(column: ColumnProfile, at: int) -> str:
    if not column.counts:
        return value_text(column, column.values[at][0])
    low, high = (value_text(column, edge) for edge in column.edges[at : at + 2])
    return f"{low} – {high}"
