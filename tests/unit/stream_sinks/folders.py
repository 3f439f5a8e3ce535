"""What two kinds of readers see of a folder: one by the manifest, one by glob."""

import hashlib
from contextlib import closing
from pathlib import Path

import duckdb

from mainstem.storage.local.manifest import read_manifest, staged_name

READERS = {
    "parquet": "read_parquet({}, hive_partitioning = {})",
    "csv": "read_csv({}, hive_partitioning = {}, all_varchar = true)",
    "json": "read_json({}, hive_partitioning = {}, format = 'newline_delimited')",
}


def read(paths, format_="parquet", *, is_partitioned=False, suffix=""):
    """The rows (id, k) of some files, sorted."""
    if not paths:
        return []
    listed = "[" + ", ".join(f"'{path}'" for path in paths) + "]"
    source = READERS[format_].format(listed, str(is_partitioned).lower())
    with closing(duckdb.connect()) as connection:
        rows = connection.execute(f"SELECT id::BIGINT, k::VARCHAR FROM {source}").fetchall()
    return sorted(rows)


def by_glob(folder: Path, format_="parquet", **more):
    """What a reader sees that lists names."""
    return read(sorted(folder.glob(f"**/*.{format_}*")), format_, **more)


def by_manifest(folder: Path, format_="parquet", **more):
    """What a reader sees that knows the manifest; every file is what the manifest says."""
    manifest = read_manifest(folder)
    if manifest is None:
        return []
    paths = []
    for file in manifest.files:
        path = folder / file.name
        if not path.exists():
            path = staged_name(folder, file.name)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
        paths.append(path)
    return read(paths, format_, **more)
