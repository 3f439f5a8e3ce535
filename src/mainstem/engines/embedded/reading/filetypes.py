"""Whether a stored column fits a declared one, and what is left to check when it does (V8)."""

from __future__ import annotations

from mainstem.engines.embedded.types import duckdb_type, literal
from mainstem.formats.coercion import RANGES
from mainstem.plan.types import Type, in_expressions
from mainstem.record import record

# A Parquet column that was written of nothing but NULL, as dataframes do, fits any type.
NOTHING = '"NULL"'
# Digits that the largest value of an integer type has.
_DIGITS = {
    "TINYINT": 3, "UTINYINT": 3, "SMALLINT": 5, "USMALLINT": 5, "INTEGER": 10, "UINTEGER": 10,
    "BIGINT": 19, "UBIGINT": 20,
}  # fmt: skip
_WITHIN = {
    "bigint": {"TINYINT", "UTINYINT", "SMALLINT", "USMALLINT", "INTEGER", "UINTEGER", "BIGINT"},
    "integer": {"TINYINT", "UTINYINT", "SMALLINT", "USMALLINT", "INTEGER"},
    "smallint": {"TINYINT", "UTINYINT", "SMALLINT"},
}
_SAME = {
    "boolean": {"BOOLEAN"}, "string": {"VARCHAR"}, "bytes": {"BLOB"}, "date": {"DATE"},
    "double": {"DOUBLE", "FLOAT", "TINYINT", "UTINYINT", "SMALLINT", "USMALLINT", "INTEGER", "UINTEGER"},
    "timestamp": {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS"},
}  # fmt: skip

_OUTSIDE = {
    "date": "({} NOT BETWEEN '0001-01-01' AND '9999-12-31')",
    "timestamp": "({} NOT BETWEEN '0001-01-01' AND '9999-12-31 23:59:59.999999')",
}


@record
class Fit:
    """How a stored column becomes a declared one.

    Parameters
    ----------
    value : str
        SQL of the value, with ``{}`` for the column.
    bad : str
        SQL that is TRUE for a value that does not fit, with ``{}`` for the column; "" when all fit.
    outside : str
        SQL that is TRUE for a date or an instant outside of the years 1 to 9999 (infinity is); ""
        where the stored type has none. Statistics mostly show that there is nothing to look for.
    """

    value: str
    bad: str = ""
    outside: str = ""


def fit(stored: str, declared: Type) -> Fit | None:
    """Give how a column of DuckDB type `stored` is read as `declared`; None when it is not."""
    target = duckdb_type(in_expressions(declared))
    if stored == NOTHING:
        return Fit(f"CAST({{}} AS {target})")
    is_same = stored == target or (stored, target) == ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    value = "{}" if is_same else f"CAST({{}} AS {target})"
    if declared.kind in RANGES:
        return _integer(stored, declared, value)
    if declared.kind == "decimal":
        return _decimal(stored, declared, value)
    if declared.is_nested:
        return Fit(value) if _nested_fits(stored, declared) else None
    if stored in _SAME[declared.kind]:
        return Fit(value, outside=_OUTSIDE.get(declared.kind, ""))
    if declared.kind == "timestamp" and stored == "TIMESTAMPTZ_NS":
        return Fit("CAST({} AS TIMESTAMPTZ)", "epoch_ns({}) % 1000 <> 0")
    if declared.kind == "timestamp" and stored == "TIMESTAMP_NS":
        # Four times as fast as two casts; but infinity has no number, and would become NULL.
        bad = "(epoch_ns({}) % 1000 <> 0 OR (epoch_ns({}) IS NULL AND {} IS NOT NULL))"
        return Fit("make_timestamptz(epoch_us({}))", bad)
    return None


def _integer(stored: str, declared: Type, value: str) -> Fit | None:
    if stored in _WITHIN[declared.kind]:
        return Fit(value)
    if stored not in _DIGITS:
        return None
    low, high = RANGES[declared.kind]
    return Fit(value, f"{{}} NOT BETWEEN {low} AND {high}")


def _decimal(stored: str, declared: Type, value: str) -> Fit | None:
    room = declared.precision - declared.scale
    if stored in _DIGITS:
        digits, scale = _DIGITS[stored], 0
    elif stored.startswith("DECIMAL("):
        precision, scale = (int(part) for part in stored[8:-1].split(","))
        digits = precision - scale
    else:
        return None
    if scale > declared.scale:
        return None
    if digits <= room:
        return Fit(value)
    target = duckdb_type(declared)
    return Fit(value, f"({{}} IS NOT NULL AND TRY_CAST({{}} AS {target}) IS NULL)")


def _nested_fits(stored: str, declared: Type) -> bool:
    """Say whether every value inside fits without a look; anything else is refused, by type."""
    if declared.kind == "list":
        inner = stored.removesuffix("[]")
        return inner != stored and _inside(inner, declared.items[0])
    if declared.kind == "map":
        parts = _parts(stored, "MAP(")
        return len(parts) == 2 and all(
            _inside(p, t) for p, t in zip(parts, declared.items, strict=True)
        )
    fields = [_split_name(part) for part in _parts(stored, "STRUCT(")]
    # In the same order: DuckDB casts structs by name, older files of other writers are not so sure.
    return tuple(name for name, _ in fields) == declared.names and all(
        _inside(text, t) for (_, text), t in zip(fields, declared.items, strict=True)
    )


def _inside(stored: str, declared: Type) -> bool:
    found = fit(stored, declared)
    return found is not None and not found.bad


def _parts(text: str, opening: str) -> list[str]:
    """Split the type text of a struct or map at its own commas."""
    if not (text.startswith(opening) and text.endswith(")")):
        return []
    parts, depth, is_quoted, start = [], 0, False, len(opening)
    for at in range(start, len(text) - 1):
        sign = text[at]
        is_quoted ^= sign == '"'
        if not is_quoted:
            depth += (sign == "(") - (sign == ")")
            if sign == "," and depth == 0:
                parts.append(text[start:at].strip())
                start = at + 1
    return [*parts, text[start:-1].strip()]


def _split_name(part: str) -> tuple[str, str]:
    if not part.startswith('"'):
        name, _, type_ = part.partition(" ")
        return name, type_
    end = 1
    while part[end : end + 2] == '""' or part[end] != '"':
        end += 2 if part[end : end + 2] == '""' else 1
    return part[1:end].replace('""', '"'), part[end + 1 :].strip()


def instant(moment: str) -> str:
    """Give an instant in ISO 8601 as SQL."""
    return f"TIMESTAMPTZ {literal(moment)}"
