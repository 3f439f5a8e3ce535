"""Every error that Mainstem raises, and the places they point at.

The tree, with the exit code of the command line::

    MainstemError
    ├── DefinitionError      2   nothing has run: names, types, SQL, windows, order
    │   └── CheckFailed      2   all findings of a check at once
    ├── SettingsError        2   mainstem.toml, options, environment, secrets, missing packages
    ├── UnsupportedError     3   a right pipeline that this engine (or this version) cannot run
    ├── OutsideError         4   a file, server or sink outside of us; `retry` says whether to try again
    │   └── BusyError        4   in use by somebody else right now: try again
    ├── EngineError          5   the engine refused or died; its own words are kept
    ├── DataError            6   bad rows, a failing expression, a schema that does not fit
    ├── StateError           7   the state directory: locked, changed, damaged
    ├── InternalError       70   our fault; says what to attach
    └── Stopped            130   Ctrl-C; nothing half visible is left
        └── Terminated     143   the same after SIGTERM

A message gives the value it got, the place with file and line, and a fix that can be typed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mainstem.record import record

DOCS = "docs/errors.md"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a user's file: `line` and `column` count from 1; 0 means unknown."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file or "<sql>"]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


NOWHERE = Place()


@record
class Finding:
    """One thing that a check found, printable on its own.

    Parameters
    ----------
    code : str
        Stable name, such as ``ColumnNotFound``; also the anchor in docs/errors.md.
    what : str
        What happened, with the offending value.
    where : Place
        File, line and column of the user's text.
    fix : str
        Something that can be typed or edited; empty when there is none.
    severity : str
        ``"error"`` or ``"warning"``.
    step : str
        Name of the pipeline step; empty outside of one.
    snippet : str
        The user's line with a caret under the place; may be empty.
    """

    code: str
    what: str
    where: Place = NOWHERE
    fix: str = ""
    severity: str = "error"
    step: str = ""
    snippet: str = ""

    def text(self) -> str:
        """Give the finding as the lines that a person reads."""
        label = f"{self.code}: {self.what}"
        if self.severity == "warning":
            label = f"warning {label}"
        lines = [label]
        if self.where != NOWHERE or self.step:
            # Without a place the step is all there is to name.
            step = f"step {self.step!r}" if self.step else ""
            place = "" if self.where == NOWHERE else str(self.where)
            lines.append(
                f"  at:  {place} ({step})" if place and step else f"  at:  {place or step}"
            )
        lines += [f"       {line}" for line in self.snippet.splitlines()]
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give the finding as plain data for ``-o json``."""
        return {
            "code": self.code, "severity": self.severity, "what": self.what, "step": self.step,
            "file": self.where.file, "line": self.where.line, "column": self.where.column,
            "fix": self.fix,
        }  # fmt: skip


class MainstemError(Exception):
    """Root of the tree.

    Parameters
    ----------
    what : str
        What happened, with the value.
    where : Place, optional
        Where in the user's files.
    fix : str, optional
        What to type or edit.
    code : str, optional
        Stable name; the class name when not given.
    **attributes
        Typed facts for programs, kept in `attributes`.
    """

    exit_code: ClassVar[int] = 1
    retry: ClassVar[bool] = False

    def __init__(
        self, what: str, *, where: Place = NOWHERE, fix: str = "", code: str = "", step: str = "",
        **attributes: Any,
    ) -> None:  # fmt: skip
        self.finding = Finding(code or type(self).__name__, what, where, fix, step=step)
        self.attributes = attributes
        super().__init__(self.finding.text())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Give everything there is to say; one finding unless the class holds several."""
        return (self.finding,)

    def __str__(self) -> str:
        codes = dict.fromkeys(f.code for f in self.findings)
        pages = ", ".join(f"{DOCS}#{code.lower()}" for code in codes)
        return "\n".join([*(f.text() for f in self.findings), f"  see: {pages}"])


class DefinitionError(MainstemError, ValueError):
    """The definition is wrong; nothing has run."""

    exit_code = 2


class CheckFailed(DefinitionError):
    """Everything that a check found, errors first."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        ordered = sorted(findings, key=lambda f: (f.severity != "error", f.where))
        super().__init__(ordered[0].what if ordered else "nothing found")
        self._findings = tuple(ordered)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Give all findings, errors first, then by place."""
        return self._findings


class SettingsError(MainstemError, ValueError):
    """Settings, options, environment variables, secrets or missing packages."""

    exit_code = 2


class UnsupportedError(MainstemError, NotImplementedError):
    """The pipeline is right, but this engine or this version cannot run it."""

    exit_code = 3


class OutsideError(MainstemError, OSError):
    """A file, server or sink outside of Mainstem failed."""

    exit_code = 4

    def __str__(self) -> str:
        # OSError.__str__ would print errno fields that we never set.
        return MainstemError.__str__(self)


class BusyError(OutsideError):
    """Something outside is in use by another process; trying again makes sense."""

    retry = True


class EngineError(MainstemError, RuntimeError):
    """The engine refused a program or died; the engine's own words are in the message."""

    exit_code = 5


class DataError(MainstemError, ValueError):
    """Data that breaks its declaration or an expression that fails on a row."""

    exit_code = 6


class StateError(MainstemError, RuntimeError):
    """The state directory is locked, damaged or belongs to something else."""

    exit_code = 7


class InternalError(MainstemError, RuntimeError):
    """A fault of Mainstem's own."""

    exit_code = 70


class Stopped(MainstemError):
    """A run that was stopped by Ctrl-C; its outputs are as they were before."""

    exit_code = 130
    retry = True


class Terminated(Stopped):
    """A run that was stopped by SIGTERM."""

    exit_code = 143


def nearest(name: str, names: Iterable[str]) -> str:
    """Give the name closest to `name`, or "" when none is close."""
    known = list(dict.fromkeys(names))
    lowered = {n.lower(): n for n in known}
    if name.lower() in lowered:
        return lowered[name.lower()]
    # Only for a message: it is more than a millisecond of every start.
    import difflib

    close = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[close[0]] if close else ""


def listing(names: Iterable[str], *, limit: int = 12) -> str:
    """Give names as one readable line, cut after `limit`."""
    known = list(names)
    shown = ", ".join(known[:limit])
    return f"{shown}, … ({len(known)} in all)" if len(known) > limit else shown


@dataclass(slots=True)
class Findings:
    """Collects findings so that a check can report all of them at once."""

    items: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Keep a finding once; the same text at the same place is not repeated."""
        if finding not in self.items:
            self.items.append(finding)

    @property
    def errors(self) -> list[Finding]:
        """Give the findings that stop a run."""
        return [f for f in self.items if f.severity == "error"]

    def raise_errors(self) -> None:
        """Raise one `CheckFailed` with everything when there is any error."""
        if self.errors:
            raise CheckFailed(self.items)
