"""The report: numbers stay true on their way into SVG, HTML and text, and people can read them."""

import re
from html.parser import HTMLParser

import pytest

from mainstem.demo.plots import COUNT, MINUTES, PERCENT, Bars, Heat, Line, Unit
from mainstem.demo.report import (
    DARK,
    LIGHT,
    Figure,
    Report,
    bars_text,
    to_html,
    to_picture,
    to_text,
)

NAMES = ("weather", "late", "flights")
BARS = Bars(
    "By weather",
    "A note.",
    NAMES,
    (("rain", 50.0, "10 flights"), ("dry", 25.0, "20 flights")),
    PERCENT,
)
LINE = Line(
    "By hour",
    "A note.",
    ("hour", "delay", "flights"),
    (("05", 1.0, "a"), ("06", None, "b"), ("07", 2.0, "c"), ("08", 4.0, "d")),
    ((0, "05"),),
    4.0,
    MINUTES,
    ((3, "worst"),),
)
HEAT = Heat(
    "By route", "A note.", "route", ("A", "B"), ("1", "2"), ((10.0, None), (45.0, 27.5)), 10.0, 45.0
)
REPORT = Report(
    "A title",
    "The answer.",
    (Figure("flights", "336,776", "in the file"),),
    (BARS, LINE, HEAT),
    "Data: x",
)


