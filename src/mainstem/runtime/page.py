"""An HTML page without scripts, fonts or pictures from anywhere, light and dark."""

from __future__ import annotations

from html import escape

# Both schemes keep 4.5:1 between text and ground.
_STYLE = (
    ".NAME{color-scheme:light dark;--paper:#fcfcfa;--ink:#1a1f26;--soft:#5a6472;"
    "--grid:#e4e7ea;--bar:#2f6db3;--mark:#a8391f;color:var(--ink);background:var(--paper);"
    "font:15px/1.5 system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){.NAME{--paper:#14181d;--ink:#e8ebee;"
    "--soft:#a3adb8;--grid:#2c333b;--bar:#5b9bdb;--mark:#f0907e}}"
    ".NAME h2{font-size:20px;margin:28px 0 2px}"
    ".NAME p{margin:0 0 12px;color:var(--soft)}"
    ".NAME .bad{color:var(--mark)}.NAME .scroll{overflow-x:auto}"
    ".NAME table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}"
    ".NAME th,.NAME td{padding:5px 12px 5px 0;text-align:left;"
    "vertical-align:top;border-bottom:1px solid var(--grid);color:var(--ink);background:none}"
    ".NAME thead th{color:var(--soft);font-weight:400;font-size:13px}"
    ".NAME td.n,.NAME th.n{text-align:right}"
    ".NAME svg{display:block}.NAME rect{fill:var(--bar)}"
    ".NAME summary{cursor:pointer}.NAME small{color:var(--soft)}"
    ".NAME dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;"
    "margin:6px 0;font-size:14px}.NAME dt{color:var(--soft)}"
    ".NAME dd{margin:0;overflow-wrap:anywhere}"
)
# A browser is told that the page may load nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, part: str, name: str, note: str = "") -> str:
    """Give a whole page.

    Parameters
    ----------
    title : str
        Plain text; it is escaped here.
    part : str
        HTML of `fragment`.
    name : str
        The class that was given to it.
    note : str, optional
        Plain text for who reads the page's source.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>body{{margin:0}}"
        f".{name}{{min-height:100vh;padding:20px 24px 60px;box-sizing:border-box}}"
        f"</style>\n</head>\n<body>\n{part}"
        f"<!-- {escape(note)} -->\n</body>\n</html>\n"
    )


def fragment(body: str, name: str) -> str:
    """Give the part of a page that a notebook shows too; its style is that of its class alone."""
    return f'<div class="{name}"><style>{_STYLE.replace("NAME", name)}</style>\n{body}\n</div>\n'
