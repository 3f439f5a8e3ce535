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
# Forms of one value that share a statement. DuckDB 2.0.0 was seen to plan for minutes over 200 long ones;
# on Spark a statement costs more than what stands in it.
_TOGETHER = {"embedded": 20, "spark": 60}
# Forms of many rows that share one; a chain of 40 UNIONs nests too deep.
_UNITED = 30
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
    rows : tuple of str
        The rows of the table that an aggregate or window reads, each as its cells behind the row's number.
    types : tuple of Type
        Those of the cells.
    """

    example: Example
    label: str
    expr: str
    cells: str = ""
    rows: tuple[str, ...] = ()
    types: tuple[Type, ...] = ()

    @property
    def is_single(self) -> bool:
        """Say whether it reads one row at the most."""
        return self.label != "rows"

    @property
    def is_window(self) -> bool:
        """Say whether there is one value for each row."""
        return not self.is_single and " over " in f" {self.example.call.lower()}"

    @property
    def table(self) -> str:
        """Give the query of the table before it, or ``""``."""
        if self.is_single:
            return f"SELECT {self.cells}" if self.cells else ""
        return _table([self.key_row("", row) for row in self.rows], self.types)

    def key_row(self, key: str, row: str) -> str:
        """Give a row of a table that many forms share, each under its key."""
        return f"({text_literal(key)}, {row})"

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
    rows = [
        ", ".join([str(i), *(sql_of_value(v, x) for v, x in zip(r, types, strict=True))])
        for i, r in enumerate(example.rows)
    ]
    yield Form(example, "rows", example.call, rows=tuple(rows), types=tuple(types))


def _table(rows: Sequence[str], types: Sequence[Type]) -> str:
    """Give the query of a table of rows: the key of their form, their number, their cells."""
    filler = "(" + ", ".join(["''", "0", *(f"CAST(NULL AS {x})" for x in types)]) + ")"
    names = ", ".join(["form", "i", *_COLUMNS[: len(types)]])
    where = "" if rows else " WHERE false"
    return f"SELECT * FROM (VALUES {', '.join(rows or [filler])}) AS v({names}){where}"


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
    single = [job for job in jobs if job[1].is_single]
    n = _TOGETHER[engine]
    chunks = [single[i : i + n] for i in range(0, len(single), n)]
    for number, chunk in enumerate(chunks):
        _add_chunk(pipeline, number, chunk)
    united = _add_united(pipeline, [job for job in jobs if not job[1].is_single])
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        run_pipeline(pipeline, base_dir=folder, engine=engine)
        with connect(Path(folder) / ".mainstem" / "rows") as tables:
            for number, chunk in enumerate(chunks):
                (row,) = tables.query(f'SELECT * FROM "chunk_out_{number}"').rows
                found |= {key: value for (key, _), value in zip(chunk, row, strict=True)}
            for name, some in united.items():
                found |= _values(some, tables.query(f'SELECT * FROM "{name}"').rows)
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


def _add_united(
    pipeline: Pipeline, jobs: Sequence[tuple[str, Form]]
) -> dict[str, list[tuple[str, Form]]]:
    """Add forms of many rows; give those of each table of results.

    Those whose rows have the same types share the table that they read, each its own rows; and those
    whose values have the same type share the statement that computes them.
    """
    read: dict[tuple[Type, ...], list[tuple[str, Form]]] = {}
    given: dict[Type, list[tuple[str, Form]]] = {}
    for job in jobs:
        read.setdefault(job[1].types, []).append(job)
        given.setdefault(declared_type(job[1]), []).append(job)
    texts: dict[str, str] = {}
    for number, (types, some) in enumerate(read.items()):
        rows = [form.key_row(key, row) for key, form in some for row in form.rows]
        pipeline.table(f"rows_in_{number}", _table(rows, types))
        texts |= {key: _over_rows(key, form, f"rows_in_{number}") for key, form in some}
    parts = [some[i : i + _UNITED] for some in given.values() for i in range(0, len(some), _UNITED)]
    united = {f"rows_out_{number}": part for number, part in enumerate(parts)}
    for name, part in united.items():
        pipeline.table(name, " UNION ALL ".join(texts[key] for key, _ in part))
    return united


def _over_rows(key: str, form: Form, table: str) -> str:
    number = "i" if form.is_window else "0"
    own = f"FROM {table} WHERE form = {text_literal(key)}"
    return f"SELECT {text_literal(key)} AS form, {number} AS i, {form.expr} AS r {own}"


def _values(jobs: Sequence[tuple[str, Form]], rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Give the value of each form, or its values in the order of the rows."""
    found: dict[str, dict[int, Any]] = {key: {} for key, _ in jobs}
    for key, number, value in rows:
        assert number not in found[key], f"two rows of {key}"
        found[key][number] = value
    for key, form in jobs:
        n_wanted = len(form.rows) if form.is_window else 1
        assert len(found[key]) == n_wanted, f"{len(found[key])} rows of {key}"
    return {
        key: [found[key][i] for i in sorted(found[key])] if form.is_window else found[key][0]
        for key, form in jobs
    }


def declared_type(form: Form) -> Type:
    """Give the type that the binder says the form has."""
    schemas = {}
    if form.table:
        table = bind(form.table, {})
        assert table is not None
        schemas[INPUT] = table.schema
    bound = bind(form.query, schemas, step="example")
    assert bound is not None
    return bound.schema.fields[-1].type


def failure(form: Form, engine: str = "embedded") -> str:
    """Run a form that must fail and give the message; "" when it did not fail."""
    try:
        run_forms([("x", form)], engine)
    except MainstemError as error:
        return str(error)
    return ""
