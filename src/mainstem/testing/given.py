"""Binds the sources of a plan to what a test gives: rows, a table of text, CSV, bytes or a file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mainstem.errors import DefinitionError, SettingsError, listing, nearest
from mainstem.plan.nodes import Binding, Plan, Source
from mainstem.record import record
from mainstem.testing.values import cell_rows, json_row, table_columns

# pytest shows the line of the test, not those here.
__tracebackhide__ = True

# Options of a files source that say what its text means, and those that say what a run reads of it.
_OF_CSV = ("header", "delimiter", "quote", "null", "multiline")
_OF_RUNS = ("incremental", "changed")


@record
class CsvText:
    """CSV that stands in a test; see `csv`."""

    text: str


def csv(text: str) -> CsvText:
    """Give a source CSV text, which it reads with its own delimiter, quotes and words for NULL.

    Parameters
    ----------
    text : str
        A head and rows; what indents all lines is taken off.

    Returns
    -------
    CsvText
        For a source of ``run_pipeline``.
    """
    return CsvText(textwrap.dedent(text).lstrip("\n"))


Given = CsvText | Sequence[Any] | str | bytes | Path


def bound_plan(
    plan: Plan, given: Mapping[str, Given], folder: Path, *, number: int = 1,
    needed: Iterable[str], base_dir: Path, real: Sequence[str] = (),
    earlier: Mapping[str, Binding] = MappingProxyType({}),
) -> Plan:  # fmt: skip
    """Give the plan with its sources bound to what a test gives.

    Parameters
    ----------
    plan : Plan
        A checked plan.
    given : mapping
        By source.
    folder : Path
        Where files are written.
    number : int
        Of the run in this folder: an incremental source keeps the files of earlier ones.
    needed : iterable of str
        Sources that the run reads.
    real : sequence of str
        Sources that are read as the pipeline binds them.
    base_dir : Path
        What a relative path that is given starts at.
    earlier : mapping
        What an earlier run in this folder was bound to, where nothing new is given.

    Raises
    ------
    SettingsError
        For a name that is no source; for a source that is needed and has no rows.
    """
    names = [source.name for source in plan.sources]
    spelled = {name.lower(): name for name in names}
    for name in (*given, *real):
        if name.lower() not in spelled:
            close = nearest(name, names)
            raise SettingsError(
                f"rows are given for {name!r}, which is no source of the pipeline (sources: "
                f"{listing(names)})", code="GivenUnknown",
                fix=f"write {close}" if close else "remove them",
            )  # fmt: skip
    found = {spelled[name.lower()]: rows for name, rows in given.items()}
    kept = {spelled[name.lower()] for name in real} | earlier.keys()
    missing = [name for name in names if name in set(needed) - found.keys() - kept]
    if missing:
        raise SettingsError(
            f"no rows are given for {listing(missing)}, which the run reads", code="GivenMissing",
            fix=f'give rows, or [] for none; real=["{missing[0]}"] reads what the pipeline names',
        )  # fmt: skip
    binder = _Binder(folder, number, base_dir)
    made = dict(earlier) | {
        source.name: binder.binding(source, found[source.name])
        for source in plan.sources if source.name in found
    }  # fmt: skip
    sources = tuple(replace(s, binding=made.get(s.name, s.binding)) for s in plan.sources)
    return replace(plan, sources=sources)


@record
class _Binder:
    folder: Path
    number: int
    base_dir: Path

    def binding(self, source: Source, given: Given) -> Binding:
        if not source.bounded:
            # Its records come from a script, each epoch in a file of its own.
            return Binding.of("files", "test", path=str(self.folder / source.name), format="json")
        options = source.binding.as_dict() if source.binding.type == "files" else {}
        of_run = {name: options[name] for name in _OF_RUNS if name in options}
        if isinstance(given, Path):
            self._files_only(source, "a path")
            return source.binding.overridden({"path": str(self.base_dir / given)}, "test")
        if isinstance(given, bytes):
            self._files_only(source, "bytes")
            path = self._written(source, _suffix(options), given)
            return source.binding.overridden({"path": path}, "test")
        if isinstance(given, CsvText):
            of_text = {name: options[name] for name in _OF_CSV if name in options}
            form = "tsv" if options.get("format") == "tsv" else "csv"
            path = self._written(source, f".{form}", given.text.encode())
            return Binding.of("files", "test", path=path, format=form, **of_text, **of_run)
        lines = _json_lines(source, given)
        cursor = source.binding.as_dict().get("cursor")
        if cursor:
            return self._with_cursor(source, lines, cursor)
        path = self._written(source, ".jsonl", lines.encode())
        return Binding.of("files", "test", path=path, format="json", **of_run)

    def _files_only(self, source: Source, what: str) -> None:
        if source.binding.type != "files":
            raise SettingsError(
                f"{what} cannot be given for {source.name!r}, which reads {source.binding.type}",
                code="GivenForm", fix="give rows, or CSV text with mainstem.testing.csv",
            )  # fmt: skip

    def _written(self, source: Source, suffix: str, content: bytes) -> str:
        """Write a file and give the path that the source reads."""
        folder = self.folder / source.name
        folder.mkdir(parents=True, exist_ok=True)
        if source.binding.as_dict().get("incremental"):
            (folder / f"{self.number}{suffix}").write_bytes(content)
            return str(folder / f"*{suffix}")
        # One name for all runs: with a run key the second one has to read the same.
        path = folder / f"{source.name}{suffix}"
        path.write_bytes(content)
        return str(path)

    def _with_cursor(self, source: Source, lines: str, cursor: str) -> Binding:
        """Give a DuckDB table: only such a source knows what it has read by a column."""
        import duckdb

        from mainstem.engines.embedded.types import duckdb_type

        file = self._written(source, ".jsonl", lines.encode())
        path = self.folder / f"{source.name}.duckdb"
        columns = {field.name: duckdb_type(field.type) for field in source.schema.fields}
        with duckdb.connect(str(path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                "CREATE OR REPLACE TABLE given AS SELECT * FROM read_json("
                "$1, format = 'newline_delimited', columns = "
                + "{" + ", ".join(f"{_text(k)}: {_text(v)}" for k, v in columns.items()) + "})",
                [file],
            )  # fmt: skip
        return Binding.of("duckdb", "test", path=str(path), table="given", cursor=cursor)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _suffix(options: Mapping[str, Any]) -> str:
    """Give the ending of the file that the pipeline names: it says format and compression."""
    path = options.get("path", "")
    return "".join(Path(path if isinstance(path, str) else path[0]).suffixes)


def _json_lines(source: Source, given: Any) -> str:
    what = f"the rows of source {source.name!r}"
    if not isinstance(given, str | Sequence):
        raise SettingsError(
            f"{what} are {type(given).__name__}", code="GivenForm",
            fix="give dicts or tuples, a table as text, CSV with mainstem.testing.csv, bytes or "
            "a Path",
        )  # fmt: skip
    types = {field.name: field.type for field in source.schema.fields}
    try:
        names = table_columns(given, source.schema.names, what)
        rows = cell_rows(given, names, what)
    except DefinitionError as error:
        raise SettingsError(f"{what}: {error.finding.what}", code="GivenForm") from error
    is_text = isinstance(given, str)
    return "".join(json_row(names, row, types, is_text=is_text) for row in rows)
