"""Logging through the standard library, under ``mainstem.*``.

The library only asks for loggers; whoever runs it decides where records go. `configure` is what the
command line does, and what a program of yours may do.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO, Any, Literal

from mainstem.errors import SettingsError, nearest
from mainstem.settings.secret import masked

ROOT = "mainstem"
FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

# What every record has; anything else came from `extra=` and is a fact of ours.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def logger(name: str) -> logging.Logger:
    """Give the logger ``mainstem.<name>``."""
    return logging.getLogger(f"{ROOT}.{name}")


class TextFormatter(logging.Formatter):
    """One line for people: time, level, logger, message, facts; secrets masked."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as text."""
        facts = "".join(f" {key}={_plain(value)}" for key, value in _facts(record).items())
        line = f"{_at(record)} {record.levelname.lower():7} {record.name}: {record.getMessage()}"
        return masked(line + facts + self._trace(record))

    def _trace(self, record: logging.LogRecord) -> str:
        return "\n" + self.formatException(record.exc_info) if record.exc_info else ""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message and the facts given as ``extra=``."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one line of JSON."""
        entry: dict[str, Any] = {
            "time": _at(record), "level": record.levelname.lower(), "logger": record.name,
            "message": masked(record.getMessage()),
        }  # fmt: skip
        entry |= {key: _plain(value) for key, value in _facts(record).items() if key not in entry}
        if record.exc_info:
            entry["exception"] = masked(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Mask inside of the value: masking the line would miss a secret that JSON escapes."""
    if isinstance(value, dict):
        return {masked(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return masked(str(value))


def _at(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _USUAL}


class _Handler(logging.StreamHandler[Any]):
    """Ours, so that a second `configure` replaces it and leaves the program's own handlers."""


def configure(
    *, format: Literal["text", "json"] = "text", level: str = "info", stream: IO[str] | None = None
) -> None:
    """Send the records of ``mainstem.*`` to a stream.

    Parameters
    ----------
    format : str
        ``text`` or ``json``.
    level : str
        ``debug``, ``info``, ``warning`` or ``error``.
    stream : file object, optional
        Standard error when absent.

    Raises
    ------
    SettingsError
        For a format or level of another name.
    """
    _one_of("log format", format, FORMATS)
    _one_of("log level", level, LEVELS)
    root = logging.getLogger(ROOT)
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(old)
    handler = _Handler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root.addHandler(handler)
    root.setLevel(level.upper())
    root.propagate = False


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        close = nearest(value, known)
        raise SettingsError(
            f"no {what} {value!r} (known: {', '.join(known)})", code="OptionType",
            fix=f"write {close}" if close else f"write {known[0]}",
        )  # fmt: skip
