"""What a stream cannot have, raised where the lowering meets it."""

from __future__ import annotations

from mainstem.errors import Finding
from mainstem.plan.nodes import Step


class Refusal(Exception):
    """A construct that has no meaning over rows that never end; becomes a finding of its step."""

    def __init__(self, code: str, what: str, at: int, fix: str) -> None:
        super().__init__(what)
        self.code, self.what, self.at, self.fix = code, what, at, fix

    def finding(self, step: Step) -> Finding:
        """Give it as a finding about a step."""
        return Finding(
            self.code, f"{step.name!r}: {self.what}", step.where, self.fix, step=step.name
        )
