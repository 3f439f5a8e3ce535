"""Writes inferred schemas into the user's file, for ``check --infer`` and ``init --from``.

What a file's content is, an engine says; here is only where in the text it goes. The user's own
text stays as it is, and the change can be shown before it is made.
"""

from __future__ import annotations

import ast
import difflib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mainstem.definition.declaration import SourceDeclaration
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import DefinitionError, OutsideError, Place
from mainstem.plan.types import Schema
from mainstem.record import record
from mainstem.sql.tokens import Text, Token, tokenize

_WIDTH = 92


@record
class Edit:
    """A change of one file, not made yet."""

    file: Path
    before: str
    after: str

    def diff(self) -> str:
        """Give the change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True), self.after.splitlines(keepends=True),
            str(self.file), str(self.file),
        )  # fmt: skip
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def write(self) -> None:
        """Make the change, whole or not at all.

        Raises
        ------
        DefinitionError
            When the file is no longer what it was.
        OutsideError
            When it cannot be written.
        """
        try:
            if _read(self.file) != self.before:
                raise DefinitionError(
                    f"{self.file} changed in the meantime", where=Place(str(self.file)),
                    code="FileChanged", fix="run the command again",
                )  # fmt: skip
            _replace(self.file, self.after)
        except OSError as error:
            raise OutsideError(
                f"cannot write {self.file}: {error.strerror or error}", code="FileNotWritten",
                where=Place(str(self.file)), fix="check that it may be written",
            ) from None  # fmt: skip


def sources_without_schema(pipeline: Pipeline) -> list[SourceDeclaration]:
    """Give the sources whose schema has to be written; in the order of the file."""
    return [source for source in pipeline.sources if source.schema is None]


def edit(file: Path, schemas: Mapping[str, Schema]) -> Edit:
    """Give the change that writes schemas into a pipeline file.

    Parameters
    ----------
    file : Path
        A ``.py`` or ``.sql`` file.
    schemas : mapping
        Schemas by the name of their source.

    Raises
    ------
    DefinitionError
        When a source is not declared in a way that can be edited; the schema is in the message.
    """
    before = _read(file)
    after = before
    for name, schema in schemas.items():
        insert = _into_sql if file.suffix.lower() == ".sql" else _into_python
        after = insert(after, name, schema, file)
    return Edit(file, before, after)


def first_pipeline(
    name: str, source: str, path: str, schema: Schema, *, delimiter: str = ""
) -> str:  # fmt: skip
    """Give the text of a first pipeline over one file, for ``init --from``.

    Parameters
    ----------
    name : str
        The pipeline.
    source : str
        What to call the source.
    path : str
        The file, as the pipeline will name it.
    schema : Schema
        What was inferred.
    delimiter : str, optional
        Of a CSV file that has another than the usual one.
    """
    declared = _python_schema(schema, "")
    quoted = repr(path) if '"' in path or "\\" in path else f'"{path}"'
    if delimiter:
        quoted += (
            f", delimiter={delimiter!r}" if delimiter == "\t" else f', delimiter="{delimiter}"'
        )
    return f'''"""A first pipeline over {path}."""

import mainstem as ms

p = ms.Pipeline("{name}")

p.source(
    "{source}",
    ms.files({quoted}),
    {declared},
)


@p.table(sink=ms.files("out/{name}.parquet"))
def {name}():
    return """
        SELECT *
        FROM {source}"""
'''


def _read(file: Path) -> str:
    # Without newline translation: a file with \r\n keeps it.
    with file.open(encoding="utf-8", newline="") as stream:
        return stream.read()


def _replace(file: Path, text: str) -> None:
    target = file.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# Python


def _into_python(text: str, name: str, schema: Schema, file: Path) -> str:
    for call in _source_calls(ast.parse(text), name):
        if any(keyword.arg == "schema" for keyword in call.keywords):
            continue
        binding = _binding(call)
        if binding is None:
            continue
        at = _offset(text, binding.end_lineno or 0, binding.end_col_offset or 0)
        changed = f"{text[:at]}, {_python_schema(schema, _indent(text, call))}{text[at:]}"
        if _has_schema(changed, name):
            return changed
    raise _not_editable(name, schema, file)


def _source_calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        given = node.args[0] if node.args else _keyword(node, "name")
        is_source = node.func.attr in ("source", "lookup")
        if is_source and isinstance(given, ast.Constant) and given.value == name:
            yield node


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _binding(call: ast.Call) -> ast.expr | None:
    return call.args[1] if len(call.args) > 1 else _keyword(call, "binding")


def _has_schema(text: str, name: str) -> bool:
    """Say whether the changed text is Python in which the source has a schema.

    A binding in parentheses, for one, ends before they close.
    """
    try:
        calls = list(_source_calls(ast.parse(text), name))
    except SyntaxError:
        return False
    return any(_keyword(call, "schema") is not None for call in calls)


def _offset(text: str, line: int, column: int) -> int:
    """Give the offset of a place of the syntax tree, whose columns count bytes."""
    # Only \n, \r and \r\n end a line in Python; str.splitlines knows more.
    lines = text.replace("\r\n", "\r\0").replace("\r\0", "\0\n").replace("\r", "\n").split("\n")
    start = sum(len(part) + 1 for part in lines[: line - 1])
    return start + len(lines[line - 1].encode()[:column].decode())


def _indent(text: str, call: ast.Call) -> str:
    line = text.splitlines()[call.lineno - 1]
    return line[: len(line) - len(line.lstrip())]


def _python_schema(schema: Schema, indent: str) -> str:
    """Give ``schema="…"``, over several lines when it is long."""
    plain = str(schema)
    if len(plain) <= _WIDTH - 24 or '"""' in plain or "\\" in plain:
        return f"schema={plain!r}" if '"' in plain or "\\" in plain else f'schema="{plain}"'
    inner = f"{indent}        "
    body = _wrapped(schema, inner)
    # A quoted last name beside the closing quotes would end the literal one character early.
    return f'schema="""\n{body}\n{indent}    """'


def _wrapped(schema: Schema, indent: str) -> str:
    lines: list[str] = []
    for index, field in enumerate(schema.fields):
        piece = str(field) + ("," if index < len(schema.fields) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(piece) <= _WIDTH:
            lines[-1] += f" {piece}"
        else:
            lines.append(f"{indent}{piece}")
    return "\n".join(lines)


# SQL


def _into_sql(text: str, name: str, schema: Schema, file: Path) -> str:
    tokens = tokenize(Text(text, Place(str(file), 1, 1)))
    for index, token in enumerate(tokens[:-3]):
        if token.upper != "CREATE" or tokens[index + 1].upper not in ("SOURCE", "LOOKUP"):
            continue
        named, after = tokens[index + 2], tokens[index + 3]
        if _is_name(named) and named.text.lower() == name.lower() and after.upper == "FROM":
            columns = f" (\n{_wrapped(schema, '    ')}\n)"
            return text[: named.end] + columns + text[named.end :]
    raise _not_editable(name, schema, file)


def _is_name(token: Token) -> bool:
    return token.kind in ("word", "quoted")


def _not_editable(name: str, schema: Schema, file: Path) -> DefinitionError:
    return DefinitionError(
        f"the declaration of {name!r} was not found in {file}, or has a schema argument",
        where=Place(str(file)), code="SchemaNotWritten", fix=f'add schema="{schema}"',
    )  # fmt: skip
