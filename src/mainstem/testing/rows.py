"""Runs the examples of catalogue rows: each as literals and over columns of a computed table.

The two forms matter: an engine folds literals when it plans and computes columns when it runs, and
the two do not always agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from mainstem.definition.pipeline import Pipeline
from mainstem.errors import MainstemError
from mainstem.functions.spec import Example, Fails, Function, Sql
from mainstem.plan import tree as t
from mainstem.plan.types import (
    BIGINT,
    BOOL,
    BYTES,
    DATE,
    DOUBLE,
    NULL,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    parse_type,
    struct_of,
)  # fmt: skip
from mainstem.record import record
from mainstem.runtime.query import connect
from mainstem.runtime.start import run_pipeline
from mainstem.sql.bind import bind
from mainstem.sql.overloads import common, pattern
from mainstem.sql.parse import Parser
from mainstem.sql.text import Printer, text_literal
from mainstem.sql.tokens import Text

_COLUMNS = "abcdefghij"
# Stands for the table of an example inside its query, and begins the names of its columns.
INPUT = "example_input"
CELL = "example_cell_"
# Forms of one value that share a statement. DuckDB 2.0.0 was seen to plan for minutes over 200 long ones.
_TOGETHER = 20
# Patterns whose argument has to be written in the text of the query.
_WRITTEN = ("word", "literal", "regex", "interval", "lambda")


@record
class Form:
    """One way to run an example.

    Parameters
    ----------
    example : Example
        What it shows.
    label : str
        ``literals``, ``columns`` or ``rows``.
    expr : str
        The SQL of the value.
    cells : str
        The select list of the one-row table that it reads, ``""`` for none.
    rows : str
        The query of the table that an aggregate or window reads, ``""`` for none.
    """

    example: Example
    label: str
    expr: str
    cells: str = ""
    rows: str = ""

    @property
    def is_window(self) -> bool:
        """Say whether there is one value for each row."""
        return bool(self.rows) and " over " in f" {self.example.call.lower()}"

    @property
    def table(self) -> str:
        """Give the query of the table before it, or ``""``."""
        return f"SELECT {self.cells}" if self.cells else self.rows

    @property
    def query(self) -> str:
        """Give the query of the value, over `INPUT` when there is a table."""
        number = "i, " if self.is_window else ""
        return f"SELECT {number}{self.expr} AS r" + (f" FROM {INPUT}" if self.table else "")

    @property
    def fails(self) -> bool:
        """Say whether the run must fail."""
        return isinstance(self.example.gives, Fails)


def type_of_value(value: Any) -> Type:
    """Give the type of a Python value as an example means it."""
    if value is None:
        return NULL
    simple: dict[type, Type] = {
        bool: BOOL, int: BIGINT, float: DOUBLE, str: STRING, bytes: BYTES, datetime: TIMESTAMP, date: DATE,
    }  # fmt: skip
    if type(value) in simple:
        return simple[type(value)]
    if isinstance(value, Decimal):
        parts = value.as_tuple()
        scale = max(0, -int(parts.exponent))
        whole = len(parts.digits) + int(parts.exponent)
        return Type("decimal", max(whole, 0) + scale or 1, scale)
    if isinstance(value, list):
        return list_of(common([type_of_value(v) for v in value]) or NULL)
    return struct_of({k: type_of_value(v) for k, v in value.items()})


def sql_of_value(value: Any, type_: Type) -> str:
    """Write a Python value as a literal of a type."""
    if value is None:
        return f"CAST(NULL AS {type_})" if type_ != NULL else "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, bytes):
        return f"from_hex('{value.hex()}')"
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f').zfill(26)}Z'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, float):
        return f"CAST('{value!r}' AS double)"
    if isinstance(value, list):
        inside = ", ".join(sql_of_value(v, type_.items[0]) for v in value)
        return f"CAST([{inside}] AS {type_})" if type_.items[0] != NULL else f"[{inside}]"
    if isinstance(value, dict) and type_.kind == "map":
        pairs = (
            f"{sql_of_value(k, type_.items[0])}: {sql_of_value(v, type_.items[1])}"
            for k, v in value.items()
        )
        return f"CAST(MAP {{{', '.join(pairs)}}} AS {type_})"
    if isinstance(value, dict):
        fields = zip(value.items(), type_.items, strict=True)
        return (
            "{"
            + ", ".join(f"{text_literal(k)}: {sql_of_value(v, x)}" for (k, v), x in fields)
            + "}"
        )
    return f"CAST({value} AS {type_})"


def argument_types(example: Example) -> list[Type | None]:
    """Give the type of each argument, as the example says or as its value tells; None for `Sql`."""
    said = [x.strip() for x in example.types.split(";")] if example.types else []
    is_plain = [not isinstance(a, Sql) for a in example.args]
    if len(said) == sum(is_plain) != len(said) - len(is_plain):
        # Types may leave out the arguments that are SQL text.
        left = iter(said)
        said = [next(left) if plain else "" for plain in is_plain]
    if not said:
        return [
            type_of_value(a) if plain else None
            for a, plain in zip(example.args, is_plain, strict=True)
        ]
    return [parse_type(x) if plain else None for x, plain in zip(said, is_plain, strict=True)]


def forms(row: Function) -> Iterator[Form]:
    """Give every way in which a row's examples are run."""
    for example in row.examples:
        yield from _calls(example) if example.call else _scalars(row, example)


