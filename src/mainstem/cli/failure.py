"""Errors on their way to a person or a program: text on stderr, with ``-o json`` a document too."""

from __future__ import annotations

import dataclasses
import errno
import json
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mainstem.cli.output import flush, say
from mainstem.cli.terminal import BOLD, GREEN, RED, YELLOW, Terminal, coloured, harmless
from mainstem.errors import DOCS, Finding, InternalError, MainstemError, OutsideError
from mainstem.settings.secret import masked

_LONGEST_LINE = 160
# A line of mainstem.toml that sets what sounds like a secret; its value is not repeated, as errors
# end up in the logs of others. A reference is told apart by its brace and may be shown.
_SECRET_LINE = re.compile(
    r"""^(\s*["']?[\w.-]*(?:pass|secret|token|credential|key|auth)[\w.-]*["']?\s*=\s*)(?![\s{]).*$""",
    re.IGNORECASE,
)


def report(error: MainstemError, terminal: Terminal) -> int:
    """Print an error and give its exit code."""
    if terminal.is_debug:
        print(masked("".join(traceback.format_exception(error))), file=sys.stderr, end="")
    print(findings_text(error.findings, stream=sys.stderr), file=sys.stderr)
    if terminal.is_json:
        say(json.dumps(document(error), ensure_ascii=False))
        flush()
    return error.exit_code


def document(error: MainstemError) -> dict[str, Any]:
    """Give an error as plain data."""
    findings = [
        {**f.to_dict(), "what": masked(f.what), "fix": masked(f.fix)} for f in error.findings
    ]
    kind = type(error).__name__
    return {"error": {"kind": kind, "exit_code": error.exit_code, "retry": error.retry,
                      "findings": findings}}  # fmt: skip


# What a file system refuses, whatever the program does: no rights, no room, read-only, a broken disk.
_REFUSALS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOTDIR,
    errno.ENAMETOOLONG,
}  # fmt: skip


def unexpected(error: Exception) -> MainstemError:
    """Give the error that stands for one that nobody thought of; never the user's fault.

    A file system that refuses is not ours either, wherever that comes up.
    """
    if isinstance(error, OSError) and error.filename and error.errno in _REFUSALS:
        refused = OutsideError(
            f"cannot use {str(error.filename)!r}: {error.strerror}", code="FileRefused",
            fix="give this user the right to it and the disk room, or name another place",
        )  # fmt: skip
        refused.__cause__ = error
        return refused
    found = InternalError(
        f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
        fix="run it again with --debug, and attach what it prints and the output of "
        "`mainstem doctor` to an issue",
    )
    found.__cause__ = error
    return found


def findings_text(findings: Iterable[Finding], *, stream: Any) -> str:
    """Give findings as people read them, with the user's line and the pages of the docs."""
    shown = [with_snippet(finding) for finding in findings]
    texts = [_painted(harmless(masked(finding.text())), finding, stream) for finding in shown]
    codes = dict.fromkeys(finding.code for finding in shown)
    pages = ", ".join(f"{DOCS}#{code.lower()}" for code in codes)
    return "\n".join([*texts, f"  see: {pages}"]) if pages else "\n".join(texts)


def with_snippet(finding: Finding) -> Finding:
    """Give a finding with the line that it points at, when there is one and it can be read."""
    place = finding.where
    if finding.snippet or not place.line:
        return finding
    try:
        lines = Path(place.file).read_text(encoding="utf-8-sig").splitlines()
        line = lines[place.line - 1].rstrip()
    except (OSError, UnicodeDecodeError, IndexError, ValueError):
        # The file is only quoted: that it cannot be is no second error.
        return finding
    if not line.strip() or len(line) > _LONGEST_LINE:
        return finding
    if place.file.endswith(".toml"):
        line = _SECRET_LINE.sub(r"\1***", line)
    if place.column and place.column <= len(line) + 1:
        # The tabs of the line are kept, so that the caret stands under its place.
        pad = "".join("\t" if c == "\t" else " " for c in line[: place.column - 1])
        line = f"{line}\n{pad}^"
    else:
        line = line.strip()
    return dataclasses.replace(finding, snippet=line)


def _painted(text: str, finding: Finding, stream: Any) -> str:
    colour = YELLOW if finding.severity == "warning" else RED
    first, *rest = text.split("\n")
    label, sign, what = first.partition(": ")
    lines = [f"{coloured(label, BOLD, colour, stream=stream)}{sign}{what}"]
    for line in rest:
        is_fix = line.startswith("  fix: ")
        lines.append(f"  {coloured('fix:', GREEN, stream=stream)} {line[7:]}" if is_fix else line)
    return "\n".join(lines)
