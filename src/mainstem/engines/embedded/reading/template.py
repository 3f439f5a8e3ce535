"""What most lines of a JSON lines file are, letter by letter: fixed texts between printed values.

A line that equals the text which its own values are printed as, and holds no backslash, is proved: the
keys stand there once and in order, nothing else does, and each value is written the one way that
prints it. That takes a quarter of the time of matching the line with the pattern of `shape`. Lines of
another form (an escape in a string, NULL, 1.5 where others have 1.50) are still matched.
"""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.engines.embedded.reading import checks
from mainstem.engines.embedded.types import literal
from mainstem.formats.coercion import coerce_json
from mainstem.formats.jsontext import Json
from mainstem.formats.records import Misfit
from mainstem.plan.types import Field, Schema
from mainstem.record import record

# Between key and value, and between members: as JavaScript and as Python write them.
_STYLES = ((":", ","), (": ", ", "))
_KINDS = frozenset(
    ("bigint", "integer", "smallint", "double", "decimal", "boolean", "string", "date", "timestamp")
)
_QUOTED = frozenset(("string", "date", "timestamp"))


@record
class Template:
    """How a line is printed from its values.

    Parameters
    ----------
    fields : tuple of Field
        The columns in the order of the keys.
    colon, comma : str
        What stands between key and value, and between members.
    exact : frozenset of str
        Decimal columns that are written with all the digits of their scale.
    """

    fields: tuple[Field, ...]
    colon: str
    comma: str
    exact: frozenset[str]

    def test(self, line: str, values: dict[str, str], parts: dict[str, str]) -> str:
        """Give the SQL that is TRUE only for lines without doubt.

        Parameters
        ----------
        line : str
            SQL of the line.
        values, parts : dict of str to str
            SQL of each column's value, and of what it is made of.
        """
        pieces = []
        text = "{"
        for field in self.fields:
            quote = '"' if field.type.kind in _QUOTED else ""
            text += f'"{field.name}"{self.colon}{quote}'
            pieces += [literal(text), self._printed(field, values[field.name], parts[field.name])]
            text = quote + self.comma
        pieces.append(literal(text.removesuffix(self.comma) + "}"))
        tests = [f"concat({', '.join(pieces)}) = {line}", f"NOT contains({line}, '\\')"]
        tests += [self._check(f, values[f.name], parts[f.name]) for f in self.fields]
        return " AND ".join(test for test in tests if test)

    def _printed(self, field: Field, value: str, part: str) -> str:
        kind = field.type.kind
        if kind in ("date", "bigint", "integer", "smallint", "boolean") or field.name in self.exact:
            return f"CAST({value} AS VARCHAR)"
        return part

    def _check(self, field: Field, value: str, part: str) -> str:
        """Give what is left to check of a value that is printed as it was written."""
        kind = field.type.kind
        if kind in ("string", "boolean", "bigint") or field.name in self.exact:
            return ""
        if kind == "date":
            return f"strlen({part}) = 10"
        if kind == "double":
            return f"isfinite({value})"
        if kind in ("integer", "smallint"):
            return checks.in_range(value, field.type)
        return checks.fits_text(part, value, field.type)


def template_of(lines: Sequence[tuple[str, Json]], schema: Schema) -> Template | None:
    """Give the template that most of some lines are written by; None when none is."""
    if not lines or any(f.type.kind not in _KINDS for f in schema.fields):
        return None
    keys = max((found.keys for _, found in lines), key=[j.keys for _, j in lines].count)
    if sorted(keys) != sorted(schema.names):
        return None
    fields = tuple(schema.fields[schema.names.index(key)] for key in keys)
    likely = [found for _, found in lines if found.keys == keys]
    exact = frozenset(
        f.name for i, f in enumerate(fields) if _is_exact(f, [j.items[i] for j in likely])
    )
    for colon, comma in _STYLES:
        template = Template(fields, colon, comma, exact)
        if 2 * sum(_is_written_so(text, found, template) for text, found in lines) >= len(lines):
            return template
    return None


def _is_exact(field: Field, items: Sequence[Json]) -> bool:
    """Say whether most values of a decimal column are written with all digits of its scale."""
    if field.type.kind != "decimal":
        return False
    count = 0
    for item in items:
        try:
            count += f"{coerce_json(item, field.type)}" == item.raw
        except Misfit:
            continue
    return 2 * count >= len(items)


def _is_written_so(text: str, found: Json, template: Template) -> bool:
    members = template.comma.join(
        f'"{f.name}"{template.colon}{item.raw}'
        for f, item in zip(template.fields, found.items, strict=False)
    )
    plain = all(item.kind != "null" for item in found.items)
    return plain and "\\" not in text and text == "{" + members + "}"
