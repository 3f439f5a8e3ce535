"""What the journal keeps of a plan, so that a later run can say what changed."""

from __future__ import annotations

from typing import Any

from mainstem.definition.fingerprint import fingerprints, plan_fingerprint
from mainstem.plan.nodes import Binding, Plan


def described(plan: Plan) -> dict[str, Any]:
    """Give a plan as plain data: its fingerprint, and fingerprint and text of every part."""
    prints = fingerprints(plan)
    return {
        "fingerprint": plan_fingerprint(plan, prints),
        "sources": {
            s.name: {"fingerprint": prints[s.name], "text": str(s.schema),
                     "binding": _text(s.binding)}
            for s in plan.sources
        },
        "steps": {
            s.name: {"fingerprint": prints[s.name], "text": s.text, "inputs": list(s.inputs),
                     "schema": str(s.schema), "sink": _text(s.sink)}
            for s in plan.steps
        },
    }  # fmt: skip


def _text(binding: Binding | None) -> str:
    if binding is None:
        return ""
    return " ".join([binding.type, *(f"{k}={v}" for k, v in binding.options)])
