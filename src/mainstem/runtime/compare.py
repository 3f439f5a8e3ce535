"""What changed between the last run and a plan, for `mainstem plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mainstem.plan.nodes import Plan
from mainstem.record import record
from mainstem.runtime.fingerprints import described
from mainstem.runtime.journal import RunRecord, read, records


@record
class Change:
    """A part of the plan (``source``, ``step``): ``added``, ``removed``, ``changed`` or ``same``.

    `before` and `after` are the texts of a step, or the schemas of a source.
    """

    part: str
    name: str
    change: str
    before: str = ""
    after: str = ""
    fields: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the change as plain data for ``-o json``."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@record
class Comparison:
    """A plan beside the last run that committed; `last` is None when there was none."""

    last: RunRecord | None
    changes: tuple[Change, ...]

    @property
    def has_changed(self) -> bool:
        """Say whether anything is not the same."""
        return any(c.change != "same" for c in self.changes)


def compare(plan: Plan, state_dir: Path) -> Comparison:
    """Compare a plan with the last run that committed in `state_dir`."""
    done = [r for r in records(read(state_dir).entries) if r.is_committed]
    last = done[-1] if done else None
    before: dict[str, Any] = last.plan if last else {}
    after = described(plan)
    changes = [
        *_changes("source", before.get("sources", {}), after["sources"]),
        *_changes("step", before.get("steps", {}), after["steps"]),
    ]
    return Comparison(last, tuple(changes))


def _changes(part: str, before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    found = [_change(part, name, before.get(name), facts) for name, facts in after.items()]
    gone = [name for name in before if name not in after]
    return found + [Change(part, name, "removed", before[name]["text"]) for name in gone]


def _change(part: str, name: str, before: dict[str, Any] | None, after: dict[str, Any]) -> Change:
    if before is None:
        return Change(part, name, "added", "", after["text"])
    if before["fingerprint"] == after["fingerprint"]:
        return Change(part, name, "same", before["text"], after["text"])
    fields = [k for k in after if k != "fingerprint" and before.get(k) != after[k]]
    return Change(part, name, "changed", before["text"], after["text"], tuple(fields))
