"""What `verify` has found in words, for the terminal and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.errors import listing

if TYPE_CHECKING:
    from mainstem.runtime.verify import Verification
    from mainstem.runtime.verify_compare import Part


def verdict(part: Part) -> str:
    """Say whether a part is the same on all engines, and whether the difference is its own."""
    if part.is_equal:
        return "equal"
    if part.follows:
        return f"differs, as it is made of {listing(part.follows)}"
    return "differs"


def summary(found: Verification) -> str:
    """Give the answer in a sentence."""
    names = " and ".join(found.names)
    failed = [one.name for one in found.failed]
    if not found.parts:
        return f"failed on {listing(failed)}: there is nothing to compare with {names}"
    first = found.first
    also = f"; failed on {listing(failed)}" if failed else ""
    steps = [part for part in found.parts if part.kind != "source"]
    if first is None:
        kinds = [_counted(steps, kind) for kind in ("table", "view")]
        return f"{names} agree: {', '.join(filter(None, kinds))}{also}"
    n_different = sum(not part.is_equal for part in steps)
    where = f" ({first.where})" if first.where.file else ""
    return (
        f"{names} differ in {n_different} of {len(steps)} steps, "
        f"first in {first.kind} {first.name}{where}{also}"
    )


def _counted(steps: list[Part], kind: str) -> str:
    n = sum(part.kind == kind for part in steps)
    return f"{n} {kind}{'' if n == 1 else 's'}" if n else ""
