"""Where each table of a run goes: options read, paths made absolute, bad targets refused."""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from mainstem.connectors.duckdb.options import DuckdbSink
from mainstem.connectors.files.options import FilesSink, FilesSource
from mainstem.connectors.keyed import HISTORY_COLUMNS, Keyed, keyed_of, mode_name, wrong_mode
from mainstem.connectors.spec import connector, read_options
from mainstem.errors import (
    CheckFailed,
    DefinitionError,
    Finding,
    Findings,
    InternalError,
    OutsideError,
    Place,
    listing,
    nearest,
)
from mainstem.filesystems import file_system, is_address, normal
from mainstem.plan.nodes import Binding, Plan, Source, Step
from mainstem.plan.types import BOOL, TIMESTAMP, Field, Schema
from mainstem.record import record
from mainstem.storage.local.manifest import read_manifest, strangers

FORMATS = {
    ".csv": "csv", ".tsv": "tsv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".parquet": "parquet", ".pq": "parquet", ".txt": "text", ".text": "text", ".log": "text",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
ENDINGS = {"csv": ".csv", "tsv": ".tsv", "json": ".json", "parquet": ".parquet", "text": ".txt"}


@record
class Output:
    """One table's target, checked.

    Parameters
    ----------
    step : Step
        The table.
    kind : str
        ``state``, ``file``, ``folder``, ``partitions`` or ``duckdb``.
    path : Path
        The final name, absolute and without symbolic links; the state file for ``state``. On another
        machine it serves to compare places, and no system knows it.
    address : str
        The final name on another machine; "" on this one.
    format, compression : str
        Of files; "" elsewhere.
    """

    step: Step
    kind: str
    path: Path
    format: str = ""
    compression: str = ""
    files: FilesSink | None = None
    duckdb: DuckdbSink | None = None
    address: str = ""

    @property
    def place(self) -> str:
        """Give the final name, as messages and records have it."""
        return self.address or str(self.path)

    @property
    def schema(self) -> Schema:
        """Give the columns as they are written."""
        return self.step.sink_schema or self.step.schema

    @property
    def partition_by(self) -> tuple[str, ...]:
        """Give the columns that become folders."""
        return self.files.partition_columns if self.files else ()

    @property
    def is_force(self) -> bool:
        """Say whether content that Mainstem did not write may be replaced."""
        return bool((self.files and self.files.force) or (self.duckdb and self.duckdb.force))

    @property
    def mode(self) -> str:
        """Give what becomes of rows that are there: overwrite, append, merge or history."""
        options = self.files or self.duckdb
        word = mode_name(options.mode) if options else "overwrite"
        return "overwrite" if word == "overwrite_partitions" else word

    @property
    def keyed(self) -> Keyed | None:
        """Give the words of a sink that is written by key."""
        options = self.files or self.duckdb
        return keyed_of(options.mode) if options else None

    @property
    def written_schema(self) -> Schema:
        """Give the columns that stand at the sink: those of the table, and what a history adds."""
        keyed = self.keyed
        if keyed is None or keyed.kind != "history":
            return self.schema
        name = keyed.sequence_by[0].lower()
        at = next((f.type for f in self.schema.fields if f.name.lower() == name), TIMESTAMP)
        types = dict(zip(HISTORY_COLUMNS, (at, at, BOOL), strict=True))
        return Schema((*self.schema.fields, *(Field(n, t) for n, t in types.items())))

    @property
    def mode_words(self) -> str:
        """Give the mode with the words that the rows at the sink depend on."""
        keyed = self.keyed
        if keyed is None:
            return self.mode
        words = {"key": keyed.key, "sequence_by": keyed.sequence_by, "columns": keyed.columns}
        return " ".join([self.mode, *(f"{k}={','.join(v)}" for k, v in words.items() if v)])

    @property
    def spelling(self) -> str:
        """Give how its files are written, as far as two of one folder must agree."""
        options = self.files
        if options is None or self.format in ("parquet", "json", "text"):
            return self.format
        return f"{self.format} header={options.header} delimiter={options.delimiter!r} null={options.null!r}"

    @property
    def ending(self) -> str:
        """Give how the names of files end, such as ``.csv.gz``."""
        packed = {"gzip": ".gz", "zstd": ".zst"} if self.format != "parquet" else {}
        return ENDINGS[self.format] + packed.get(self.compression, "")


def outputs(plan: Plan, base_dir: Path, state_file: Path) -> tuple[Output, ...]:
    """Give every table's target.

    Raises
    ------
    CheckFailed
        With everything that is wrong: two tables on one path, a sink inside its own source, a
        format that cannot be told, a partition column that is not there.
    """
    found, findings = judged(plan, base_dir, state_file)
    findings.raise_errors()
    return found


def judged(plan: Plan, base_dir: Path, state_file: Path) -> tuple[tuple[Output, ...], Findings]:
    """Give the targets that can be told, and everything that is wrong with any; opens nothing."""
    targets: list[Output] = []
    findings = Findings()
    sources = [s for s in plan.sources if not _has_no_path(s.binding, s.name, s.where, findings)]
    for step in plan.tables:
        if step.sink and _has_no_path(step.sink, step.name, step.where, findings):
            continue
        try:
            targets.append(_output(step, base_dir, state_file))
        except DefinitionError as error:
            for finding in error.findings:
                findings.add(finding)
    found = tuple(targets)
    for output in found:
        _check_columns(output, findings)
    _check_overlaps(found, findings)
    for source in sources:
        _check_source(source, base_dir, found, findings)
    return found, findings


def _has_no_path(binding: Binding, name: str, where: Place, findings: Findings) -> bool:
    """Report an empty path: it would mean the folder of the definition."""
    path = binding.as_dict().get("path")
    if path is None or "".join(path):
        return False
    findings.add(Finding("OptionMissing", f"the path of {name!r} is empty", where,
                         'write path="data/*.csv"', step=name))  # fmt: skip
    return True


def _output(step: Step, base_dir: Path, state_file: Path) -> Output:
    if step.sink is None:
        raise InternalError(f"step {step.name!r} has no sink")
    row = connector(step.sink, step.where)
    if row.sink_options is None:
        raise DefinitionError(
            f"{row.name} cannot be a sink", where=step.where, step=step.name, code="SinkNotPossible"
        )
    options: Any = read_options(row.sink_options, step.sink, step.where)
    wrong = wrong_mode(getattr(options, "mode", ""), step.where)
    if wrong:
        raise CheckFailed([replace(finding, step=step.name) for finding in wrong])
    if isinstance(options, FilesSink):
        return _files_output(step, options, base_dir)
    if isinstance(options, DuckdbSink):
        return Output(step, "duckdb", absolute(base_dir, options.path), duckdb=options)
    return Output(step, "state", state_file)


def absolute(base_dir: Path, path: str) -> Path:
    """Give a path of the definition as an absolute one, symbolic links resolved.

    A sink that is a link is written where the link points; staging stands beside that.
    """
    # Without this `~/out.csv` would make a folder called `~`.
    return Path(os.path.realpath(base_dir / os.path.expanduser(path)))  # noqa: PTH111  a Path would drop a trailing slash


def _files_output(step: Step, options: FilesSink, base_dir: Path) -> Output:
    name = Path(options.path.lower())
    last = name.suffix
    compression = options.compression or COMPRESSIONS.get(last, "")
    ending = Path(name.stem).suffix if last in COMPRESSIONS else last
    format_ = options.format or FORMATS.get(ending, "")
    if not format_:
        raise DefinitionError(
            f"the format of {options.path!r} cannot be told from its name", where=step.where,
            step=step.name, code="FormatUnknown",
            fix='add format="parquet" (or csv, tsv, json, text)',
        )  # fmt: skip
    is_named_file = ending in FORMATS and not options.path.endswith("/")
    is_folder = bool(options.partition_columns) or not is_named_file
    kind = "file"
    if is_folder:
        kind = "partitions" if options.mode == "overwrite_partitions" else "folder"
    if not compression:
        compression = "zstd" if format_ == "parquet" else "none"
    if is_address(options.path):
        address = normal(options.path)
        return Output(step, kind, Path(address), format_, compression, options, address=address)
    return Output(step, kind, absolute(base_dir, options.path), format_, compression, options)


def _check_columns(output: Output, findings: Findings) -> None:
    names = output.schema.names
    for column in output.partition_by:
        if column not in names:
            close = nearest(column, names)
            _add(findings, output, "ColumnNotFound",
                 f"partition_by names {column!r} (columns: {listing(names)})",
                 f"write {close}" if close else "name a column of the table")  # fmt: skip
    options = output.files
    if options is None:
        return
    if options.partition_columns and set(names) <= set(options.partition_columns):
        _add(findings, output, "NothingToWrite", "every column is in partition_by",
             "leave at least one column out of partition_by")  # fmt: skip
    if output.mode != "overwrite" and output.kind == "file":
        _add(findings, output, "FileCannotGrow",
             f"{options.path!r} is a single file, which {output.mode} cannot keep rows in",
             f"name a folder: files({_folder_name(options.path)!r}, format={output.format!r})")  # fmt: skip
    if options.mode == "overwrite_partitions" and not options.partition_columns:
        _add(findings, output, "NoPartitions", "overwrite_partitions needs partition_by",
             "add partition_by=, or write mode=\"overwrite\"")  # fmt: skip
    _check_format(output, options, findings)


def _folder_name(path: str) -> str:
    name = Path(path)
    while name.suffix.lower() in FORMATS or name.suffix.lower() in COMPRESSIONS:
        name = name.with_suffix("")
    return str(name)


def _check_format(output: Output, options: FilesSink, findings: Findings) -> None:
    if output.keyed is not None and output.format != "parquet":
        _add(findings, output, "KeyedFormat",
             f"{output.mode} reads its own rows again, which {output.format} does not keep exactly",
             'write format="parquet", or a table: ms.duckdb(…)')  # fmt: skip
    columns = [f for f in output.schema.fields if f.name not in output.partition_by]
    if output.format in ("csv", "tsv"):
        for field in columns:
            if field.type.is_nested:
                _add(findings, output, "TypeInFormat",
                     f"column {field.name!r} is {field.type}, which {output.format} cannot hold",
                     f"write to_json({field.name}), or use json or parquet")  # fmt: skip
    if output.format != "parquet":
        for field in columns:
            if field.type.kind == "bytes":
                _add(findings, output, "TypeInFormat",
                     f"column {field.name!r} is bytes, which {output.format} cannot hold",
                     f"write to_base64({field.name}), or use parquet")  # fmt: skip
    if output.format == "text" and [f.type.kind for f in columns] != ["string"]:
        _add(findings, output, "TypeInFormat",
             f"a text file holds one column of type string, not: {output.schema}",
             "select one string column")  # fmt: skip
    if options.compression == "snappy" and output.format != "parquet":
        _add(findings, output, "CompressionUnknown",
             f"snappy is for parquet, not {output.format}", "use gzip or zstd")  # fmt: skip


def _check_overlaps(found: tuple[Output, ...], findings: Findings) -> None:
    """Refuse two tables on one path, or one inside the folder of another."""
    outside = [o for o in found if o.kind != "state"]
    for at, output in enumerate(outside):
        for other in outside[:at]:
            if _table(output) == _table(other) or (
                "duckdb" not in (output.kind, other.kind) and _is_nested(output.path, other.path)
            ) or (output.kind != other.kind and "duckdb" in (output.kind, other.kind)
                  and _is_nested(output.path, other.path)):  # fmt: skip
                _add(findings, output, "DuplicateSink",
                     f"{output.place} is also written by table {other.step.name!r} ({other.place})",
                     "give each table a path of its own")  # fmt: skip


def _table(output: Output) -> tuple[Path, str]:
    return output.path, output.duckdb.table.lower() if output.duckdb else ""


def _is_nested(one: Path | str, other: Path | str) -> bool:
    # As texts: every pair of tables is compared, and `Path.parents` builds a Path for each level.
    first, second = (f"{str(path).rstrip('/')}/" for path in (one, other))
    return first.startswith(second) or second.startswith(first)


def _check_source(
    source: Source, base_dir: Path, found: tuple[Output, ...], findings: Findings
) -> None:
    for pattern in _source_paths(source):
        full = _resolved_pattern(base_dir, pattern)
        for output in found:
            if output.kind != "state" and _may_read(full, output):
                _add(findings, output, "SinkInSource",
                     f"{output.place} is inside what source {source.name!r} reads ({pattern})",
                     "write somewhere else: the next run would read its own output")  # fmt: skip


def _source_paths(source: Source) -> tuple[str, ...]:
    """Give what a source reads, as paths and globs."""
    options = source.binding.as_dict()
    if source.binding.type == "files":
        return read_options(FilesSource, source.binding, source.where).paths
    path = options.get("path")
    return (path,) if isinstance(path, str) else ()


def _resolved_pattern(base_dir: Path, pattern: str) -> str:
    """Give an absolute pattern; links are resolved in the part before the first wildcard."""
    if is_address(pattern):
        return str(Path(normal(pattern)))
    parts = (base_dir / os.path.expanduser(pattern)).parts  # noqa: PTH111  as in `absolute`
    wild = next((i for i, p in enumerate(parts) if re.search(r"[*?\[]", p)), len(parts))
    fixed = os.path.realpath(Path(*parts[:wild]))
    return str(Path(fixed, *parts[wild:]))


def _may_read(pattern: str, output: Output) -> bool:
    """Say whether reading `pattern` would meet the output.

    A folder of the output stands for the names that are written there.
    """
    if not re.search(r"[*?\[]", pattern):
        return _is_nested(pattern, output.path)
    if output.kind in ("file", "duckdb"):
        return _matches(str(output.path), pattern)
    folders = "/".join(f"{column}=x" for column in output.partition_by)
    written = str(output.path / folders / f"part-x{output.ending}")
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return _matches(written, pattern) or fixed.startswith(f"{output.path}/")


def _matches(path: str, pattern: str) -> bool:
    """Match as a glob, where ``*`` stays inside a folder and ``**`` does not."""
    wanted, given = pattern.split("/"), path.split("/")
    return _match_parts(given, wanted)


def _match_parts(given: list[str], wanted: list[str]) -> bool:
    if not wanted:
        return not given
    if wanted[0] == "**":
        return any(_match_parts(given[i:], wanted[1:]) for i in range(len(given) + 1))
    return bool(given) and fnmatch.fnmatchcase(given[0], wanted[0]) and _match_parts(
        given[1:], wanted[1:]
    )  # fmt: skip


def _add(findings: Findings, output: Output, code: str, what: str, fix: str) -> None:
    findings.add(Finding(code, what, output.step.where, fix, step=output.step.name))


def refuse_strangers(output: Output, parts: tuple[str, ...] | None = None) -> None:
    """Refuse to replace a folder that holds files which Mainstem did not write.

    Parameters
    ----------
    output : Output
        A table's target.
    parts : tuple of str, optional
        The relative folders that are replaced; everything when absent.

    Raises
    ------
    OutsideError
        When there are such files and the sink has no ``force=True``, or the target is a file where
        a folder is needed, or the other way round.
    """  # noqa: DOC501 - built by a function
    if output.address:
        _refuse_strangers_there(output)
        return
    path = output.path
    if output.kind not in ("file", "folder", "partitions") or not path.exists():
        return
    if output.kind == "file":
        if path.is_dir():
            raise _wrong_target(output, "is a folder", 'end the path with "/" to write into it')
        return
    if not path.is_dir():
        raise _wrong_target(output, "is a file", "remove it, or choose another path")
    if path.is_mount():
        raise _wrong_target(output, "is a mount point and cannot be replaced", "write below it")
    # A sink that grows keeps the files of its manifest, and would lose the others.
    if not output.is_force or output.mode != "overwrite":
        _refuse_files(output, parts)


def _refuse_strangers_there(output: Output) -> None:
    """Do the same on another machine."""
    from mainstem.storage.remote.commit import read_manifest as read_manifest_there

    files = file_system(output.address)
    found = files.status_or_none(output.address)
    if found is None:
        return
    if output.kind == "file":
        if found.is_folder:
            raise _wrong_target(output, "is a folder", 'end the path with "/" to write into it')
        return
    if not found.is_folder:
        raise _wrong_target(output, "is a file", "remove it, or choose another path")
    if output.address.endswith("/"):
        raise _wrong_target(output, "is all there is and cannot be replaced", "write below it")
    if not output.is_force:
        manifest = read_manifest_there(output.address)
        known = {f"{output.address}/{f.name}" for f in manifest.files} if manifest else set()
        _refuse_alien(output, sorted(set(files.find(output.address)) - known))


def _refuse_files(output: Output, parts: tuple[str, ...] | None) -> None:
    manifest = read_manifest(output.path)
    alien = strangers(output.path, manifest)
    if parts is not None and manifest is not None:
        alien = [name for name in alien if any(name.startswith(f"{p}/") for p in parts)]
    _refuse_alien(output, alien)


def _refuse_alien(output: Output, alien: list[str]) -> None:
    if alien:
        raise OutsideError(
            f"{output.place} holds files that Mainstem did not write: {listing(alien, limit=3)}",
            where=output.step.where, step=output.step.name, code="NotOurFiles",
            fix="choose another path, or " + (
                "add force=True to the sink to replace them" if output.mode == "overwrite"
                else "move them away"
            ), files=alien,
        )  # fmt: skip


def _wrong_target(output: Output, why: str, fix: str) -> OutsideError:
    return OutsideError(
        f"{output.place} {why}", where=output.step.where, step=output.step.name,
        code="WrongTarget", fix=fix,
    )  # fmt: skip
