"""The ledger of a run (L1): what was read, computed and written, and whether it balances."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from mainstem.engines.spec import Event
from mainstem.errors import InternalError
from mainstem.record import mutable


@mutable
class Ledger:
    """Counts by source, step and sink, filled from the events of the engine.

    What only streams have (late rows, watermarks) stands here as 0 or None in a run over data that
    ends, so that readers of the journal need no second form.
    """

    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    sinks: dict[str, dict[str, Any]] = field(default_factory=dict)
    expectations: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Of map/reduce steps, what happened between their input and their rows.
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    replay: dict[str, Any] = field(default_factory=dict)

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
                "known": facts.get("known"), "new": facts.get("new"),
            }  # fmt: skip
            if facts.get("replay"):
                self.sources[event.name]["replay"] = facts["replay"]
            if facts.get("pages"):
                names = ("pages", "summed_pages")
                self.sources[event.name] |= {name: facts[name] for name in names}
        elif event.kind == "expectation_checked":
            self.expectations[f"{event.name}.{facts['rule']}"] = {"on": event.name, **facts}
            self._count_aside(event.name, facts["quarantined"])
        elif event.kind == "rows_kept":
            self.kept[facts["table"]] = {"on": event.name, **facts}
            if event.name in self.steps and facts["table"] == f"{event.name}__dead":
                self.steps[event.name]["dead"] = facts["rows"]
        elif event.kind == "rows_replayed":
            self.replay = {"on": event.name, **facts}
        elif event.kind == "job_finished":
            self.jobs[event.name] = dict(facts)
        elif event.kind == "step_finished":
            self.steps[event.name] = {
                "rows_in": self.jobs.get(event.name, {}).get("records"),
                "rows_out": facts["rows"], "late": 0, "dead": 0,
                "quarantined": sum(line["quarantined"] for line in self.of(event.name)),
                "input_watermark": None, "output_watermark": None, "seconds": facts["seconds"],
            }  # fmt: skip
        elif event.kind == "sink_staged":
            self.sinks[event.name] = {
                "offered": facts["rows"], "committed": 0, "pending": facts["rows"],
                "already_there": 0, "files": facts["files"], "bytes": facts["bytes"],
                "kind": facts["kind"], "path": facts["path"],
            }  # fmt: skip
        elif event.kind == "sink_already_there":
            self.sinks[event.name] = {
                "offered": facts["rows"], "committed": 0, "pending": 0,
                "already_there": facts["rows"], "files": 0, "bytes": 0, "kind": facts["kind"],
                "path": facts["path"],
            }  # fmt: skip
        elif event.kind == "sink_committed":
            already = facts.get("already_there", 0)
            self.sinks[event.name] |= {
                "committed": facts["rows"] - already, "pending": 0, "already_there": already,
            }  # fmt: skip
            if "by_key" in facts:
                self.sinks[event.name]["by_key"] = facts["by_key"]

    def _count_aside(self, name: str, quarantined: int) -> None:
        if name in self.sources:
            self.sources[name]["quarantined"] += quarantined

    def of(self, name: str) -> list[dict[str, Any]]:
        """Give the lines of the rules about a relation, in the order in which they were judged."""
        return [line for line in self.expectations.values() if line["on"] == name]

    def check(self) -> None:
        """Stop the run when the books do not balance.

        Raises
        ------
        InternalError
            Naming the line that does not.
        """  # noqa: DOC501 - built by a function
        for name, line in self.sources.items():
            # Of what was scanned in place nobody knows how much pruning skipped: that was admitted.
            parts = (line["admitted"], line["dead"], line["skipped"] or 0)
            if line["read"] is not None and line["read"] != sum(parts):
                raise _unbalanced(f"source {name!r}", line)
            kept = self.kept.get(f"{name}__dead", {"rows": 0})
            if line["dead"] != kept["rows"]:
                raise _unbalanced(f"the dead letters of {name!r}", kept)
        for name in dict.fromkeys(line["on"] for line in self.expectations.values()):
            self._check_rules(name)
        for name, line in self.jobs.items():
            self._check_job(name, line)
        self._check_replay()
        for name, line in self.sinks.items():
            by_key = line.get("by_key")
            if by_key is not None and line["offered"] != sum(by_key.values()):
                raise _unbalanced(f"the keys of sink {name!r}", line)
            if line["offered"] != line["committed"] + line["pending"] + line["already_there"]:
                raise _unbalanced(f"sink {name!r}", line)
            # What a run with this key had written is not computed again: such a line has no step.
            rows_out = self.steps[name]["rows_out"] if name in self.steps else line["already_there"]
            if line["offered"] != rows_out:
                raise _unbalanced(f"the edge from step {name!r} to its sink", line)

    def to_dict(self) -> dict[str, Any]:
        """Give the ledger as plain data."""
        return {
            "sources": self.sources, "steps": self.steps, "sinks": self.sinks,
            "expectations": self.expectations, "kept": self.kept, "replay": self.replay,
        } | ({"jobs": self.jobs} if self.jobs else {})  # fmt: skip

    def _check_job(self, name: str, line: dict[str, Any]) -> None:
        """Each record is mapped or dead, each group reduced or dead, and the dead are kept."""
        dead = line["dead_records"] + line["dead_groups"]
        kept = self.kept.get(f"{name}__dead", {"rows": 0})["rows"]
        is_whole = (
            line["records"] == line["mapped"] + line["dead_records"]
            and line["groups"] == line["reduced"] + line["dead_groups"] and dead == kept
        )  # fmt: skip
        if not is_whole:
            raise _unbalanced(f"map/reduce step {name!r}", line)

    def _check_replay(self) -> None:
        """Each row that was taken is replayed, dropped or open again, and what passed is replayed."""
        line = self.replay
        if not line:
            return
        name = line["on"]
        wrong = line["taken"] != line["replayed"] + line["dropped"] + line["again"]
        if name in self.sources:
            wrong = wrong or self.sources[name]["read"] != line["taken"]
        rules = self.of(name)
        # Records that are rows now are replayed, whatever their rules then say of them.
        judged = line["taken"] - (line["again"] if line["kind"] == "dead" else 0)
        if rules:
            wrong = wrong or rules[0]["checked"] != judged
            if line["kind"] == "quarantine":
                wrong = wrong or rules[-1]["passed"] != line["replayed"]
        if wrong:
            raise _unbalanced(f"the replay of {name!r}", line)

    def _check_rules(self, name: str) -> None:
        """Each rule checks what the one before let through, and nothing is lost on the way."""
        lines = self.of(name)
        arriving = self.sources[name]["admitted"] if name in self.sources else None
        for line in lines:
            gone = line["quarantined"] + line["dropped"]
            is_chained = arriving is None or line["checked"] == arriving
            if not is_chained or line["checked"] != line["passed"] + gone:
                raise _unbalanced(f"expectation {line['rule']!r} of {name!r}", line)
            arriving = line["passed"]
        if name in self.steps and self.steps[name]["rows_out"] != arriving:
            raise _unbalanced(f"the edge from the expectations of {name!r} to its sink", lines[-1])
        aside = sum(line["quarantined"] for line in lines)
        kept = self.kept.get(f"{name}__quarantine", {"rows": 0})
        if aside != kept["rows"]:
            raise _unbalanced(f"the quarantine of {name!r}", kept)


def _unbalanced(what: str, line: dict[str, Any]) -> InternalError:
    return InternalError(
        f"the ledger of {what} does not balance: {line}", code="LedgerUnbalanced",
        fix="report it with this line; nothing was committed by this run",
    )  # fmt: skip
