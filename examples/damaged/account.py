"""Lay what was found beside what was done: each fault, where it was found, and every false alarm."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from damage import Fault

import mainstem as ms

# Where each kind has to be found: the reason of its dead letter, or the rule that quarantines it.
DEAD = {
    "cut_line": {"FieldCount"},
    "extra_field": {"FieldCount"},
    "lost_line_end": {"FieldCount"},
    "wrong_type": {"WrongValue"},
    "too_large": {"WrongValue", "OutOfRange"},
    "not_an_instant": {"WrongValue"},
    "bad_utf8": {"NotUtf8"},
    "missing_value": {"NullValue"},
}
QUARANTINED = {
    "impossible_month": {"month"},
    "impossible_day": {"day"},
    "impossible_time": {"clock"},
    "impossible_value": {"distance", "air_time"},
    "swapped_columns": {"origin"},
    "unknown_carrier": {"carrier"},
    "unknown_airport": {"dest"},
    "broken_tail": {"tail"},
    "duplicate": {"once"},
}
WARNED = "unknown_plane"


@dataclass(frozen=True)
class Aside:
    """A record that was kept aside, with where it lies and why it is there."""

    row: int
    why: str
    content: tuple[Any, ...]
    line: int = 0
    offset: int = -1
    raw: bytes = b""


@dataclass(frozen=True)
class Found:
    """What one run found: its ledger, what it kept aside, and the planes that no register knows."""

    ledger: dict[str, Any]
    dead: tuple[Aside, ...]
    quarantine: tuple[Aside, ...]
    unregistered: dict[str, int]

    @property
    def warned(self) -> int:
        """Give how many flights have a plane that is not in the register."""
        lines = self.ledger["expectations"].values()
        return next(line["warned"] for line in lines if line["rule"] == "plane")


@dataclass
class Account:
    """The books: for each kind how many were done and found, and what was found beside them."""

    injected: Counter = field(default_factory=Counter)
    found: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    lost: list[Fault] = field(default_factory=list)
    false_alarms: list[Aside] = field(default_factory=list)
    in_sound: list[Aside] = field(default_factory=list)
    warned_in_sound: int = 0
    wrong_warnings: int = 0

    @property
    def is_balanced(self) -> bool:
        """Say whether every fault was found, where it should be, and nothing else."""
        return not self.lost and not self.false_alarms and not self.wrong_warnings

    def __str__(self) -> str:
        lines = [f"{'fault':<18} {'injected':>8} {'found':>6}  where"]
        for kind, number in sorted(self.injected.items()):
            where = ", ".join(f"{why} {n}" for why, n in sorted(self.found[kind].items()))
            lines.append(f"{kind:<18} {number:>8} {self.found[kind].total():>6}  {where}")
        total = sum(counts.total() for counts in self.found.values())
        lines.append(f"{'all':<18} {self.injected.total():>8} {total:>6}")
        lines += [f"NOT FOUND {fault.kind} in line {fault.line}" for fault in self.lost]
        wrong = len(self.false_alarms) + self.wrong_warnings
        lines.append(f"false alarms in the damaged file: {wrong}")
        why = Counter(aside.why for aside in self.in_sound)
        stated = ", ".join(f"{name} {n}" for name, n in why.items()) or "none"
        lines.append(f"alarms in the sound file, and in the damaged one again: {stated}")
        lines.append(f"flights of unregistered planes in the sound file: {self.warned_in_sound:,}")
        return "\n".join(lines)


def findings(p: ms.Pipeline, state_dir: str) -> Found:
    """Run the pipeline and read what it found."""
    ledger = p.run(state_dir=state_dir).ledger
    with p.connect(state_dir=state_dir) as tables:
        dead = tables.query(
            "SELECT __row, __reason, __line, __offset, __raw FROM flights__dead ORDER BY __row"
        ).rows
        quarantine = tables.query(
            "SELECT * EXCLUDE (__id, __run_id, __at, __path, __status) FROM flights__quarantine"
            " ORDER BY __row"
        ).rows
        planes = tables.query("SELECT tailnum, flights FROM unregistered").rows
    return Found(
        ledger,
        tuple(Aside(row, why, (), line, at, bytes(raw)) for row, why, line, at, raw in dead),
        tuple(Aside(row, why, tuple(content)) for why, row, *content in quarantine),
        dict(planes),
    )


def account(faults: Sequence[Fault], sound: Found, found: Found) -> Account:
    """Account for every fault and for every record that was kept aside."""
    books = Account(warned_in_sound=sound.warned, in_sound=[*sound.dead, *sound.quarantine])
    dead = {aside.row: aside for aside in found.dead}
    quarantine = {aside.row: aside for aside in found.quarantine}
    planes = Counter(found.unregistered)
    planes.subtract(sound.unregistered)
    for fault in faults:
        books.injected[fault.kind] += 1
        if fault.kind == WARNED:
            # A warning takes no row out; the plane that nobody knew before shows it.
            tail = fault.raw.split(b",")[11].decode()
            is_found = planes[tail] > 0
            planes[tail] -= 1
            why = "warned by plane"
        elif fault.kind in DEAD:
            aside = dead.pop(fault.row, None)
            is_found, why = _is_dead_letter(fault, aside), f"dead letter {aside and aside.why}"
        else:
            aside = quarantine.pop(fault.row, None)
            is_found = aside is not None and aside.why in QUARANTINED[fault.kind]
            why = f"quarantined by {aside and aside.why}"
        if is_found:
            books.found[fault.kind][why] += 1
        else:
            books.lost.append(fault)
    books.false_alarms = _beyond([*dead.values(), *quarantine.values()], books.in_sound)
    # Flights that are gone had planes too, some of which no register knows: so not more than before.
    books.wrong_warnings = sum(n for n in planes.values() if n > 0)
    return books


def _is_dead_letter(fault: Fault, aside: Aside | None) -> bool:
    """Say whether a dead letter has the fault's reason, its place and its very bytes."""
    if aside is None or aside.why not in DEAD[fault.kind]:
        return False
    return (aside.line, aside.offset, aside.raw) == (fault.line, fault.offset, fault.raw)


def _beyond(found: Iterable[Aside], expected: Iterable[Aside]) -> list[Aside]:
    """Give what was found beyond the findings of the sound file, which lie in other rows there."""
    known = Counter((aside.why, aside.content) for aside in expected)
    beyond = []
    for aside in found:
        if known[aside.why, aside.content]:
            known[aside.why, aside.content] -= 1
        else:
            beyond.append(aside)
    return beyond
