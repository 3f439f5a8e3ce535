"""The ledger of a run (L1): what was read, computed and written, and whether it balances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mainstem.engines.spec import Event
from mainstem.errors import InternalError


@dataclass(slots=True)
class Ledger:
    """Counts by source, step and sink, filled from the events of the engine.

    What only streams have (late rows, watermarks) and what later versions bring (quarantine) stands
    here from the first day as 0 or None, so that readers of the journal need no second form.
    """

    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    sinks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take what an event says."""
        facts = event.facts
        if event.kind == "source_read":
            self.sources[event.name] = {
                "read": facts["rows"], "admitted": facts["admitted"], "dead": facts["dead"],
                "skipped": facts["skipped"], "late": 0, "quarantined": 0,
                "files": facts.get("files"), "bytes": facts.get("bytes"),
                "in_place": facts["in_place"], "unknown_fields": facts.get("unknown_fields", 0),
                "position": facts.get("position", ""), "watermark": None,
            }  # fmt: skip
        elif event.kind == "step_finished":
            self.steps[event.name] = {
                "rows_in": None, "rows_out": facts["rows"], "late": 0, "dead": 0, "quarantined": 0,
                "input_watermark": None, "output_watermark": None, "seconds": facts["seconds"],
            }  # fmt: skip
        elif event.kind == "sink_staged":
            self.sinks[event.name] = {
                "offered": facts["rows"], "committed": 0, "pending": facts["rows"],
                "already_there": 0, "files": facts["files"], "bytes": facts["bytes"],
                "kind": facts["kind"], "path": facts["path"],
            }  # fmt: skip
        elif event.kind == "sink_committed":
            self.sinks[event.name] |= {"committed": facts["rows"], "pending": 0}

    def check(self) -> None:
        """Stop the run when the books do not balance.

        Raises
        ------
        InternalError
            Naming the line that does not.
        """  # noqa: DOC501 - built by a function
        for name, line in self.sources.items():
            known = line["skipped"] is not None and line["read"] is not None
            if known and line["read"] != line["admitted"] + line["dead"] + line["skipped"]:
                raise _unbalanced(f"source {name!r}", line)
        for name, line in self.sinks.items():
            if line["offered"] != line["committed"] + line["pending"] + line["already_there"]:
                raise _unbalanced(f"sink {name!r}", line)
            if line["offered"] != self.steps[name]["rows_out"]:
                raise _unbalanced(f"the edge from step {name!r} to its sink", line)

    def to_dict(self) -> dict[str, Any]:
        """Give the ledger as plain data."""
        return {"sources": self.sources, "steps": self.steps, "sinks": self.sinks}


def _unbalanced(what: str, line: dict[str, Any]) -> InternalError:
    return InternalError(
        f"the ledger of {what} does not balance: {line}", code="LedgerUnbalanced",
        fix="report it with this line; nothing was committed by this run",
    )  # fmt: skip
