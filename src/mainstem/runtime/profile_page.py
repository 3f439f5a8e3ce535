"""A profile as HTML: one page without scripts, fonts or pictures from anywhere, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mainstem.engines.profile import ColumnProfile, RelationProfile
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

# Both schemes keep 4.5:1 between text and ground.
STYLE = (
    ".mainstem-profile{color-scheme:light dark;--paper:#fcfcfa;--ink:#1a1f26;--soft:#5a6472;"
    "--grid:#e4e7ea;--bar:#2f6db3;--mark:#a8391f;color:var(--ink);background:var(--paper);"
    "font:15px/1.5 system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){.mainstem-profile{--paper:#14181d;--ink:#e8ebee;"
    "--soft:#a3adb8;--grid:#2c333b;--bar:#5b9bdb;--mark:#f0907e}}"
    ".mainstem-profile h2{font-size:20px;margin:28px 0 2px}"
    ".mainstem-profile p{margin:0 0 12px;color:var(--soft)}"
    ".mainstem-profile .bad{color:var(--mark)}.mainstem-profile .scroll{overflow-x:auto}"
    ".mainstem-profile table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}"
    ".mainstem-profile th,.mainstem-profile td{padding:5px 12px 5px 0;text-align:left;"
    "vertical-align:top;border-bottom:1px solid var(--grid);color:var(--ink);background:none}"
    ".mainstem-profile thead th{color:var(--soft);font-weight:400;font-size:13px}"
    ".mainstem-profile td.n,.mainstem-profile th.n{text-align:right}"
    ".mainstem-profile svg{display:block}.mainstem-profile rect{fill:var(--bar)}"
    ".mainstem-profile summary{cursor:pointer}.mainstem-profile small{color:var(--soft)}"
    ".mainstem-profile dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;"
    "margin:6px 0;font-size:14px}.mainstem-profile dt{color:var(--soft)}"
    ".mainstem-profile dd{margin:0;overflow-wrap:anywhere}"
)
# A browser is told that the page may load nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
WIDTH, HEIGHT = 140, 28


def page(relations: Sequence[RelationProfile], made_at: str) -> str:
    """Give a whole page."""
    title = escape(f"Profile of {', '.join(relation.name for relation in relations)}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>body{{margin:0}}"
        ".mainstem-profile{min-height:100vh;padding:20px 24px 60px;box-sizing:border-box}"
        f"</style>\n</head>\n<body>\n{fragment(relations)}"
        f"<!-- {escape(made_at)} -->\n</body>\n</html>\n"
    )


def fragment(relations: Sequence[RelationProfile]) -> str:
    """Give the part of a page that a notebook shows."""
    sections = "\n".join(_section(relation) for relation in relations)
    return f'<div class="mainstem-profile"><style>{STYLE}</style>\n{sections}\n</div>\n'


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