def _scalars(row: Function, example: Example) -> Iterator[Form]:
    """Give the literal form, and the column form where some argument may be a column."""
    args, columns, cells = [], [], []
    for i, (arg, type_) in enumerate(zip(example.args, argument_types(example), strict=True)):
        literal = _parsed(arg.text if type_ is None else sql_of_value(arg, type_), row.name)
        args.append(literal)
        if type_ is None or _is_written(row, i, len(example.args)) or type_ == NULL:
            columns.append(literal)
        else:
            columns.append(t.Name((f"{CELL}{i}",)))
            cells.append(f"{sql_of_value(arg, type_)} AS {CELL}{i}")
    printer = Printer()
    yield Form(example, "literals", printer.expr(t.Call(row.name, tuple(args))))
    if cells:
        call = printer.expr(t.Call(row.name, tuple(columns)))
        yield Form(example, "columns", call, ", ".join(cells))


def _is_written(row: Function, index: int, n_args: int) -> bool:
    """Say whether every overload wants this argument as a literal."""
    found = []
    for item in row.overloads:
        takes = [pattern(p) for p in item.takes]
        if index < len(takes) and len(takes) >= n_args:
            found.append(takes[index].kind in _WRITTEN)
    return bool(found) and any(found)


def _parsed(text: str, name: str) -> t.Expr:
    parser = Parser(Text(text))
    return parser.argument(name)


def _calls(example: Example) -> Iterator[Form]:
    """Give the form of an aggregate or window example: its rows as a table with a row number ``i``."""
    columns = [list(c) for c in zip(*example.rows, strict=True)]
    types = [parse_type(x) for x in example.types.split(";")] if example.types else \
        [common([type_of_value(v) for v in c]) or NULL for c in columns]  # fmt: skip
    names = ", ".join(["i", *_COLUMNS[: len(types)]])
    rows = [
        "("
        + ", ".join([str(i), *(sql_of_value(v, x) for v, x in zip(r, types, strict=True))])
        + ")"
        for i, r in enumerate(example.rows)
    ]
    filler = "(" + ", ".join(["0", *(f"CAST(NULL AS {x})" for x in types)]) + ")"
    table = f"SELECT * FROM (VALUES {', '.join(rows or [filler])}) AS v({names})" + (
        "" if rows else " WHERE false"
    )
    yield Form(example, "rows", example.call, rows=table)


def run_forms(jobs: Sequence[tuple[str, Form]], engine: str = "embedded") -> dict[str, Any]:
    """Run many forms as one pipeline and give each result by its key.

    Parameters
    ----------
    jobs : sequence of (key, Form)
        Keys are plain names; none of the forms may be one that fails.
    engine : str
        Name of the engine.

    Returns
    -------
    dict
        One value per key; for windows the list of values in the order of the example's rows.
    """
    pipeline = Pipeline("rows")
    single = [job for job in jobs if not job[1].rows]
    chunks = [single[i : i + _TOGETHER] for i in range(0, len(single), _TOGETHER)]
    for number, chunk in enumerate(chunks):
        _add_chunk(pipeline, number, chunk)
    for key, form in jobs:
        if form.rows:
            pipeline.table(f"in_{key}", form.rows)
            pipeline.table(f"out_{key}", form.query.replace(INPUT, f"in_{key}"))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        run_pipeline(pipeline, base_dir=folder, engine=engine)
        with connect(Path(folder) / ".mainstem" / "rows") as tables:
            for number, chunk in enumerate(chunks):
                (row,) = tables.query(f'SELECT * FROM "chunk_out_{number}"').rows
                found |= {key: value for (key, _), value in zip(chunk, row, strict=True)}
            for key, form in jobs:
                if form.rows:
                    found[key] = _value(form, tables.query(f'SELECT * FROM "out_{key}"').rows)
    return found


def _add_chunk(pipeline: Pipeline, number: int, chunk: Sequence[tuple[str, Form]]) -> None:
    """Add forms of one value each as one statement over one row."""
    forms_ = [form for _, form in chunk]
    named = [
        (f.cells.replace(CELL, f"c{i}_"), f.expr.replace(CELL, f"c{i}_"))
        for i, f in enumerate(forms_)
    ]
    cells = ", ".join(c for c, _ in named if c)
    source = ""
    if cells:
        pipeline.table(f"chunk_in_{number}", f"SELECT {cells}")
        source = f" FROM chunk_in_{number}"
    values = ", ".join(f"{expr} AS r{i}" for i, (_, expr) in enumerate(named))
    pipeline.table(f"chunk_out_{number}", f"SELECT {values}{source}")


def _value(form: Form, rows: Sequence[tuple[Any, ...]]) -> Any:
    if form.is_window:
        return [r for _, r in sorted(rows, key=lambda row: row[0])]
    assert len(rows) == 1, f"{len(rows)} rows"
    return rows[0][0]


def declared_type(row: Function, form: Form) -> Type:
    """Give the type that the binder says the form has."""
    schemas = {}
    if form.table:
        table = bind(form.table, {})
        assert table is not None
        schemas[INPUT] = table.schema
    bound = bind(form.query, schemas, step=row.name)
    assert bound is not None
    return bound.schema.fields[-1].type


def failure(form: Form, engine: str = "embedded") -> str:
    """Run a form that must fail and give the message; "" when it did not fail."""
    try:
        run_forms([("x", form)], engine)
    except MainstemError as error:
        return str(error)
    return ""
