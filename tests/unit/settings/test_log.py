"""Logs go through the standard library, as text or JSON, without secrets."""

import io
import json
import logging

import pytest

from mainstem.errors import SettingsError
from mainstem.settings.log import configure, logger
from mainstem.settings.secret import remember

CANARY = 'canary "quoted" \\ value'


@pytest.fixture
def stream():
    """A stream to log into; the logger is left as it was."""
    root = logging.getLogger("mainstem")
    kept = (list(root.handlers), root.level, root.propagate)
    yield io.StringIO()
    root.handlers[:], root.level, root.propagate = kept


def test_json_line_has_time_level_logger_message_and_facts(stream):
    """One object a line, instants in UTC."""
    configure(format="json", stream=stream)
    logger("runtime").info("read %d rows", 3, extra={"source": "flights", "rows": 3})

    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info", "logger": "mainstem.runtime", "message": "read 3 rows",
        "source": "flights", "rows": 3,
    }  # fmt: skip


def test_text_line_has_facts_after_the_message(stream):
    """For people: one line, facts as key=value."""
    configure(stream=stream)
    logger("runtime").warning("slow file", extra={"path": "a.csv"})

    assert stream.getvalue().endswith(" warning mainstem.runtime: slow file path=a.csv\n")


@pytest.mark.parametrize("form", ["json", "text"])
def test_known_secret_is_masked_everywhere_in_a_record(stream, form):
    """In the message, arguments, facts, nested facts and exception; also where JSON escapes it."""
    remember(CANARY)
    configure(format=form, stream=stream)
    try:
        int(CANARY)
    except ValueError:
        logger("x").exception("a %s b", CANARY, extra={"f": {"deep": [CANARY]}, "g": CANARY})

    text = stream.getvalue()
    assert CANARY not in text
    assert json.dumps(CANARY)[1:-1] not in text
    assert text.count("***") >= 4


def test_configuring_twice_logs_once(stream):
    """A second call replaces the first one's handler and leaves those of the program alone."""
    other = logging.NullHandler()
    logging.getLogger("mainstem").addHandler(other)
    configure(stream=io.StringIO())
    configure(stream=stream)
    logger("x").info("once")

    assert stream.getvalue().count("once") == 1
    assert other in logging.getLogger("mainstem").handlers


def test_level_below_is_silent(stream):
    """Debug is not shown unless asked for."""
    configure(stream=stream)
    logger("x").debug("not shown")

    assert not stream.getvalue()


@pytest.mark.parametrize("options", [{"format": "jsno"}, {"level": "warn"}])
def test_unknown_format_or_level_names_the_nearest(options):
    """`jsno` is answered with json."""
    with pytest.raises(SettingsError, match=r"fix: write (json|warning)"):
        configure(**options)
