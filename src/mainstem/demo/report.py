"""A report: figures and plots, as one HTML file without scripts or network or as terminal text.

Pure: values in, text out. Both demos build a `Report` and print it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mainstem.demo.plots import Bars, Plot, Table
from mainstem.record import record


@record
class Figure:
    """A headline number, such as ``Figure("cancelled", "8,255", "2.5 % of all")``."""

    label: str
    value: str
    note: str = ""


@record
class Report:
    """What a run found.

    Parameters
    ----------
    title, lead : str
        Heading and the answer in a sentence or two.
    figures : tuple of Figure
        Headline numbers.
    plots : tuple of Plot
        In reading order.
    source : str
        Where the data is from and how the numbers were made.
    """

    title: str
    lead: str
    figures: tuple[Figure, ...]
    plots: tuple[Plot, ...]
    source: str


# Both schemes keep 4.5:1 between text and ground, on the cells of heat maps too (tested).
# One hue for one meaning: the further a value, the further the colour from the ground.
LIGHT = (
    "--paper:#fcfcfa;--card:#ffffff;--ink:#1a1f26;--soft:#5a6472;--grid:#e4e7ea;--axis:#9aa3ad;"
    "--bar:#2f6db3;--mark:#a8391f;"
    "--q0:#eef4fa;--q1:#d3e3f3;--q2:#adcbe8;--q3:#84b1db;--q4:#5f97cf;--q5:#2f659f;--q6:#16436f;"
    "--q0t:#1a1f26;--q1t:#1a1f26;--q2t:#1a1f26;--q3t:#1a1f26;--q4t:#06131f;--q5t:#ffffff;--q6t:#ffffff"
)
DARK = (
    "--paper:#14181d;--card:#1b2027;--ink:#e8ebee;--soft:#a3adb8;--grid:#2c333b;--axis:#66707b;"
    "--bar:#5b9bdb;--mark:#f0907e;"
    "--q0:#222b35;--q1:#23405c;--q2:#2a587f;--q3:#336f9f;--q4:#5b9bdb;--q5:#8dbdee;--q6:#c4def8;"
    "--q0t:#e8ebee;--q1t:#ffffff;--q2t:#ffffff;--q3t:#ffffff;--q4t:#06131f;--q5t:#06131f;--q6t:#06131f"
)
CELLS = "".join(f".q{k}{{fill:var(--q{k})}}.q{k}t{{fill:var(--q{k}t)}}" for k in range(7))
DRAWING = (
    "svg text{font:13px system-ui,sans-serif;fill:var(--ink)}"
    "svg .muted{font-size:12px;font-weight:400;fill:var(--soft)}svg text.value{font-weight:600}"
    "svg text.on{font-size:12px}.bar{fill:var(--bar)}.dot{fill:var(--mark)}.hit{fill:transparent}"
    ".hit:hover{fill:var(--bar)}.line{fill:none;stroke:var(--bar);stroke-width:1.6}"
    ".grid{stroke:var(--grid)}.axis{stroke:var(--axis)}g:hover>.bar{opacity:.8}"
    + CELLS.replace(".q", "svg .q")
)
SCHEMES = (
    f":root{{color-scheme:light dark;{LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}"
)
PAGE = (
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}main{max-width:880px;margin:0 auto;padding:32px 20px 64px}"
    "h1{font-size:30px;line-height:1.2;margin:0 0 8px}h2{font-size:19px;margin:0 0 2px}"
    "p{margin:0 0 12px;max-width:68ch}.soft,footer{color:var(--soft)}.lead{font-size:18px}"
    "dl{display:grid;grid-template-columns:repeat(3,1fr);gap:12px;margin:24px 0}"
    "@media(max-width:600px){dl{grid-template-columns:repeat(2,1fr)}}"
    "dl div,section{background:var(--card);border:1px solid var(--grid);border-radius:10px}"
    "dl div{padding:12px 16px;display:flex;flex-direction:column}"
    "dt{color:var(--soft);font-size:14px}"
    "dd{margin:0;font-size:14px;color:var(--soft)}"
    "dd.big{font-size:26px;font-weight:650;color:var(--ink);line-height:1.25;white-space:nowrap}"
    "section{padding:20px;margin:0 0 20px}.scroll{overflow-x:auto}"
    ".scroll svg{display:block;width:100%;min-width:600px;height:auto}"
    "summary{cursor:pointer;color:var(--soft);padding:6px 0}"
    "details .scroll{max-height:420px;overflow:auto}"
    "table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}"
    "th,td{padding:3px 12px;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid var(--grid)}"
    "tr>:first-child{text-align:left}"
    "thead th{color:var(--soft);position:sticky;top:0;background:var(--card)}"
    "tbody th{font-weight:400}:focus-visible{outline:2px solid var(--bar);outline-offset:2px}"
)
# The page may load nothing from anywhere, and a browser is told so.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(report: Report) -> str:
    """Give the report as one self-contained HTML page, light and dark."""
    sections = (_section(number, plot) for number, plot in enumerate(report.plots, 1))
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(report.title)}</title>",
            f"<style>{SCHEMES}{PAGE}{DRAWING}</style>\n</head>\n<body>\n<main>",
            f'<h1>{escape(report.title)}</h1>\n<p class="lead">{escape(report.lead)}</p>',
            "<dl>" + "".join(_figure(figure) for figure in report.figures) + "</dl>",
            *sections,
            f"<footer><p>{escape(report.source)}</p></footer>\n</main>\n</body>\n</html>\n",
        ]
    )


def to_picture(plot: Plot) -> str:
    """Give one plot as an SVG file of its own, for a README; light and dark."""
    ground = '<rect width="100%" height="100%" fill="var(--paper)"/>'
    style = f"<style>{SCHEMES}{DRAWING}</style>{ground}"
    head, rest = plot.svg().split(">", 1)
    return f"{head}>{style}{rest}\n"


def _figure(figure: Figure) -> str:
    note = f"<dd>{escape(figure.note)}</dd>" if figure.note else ""
    label, value = escape(figure.label), escape(figure.value)
    return f'<div><dt>{label}</dt><dd class="big">{value}</dd>{note}</div>'


def _section(number: int, plot: Plot) -> str:
    title = escape(plot.title)
    # What scrolls sideways must be reachable by keyboard, and then needs a name.
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{title}: '
    return (
        f'<section aria-labelledby="plot-{number}">\n<h2 id="plot-{number}">{title}</h2>\n'
        f'<p class="soft">{escape(plot.note)}</p>\n{scroll}drawing">{plot.svg()}</div>\n'
        f'<details><summary>The numbers as a table</summary>{scroll}table">'
        f"{_table(plot.table())}</div></details>\n</section>"
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = "".join(map(_row, table.rows))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(cells: tuple[str, ...]) -> str:
    first, *rest = map(escape, cells)
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'


def to_text(report: Report, *, width: int = 80, charts: int = 1, blocks: bool = True) -> str:
    """Give the figures and the first bar charts as plain text.

    Parameters
    ----------
    width : int
        Columns of the terminal.
    charts : int
        How many of the report's bar charts are drawn.
    blocks : bool
        Whether the terminal can show block characters; ``#`` otherwise.
    """
    bars = [plot for plot in report.plots if isinstance(plot, Bars)][:charts]
    parts = [report.title, "", _figures_text(report.figures)]
    parts += [f"\n{plot.title}\n{bars_text(plot, width=width, blocks=blocks)}" for plot in bars]
    return "\n".join(parts) + "\n"


def _figures_text(figures: Sequence[Figure]) -> str:
    label = max(len(f.label) for f in figures)
    value = max(len(f.value) for f in figures)
    lines = (f"  {f.label:<{label}}  {f.value:>{value}}  {f.note}" for f in figures)
    return "\n".join(line.rstrip() for line in lines)


def bars_text(plot: Bars, *, width: int = 80, blocks: bool = True) -> str:
    """Give a bar chart as lines of text; the longest bar takes what the words leave."""
    values = [plot.unit.text(value) for _, value, _ in plot.rows]
    label = max(len(name) for name, _, _ in plot.rows)
    value = max(map(len, values))
    room = max(10, min(50, width - label - value - 6))
    top = plot.top or max((v or 0 for _, v, _ in plot.rows), default=0) or 1
    lines = []
    for (name, number, _), text in zip(plot.rows, values, strict=True):
        bar = _bar((number or 0) / top * room, blocks=blocks)
        lines.append(f"  {name:>{label}}  {text:>{value}}  {bar}".rstrip())
    return "\n".join(lines)


def _bar(length: float, *, blocks: bool) -> str:
    """Give a bar of `length` characters; block characters show eighths."""
    if not blocks:
        return "#" * round(length)
    eighths = round(length * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
