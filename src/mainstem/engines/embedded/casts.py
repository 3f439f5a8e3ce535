"""CAST and TRY_CAST as the contract means them, in DuckDB's SQL (V3).

DuckDB reads '1.9' as the whole number 2, ' 7 ', 1_000 and 0x1F as numbers, 'yes' as true, 2024/1/5
as a date, and rounds 2.7 to 3 (measured with 2.0.0). So texts are guarded by the shapes of the
coercion table, and fractions are cut before they become whole numbers.
"""

from __future__ import annotations

from mainstem.engines.embedded.reading.checks import TIMESTAMP_REGEX
from mainstem.engines.embedded.types import duckdb_type
from mainstem.plan.types import MAX_PRECISION, Type, in_expressions

WHOLE = ("bigint", "integer", "smallint")
# What DuckDB would accept inside a number and the contract does not; '?' makes the cast fail.
_NOT_WHOLE = "._eExXbBoO \t\n\r\v\f"
_NOT_NUMBER = "_xXoO \t\n\r\v\f"
_SHAPES = {
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "timestamp": f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|{TIMESTAMP_REGEX}",
}


def cast_sql(value: str, own: Type, to: Type, *, is_try: bool, is_exact: bool) -> str:
    """Give the SQL of a conversion.

    Parameters
    ----------
    value : str
        SQL of the value.
    own, to : Type
        From and to; `to` may be a narrow integer, whose range is checked, and the result is BIGINT.
    is_try : bool
        NULL instead of an error.
    is_exact : bool
        The conversion loses nothing and cannot fail.
    """
    word = "TRY_CAST" if is_try else "CAST"
    target = duckdb_type(to)
    if is_exact or own.kind == "null":
        return f"CAST({value} AS {target})"
    if own.is_nested:
        return _nested(value, own, to, is_try=is_try)
    if to.kind in WHOLE:
        return _whole(value, own, to, word)
    if own.kind == "string":
        return _from_text(value, to, is_try=is_try)
    if to.kind == "string":
        return _to_text(value, own, is_try=is_try)
    if own.kind == "boolean" and to.kind == "decimal":
        # Straight to DECIMAL(3,3) TRUE would become 0.001.
        value = f"CAST({value} AS BIGINT)"
    return f"{word}({value} AS {target})"


def _whole(value: str, own: Type, to: Type, word: str) -> str:
    if own.kind == "string":
        value = _marked(value, _NOT_WHOLE)
    elif own.kind in ("double", "decimal"):
        value = f"trunc({value})"
    narrow = f"{word}({value} AS {duckdb_type(to)})"
    return narrow if to.kind == "bigint" else f"CAST({narrow} AS BIGINT)"


def _marked(value: str, signs: str) -> str:
    """Replace signs that must not stand in a number by one that no number has."""
    escaped = "".join(f"' || chr({ord(c)}) || '" if c < " " else c for c in signs)
    return f"translate({value}, '{escaped}', '{'?' * len(signs)}')"


def _from_text(value: str, to: Type, *, is_try: bool) -> str:
    word = "TRY_CAST" if is_try else "CAST"
    if to.kind in ("double", "decimal"):
        return f"{word}({_marked(value, _NOT_NUMBER)} AS {duckdb_type(to)})"
    if to.kind == "boolean":
        # Any other word than these two fails in the inner cast: DuckDB alone takes 'yes' and '1'.
        word_ = (
            f"CASE lower({value}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
            f"ELSE '?' || {value} END"
        )
        return f"{word}({word_} AS BOOLEAN)"
    if to.kind == "bytes":
        return f"encode({value})"
    shaped = (
        f"CASE WHEN regexp_full_match({value}, '{_SHAPES[to.kind]}') THEN {value} "
        f"ELSE '?' || {value} END"
    )
    return f"{word}({shaped} AS {duckdb_type(to)})"


def _to_text(value: str, own: Type, *, is_try: bool) -> str:
    if own.kind == "bytes":
        # TRY stands around the decoding alone: around the value it would swallow its failures.
        tried = f"list_extract(list_transform([{value}], lambda _b: TRY(decode(_b))), 1)"
        return tried if is_try else f"decode({value})"
    if own.kind == "timestamp":
        return timestamp_text(value)
    if own.kind == "decimal" and own.precision == own.scale:
        return _zero_text(value, own)
    return f"CAST({value} AS VARCHAR)"


def _zero_text(value: str, own: Type) -> str:
    """Give a decimal without digits before its point as 0.5: DuckDB writes .5 there."""
    if own.precision < MAX_PRECISION:
        return f"CAST(CAST({value} AS DECIMAL({own.precision + 1},{own.scale})) AS VARCHAR)"
    return f"regexp_replace(CAST({value} AS VARCHAR), '^(-?)[.]', '\\10.')"


def timestamp_text(value: str) -> str:
    """Give an instant as ``YYYY-MM-DD HH:MM:SS[.fraction]Z``, without trailing zeros."""
    local = f"CAST(timezone('UTC', {value}) AS VARCHAR)"
    return f"({local} || 'Z')"


def _nested(value: str, own: Type, to: Type, *, is_try: bool) -> str:
    """Convert element by element, so that the rules above hold inside too."""
    if own.kind == "list":
        body = cast_sql("_e", own.items[0], to.items[0], is_try=is_try, is_exact=False)
        return f"list_transform({value}, lambda _e: {body})"
    word = "TRY_CAST" if is_try else "CAST"
    return f"{word}({value} AS {duckdb_type(in_expressions(to))})"
