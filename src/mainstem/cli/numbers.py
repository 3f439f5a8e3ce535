"""Numbers as people read them."""

from __future__ import annotations


def count(number: int) -> str:
    """Give a whole number with its thousands apart: ``336,776``."""
    return f"{number:,}"


def plural(number: int, word: str) -> str:
    """Give a count with its word: ``1 file``, ``2 files``."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def size(n_bytes: int) -> str:
    """Give a size in bytes, in units of 1000: ``31.4 MB``."""
    number = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def seconds(duration_s: float) -> str:
    """Give a span of time: ``0.34 s``, ``12.1 s``, ``3:07 min``, ``2:03:11 h``."""
    if duration_s < 10:
        return f"{duration_s:.2f} s"
    return f"{duration_s:.1f} s" if duration_s < 59.95 else whole_seconds(duration_s)


def whole_seconds(duration_s: float) -> str:
    """Give a span of time that nobody knows exactly: ``12 s``, ``3:07 min``."""
    whole = round(duration_s)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"


def rate(rows: int, duration_s: float) -> str:
    """Give rows a second: ``1.2M rows/s``; empty when it was too short to say."""
    if duration_s < 0.001 or rows <= 0:
        return ""
    number = rows / duration_s
    for unit in ("", "k", "M"):
        if number < 1000:
            return f"{number:.0f}{unit} rows/s" if not unit else f"{number:.1f}{unit} rows/s"
        number /= 1000
    return f"{number:.1f}G rows/s"
