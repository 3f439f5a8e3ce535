"""Spark's errors at run time, as ours."""

from __future__ import annotations

import re
from typing import Any

from mainstem.engines.embedded.failures import is_full, outside
from mainstem.errors import DataError, EngineError, MainstemError
from mainstem.lazy import pattern
from mainstem.plan.nodes import Step

# Conditions that a value makes, not the machine and not our text.
_DATA = pattern(
    r"^(ARITHMETIC_OVERFLOW|BINARY_ARITHMETIC_OVERFLOW|CAST_|DIVIDE_BY_ZERO|NUMERIC_|INVALID_|"
    r"SCALAR_SUBQUERY_TOO_MANY_ROWS|USER_RAISED_EXCEPTION|DATETIME_|REMAINDER_BY_ZERO|"
    r"DUPLICATED_MAP_KEY|ARRAY_|NULL_MAP_KEY|DECIMAL_|INTERVAL_)"
)
_CONDITION = pattern(r"\[([A-Z][A-Z0-9_.]+)\] (.*)", re.DOTALL)
# What Spark puts behind its sentence: the place in our printed SQL, and the stack.
_BEHIND = pattern(
    r"( SQLSTATE: \w+)?(\n== SQL|\nJVM stacktrace|\n\tat |; line \d+ pos \d+).*", re.DOTALL
)
_STATE = pattern(r" SQLSTATE: \w+.*", re.DOTALL)
_FIX = pattern(r" (If necessary set|Use ['`]try_|To tolerate|To return NULL).*", re.DOTALL)


def explained(error: Exception, step: Step) -> MainstemError:
    """Give an error of Spark's as one of ours, with the step and its place."""
    text = said(error)
    found = _CONDITION.search(text)
    condition, words = (found[1], found[2]) if found else ("", text)
    words = _FIX.sub("", _STATE.sub("", _BEHIND.sub("", words))).strip()
    facts: dict[str, Any] = {"engine_message": text[:4000]}
    if is_full(text):
        return outside(words, where=step.where, step=step.name)
    if _DATA.match(condition):
        words = words.removesuffix(".")
        return DataError(
            f"an expression on a row failed: {words}", where=step.where, step=step.name,
            code="ExpressionFailed", fix="filter the row out, or use the try_ form of the function",
            **facts,
        )  # fmt: skip
    return EngineError(
        f"Spark: {f'[{condition}] ' if condition else ''}{words[:1000]}", where=step.where,
        step=step.name, code="EngineRefused", fix="report it with the output of `mainstem render`",
        **facts,
    )  # fmt: skip


def said(error: Exception) -> str:
    """Give the message of the deepest cause: a failed job speaks of its stage first."""
    java = getattr(error, "java_exception", None)
    texts = [str(error)]
    while java is not None:
        texts.append(str(java.toString()))
        java = java.getCause()
    return next((text for text in reversed(texts) if "[" in text), texts[0])