class Page(HTMLParser):
    """Collects elements, and fails on a tag that closes another one."""

    VOID = frozenset({"meta"})

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.stack = []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        """Keep the element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Keep the element, which has no end."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """See that it closes the last one."""
        assert self.stack.pop() == tag

    def all(self, tag):
        """Give the attributes of all elements called `tag`."""
        return [attrs for name, attrs in self.elements if name == tag]


def lengths(svg):
    """The lengths of the bars, from the axis to the end of the rounding."""
    found = re.findall(r'class="bar" d="M[\d.]+ [\d.]+h([\d.]+)q([\d.]+)', svg)
    return [float(flat) + float(rounding) for flat, rounding in found]


def test_bar_is_as_long_as_its_value():
    """Half the value is half the length; the largest fills the room."""
    full, half = lengths(BARS.svg())

    assert full == pytest.approx(2 * half, abs=0.2)
    assert full == pytest.approx(360, abs=0.2)


def test_bar_of_zero_and_of_nothing_have_no_length():
    """Nothing is drawn, and nothing is divided by zero."""
    plot = Bars("t", "n", NAMES, (("a", 0.0, ""), ("b", None, "")))

    assert lengths(plot.svg()) == [0.0, 0.0]
    assert plot.table().rows == (("a", "0", ""), ("b", "–", ""))


def test_line_is_broken_where_a_value_is_missing():
    """05 stands alone, 07 and 08 are joined: nothing is drawn across 06."""
    paths = re.findall(r'class="line" d="M([^"]+)"', LINE.svg())

    assert [len(path.split("L")) for path in paths] == [1, 2]


def test_line_puts_the_top_value_at_the_top():
    """4 of 4 is at y = 12, 1 of 4 is three quarters of 220 lower."""
    paths = re.findall(r'class="line" d="M([^"]+)"', LINE.svg())

    assert [point.split()[1] for path in paths for point in path.split("L")] == [
        "177.0",
        "122.0",
        "12.0",
    ]


def test_axis_labels_are_the_values_at_their_height():
    """Quarters of 30 are 7.5 and 22.5, and are not rounded."""
    line = Line("t", "n", NAMES, (("a", 1.0, ""),), (), 30.0)

    labels = re.findall(r'class="muted">([\d.]+)</text>', line.svg())

    assert labels == ["0.0", "7.5", "15.0", "22.5", "30.0"]


@pytest.mark.parametrize(
    ("value", "step"), [(9.0, 0), (10.0, 0), (14.9, 0), (15.0, 1), (44.9, 6), (45.0, 6), (99.0, 6)]
)
def test_heat_has_equal_steps_from_low_to_high(value, step):
    """Seven steps of 5 from 10 to 45; what lies outside has the end colour."""
    assert HEAT.step(value) == step


def test_heat_leaves_a_missing_cell_empty():
    """Three of four cells have a value, and the table says which one has none."""
    assert len(re.findall(r"<rect class=\"q\d\" x=\"[\d.]+\" y=\"\d+\" rx", HEAT.svg())) == 3
    assert HEAT.table().rows == (("A", "10", "–"), ("B", "45", "28"))


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (PERCENT, 26.56, "26.6 %"),
        (MINUTES, -0.04, "0.0 min"),
        (COUNT, 336776, "336,776"),
        (Unit(" €", 2), 2.5, "2.50 €"),
    ],
)
def test_unit_writes_values_for_people(unit, value, text):
    """Thousands are grouped; digits are those of the unit."""
    assert unit.text(value) == text


def test_page_is_well_formed_and_loads_nothing():
    """Every tag is closed in order; no address, script, or style from elsewhere."""
    text = to_html(REPORT)
    page = Page(text)

    assert {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe"} == set()
    assert {attrs["xmlns"] for attrs in page.all("svg")} == {"http://www.w3.org/2000/svg"}
    names = r'http-equiv|xmlns="http://www\.w3\.org/2000/svg"'
    assert re.findall(r"http|url\(|@import|src=", re.sub(names, "", text)) == []
    assert "default-src 'none'" in page.all("meta")[1]["content"]


def test_each_plot_has_a_name_and_its_table():
    """Who cannot see the drawing reads the same numbers, under scoped headings."""
    page = Page(to_html(REPORT))

    assert [attrs["aria-label"] for attrs in page.all("svg")] == [
        "By weather",
        "By hour",
        "By route",
    ]
    assert len(page.all("table")) == len(page.all("details")) == 3
    assert all(attrs.get("scope") in ("row", "col") for attrs in page.all("th"))
    assert ("html", {"lang": "en"}) in page.elements


def test_text_of_data_is_escaped():
    """A label from data is text, in the drawing, in the table and in the headline."""
    bad = '<b onclick="x">&'
    plot = Bars(bad, bad, (bad, bad, bad), ((bad, 1.0, bad),))
    page = Page(to_html(Report(bad, bad, (Figure(bad, bad, bad),), (plot,), bad)))

    assert page.all("b") == []


def luminance(colour):
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Contrast of WCAG 2.2: 1 for equal colours, 21 for black on white."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme):
    """4.5:1 for text on what it stands on, 3:1 for bars and marks on the card."""
    colours = dict(re.findall(r"--(\w+):(#[0-9a-f]{6})", scheme))
    texts = [("ink", "card"), ("ink", "paper"), ("soft", "card"), ("soft", "paper")]
    texts += [(f"q{k}t", f"q{k}") for k in range(7)]

    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert {pair for pair in texts if contrast(*(colours[c] for c in pair)) < 4.5} == set()
    assert {c for c in ("bar", "mark") if contrast(colours[c], colours["card"]) < 3} == set()
    steps = [contrast(colours[f"q{k}"], colours["card"]) for k in range(7)]
    assert steps == sorted(steps)


def test_picture_stands_alone():
    """One plot as a file of its own carries its colours."""
    text = to_picture(HEAT)

    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "prefers-color-scheme:dark" in text
    Page(text)


def test_text_bars_fit_the_terminal_and_are_in_proportion():
    """40 columns: labels and values take 4 + 6 + 6, the longest bar the 24 that are left."""
    lines = bars_text(BARS, width=40).splitlines()

    assert lines == ["  rain  50.0 %  " + "█" * 24, "   dry  25.0 %  " + "█" * 12]
    assert bars_text(BARS, width=40, blocks=False).splitlines()[1] == "   dry  25.0 %  " + "#" * 12


def test_text_has_figures_and_the_first_charts():
    """The title, the figures in columns, and as many bar charts as asked for."""
    assert to_text(REPORT, charts=0) == "A title\n\n  flights  336,776  in the file\n"
    assert "By weather" in to_text(REPORT, charts=1)
