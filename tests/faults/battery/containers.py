"""Damaged compression, wrong formats, and paths that are no readable files: refused as a whole."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.battery.case import Case, csv, json_line, line
from tests.faults.battery.pages import parquet

# Long enough for a damaged byte in its middle to be data, whatever the compression.
MANY = csv(*(line(n) for n in range(1, 2000)))


def _zstd(data: bytes) -> bytes:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    module: Any = importlib.import_module(name)
    options = {module.CompressionParameter.checksum_flag: 1}
    packed: bytes = module.compress(data, options=options)
    return packed


def _zip(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return packed.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    """Give the bytes with one bit turned over."""
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _damaged(name: str, defect: str, file: str, data: bytes) -> Case:
    return Case(name, defect, file, data, refused="FileDamaged", says=file)


COMPRESSED = (
    _damaged("gzip cut short", "a gzip, zstd or zip file cut short", "in.csv.gz", _gzip(MANY)[:-500]),
    _damaged("gzip without its last bytes", "a gzip, zstd or zip file cut short", "in.csv.gz",
             _gzip(MANY)[:-4]),
    _damaged("gzip of no bytes", "a gzip, zstd or zip file cut short", "in.csv.gz", b""),
    _damaged("gzip with a flipped bit", "a flipped bit in a gzip, zstd or zip file", "in.csv.gz",
             flipped(_gzip(MANY), len(_gzip(MANY)) // 2)),
    _damaged("gzip with another checksum", "a flipped bit in a gzip, zstd or zip file", "in.csv.gz",
             flipped(_gzip(MANY), -8)),
    _damaged("gzip with more behind it", "other bytes after the end of a gzip file", "in.csv.gz",
             _gzip(MANY) + b"more"),
    Case("two gzip members", "several gzip or zstd members in one file", "in.csv.gz",
         _gzip(csv(line(1))) + _gzip(line(2) + b"\n"), (1, 2)),
    Case("gzip of an empty file", "an empty file", "in.csv.gz", _gzip(b"")),
    _damaged("zstd cut short", "a gzip, zstd or zip file cut short", "in.csv.zst", _zstd(MANY)[:-500]),
    _damaged("zstd of no bytes", "a gzip, zstd or zip file cut short", "in.csv.zst", b""),
    _damaged("zstd with a flipped bit", "a flipped bit in a gzip, zstd or zip file", "in.csv.zst",
             flipped(_zstd(MANY), len(_zstd(MANY)) // 2)),
    Case("two zstd frames", "several gzip or zstd members in one file", "in.csv.zst",
         _zstd(csv(line(1))) + _zstd(line(2) + b"\n"), (1, 2)),
    _damaged("zip cut short", "a gzip, zstd or zip file cut short", "in.csv.zip",
             _zip(("a.csv", MANY))[:-500]),
    _damaged("zip member with a flipped bit", "a flipped bit in a gzip, zstd or zip file", "in.csv.zip",
             flipped(_zip(("a.csv", MANY)), 500)),
    Case("zip with two files", "a zip archive with several files", "in.csv.zip",
         _zip(("a.csv", MANY), ("b.csv", MANY)), refused="ZipMember", says="b.csv"),
)  # fmt: skip

FORMATS = (
    Case("gzip named .csv", "another format than the name says", "in.csv", _gzip(MANY),
         refused="BadHeader", says="UTF-8"),
    Case("Parquet named .csv", "another format than the name says", "in.csv", parquet(),
         refused="BadHeader", says="UTF-8"),
    Case("JSON lines named .csv", "another format than the name says", "in.csv", json_line(1) + b"\n",
         refused="BadHeader", says="closing quote"),
    _damaged("CSV named .gz", "another format than the name says", "in.csv.gz", csv(line(1))),
    _damaged("CSV named .zst", "another format than the name says", "in.csv.zst", csv(line(1))),
    _damaged("CSV named .zip", "another format than the name says", "in.csv.zip", csv(line(1))),
    _damaged("CSV named .parquet", "another format than the name says", "in.parquet", MANY),
    _damaged("empty Parquet file", "a Parquet file without footer", "in.parquet", b""),
    Case("no known ending", "a name without a known ending", "in.dat", csv(line(1)),
         refused="FormatNotKnown", says="in.dat"),
)  # fmt: skip


def _missing_target(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.csv"))


def _folder_with_link(path: Path) -> None:
    path.mkdir()
    (path / "a.csv").write_bytes(csv(line(1)))
    (path / "b.csv").symlink_to(path / "nowhere.csv")


def _linked_folder(path: Path) -> None:
    # Beside the folder, not in it: a walk that does not follow links would give no row.
    elsewhere = path.with_name("elsewhere")
    _folder(elsewhere)
    path.mkdir()
    (path / "sub").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(path)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "a.csv").write_bytes(csv(line(1)))
    (path / "b.csv").write_bytes(csv(line(2)))
    (path / ".c.csv").write_bytes(b"not data")


def _folder_with_fifo(path: Path) -> None:
    path.mkdir()
    (path / "a.csv").write_bytes(csv(line(1)))
    os.mkfifo(path / "b.csv")


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _unreadable(path: Path) -> None:
    # A regular file that can be opened, and whose first byte cannot be read: an I/O error, whoever runs.
    path.symlink_to("/proc/self/mem")


def _path(
    name: str, defect: str, data: Callable[[Path], None], code: str, file: str = "in.csv",
    glob: str = "",
) -> Case:  # fmt: skip
    return Case(name, defect, file, data, refused=code, says=file.partition(".")[0], glob=glob)


PATHS = (
    _path("no such file", "a path that matches nothing", lambda _: None, "FileNotFound"),
    _path("dangling link", "a link to nothing", _missing_target, "FileNotRead"),
    _path("link to itself", "a link to nothing", _loop, "FileNotRead"),
    _path("dangling link in a folder", "a link to nothing", _folder_with_link, "FileNotRead"),
    _path("dangling link that a glob matches", "a link to nothing", _folder_with_link, "FileNotRead",
          glob="in.csv/*.csv"),
    Case("folder behind a link, in a circle", "a folder behind a link", "in", _linked_folder, (1, 2)),
    _path("empty folder", "an empty folder", lambda path: path.mkdir(), "FileNotFound"),
    Case("folder with the name of a file", "a folder where a file was expected", "in.csv", _folder, (1, 2)),
    Case("folder that a glob matches", "a folder where a file was expected", "in.csv", _folder, (1, 2),
         glob="*.csv"),
    _path("FIFO", "a pipe, socket or device", os.mkfifo, "FileNotRead"),
    _path("FIFO in a folder", "a pipe, socket or device", _folder_with_fifo, "FileNotRead"),
    _path("FIFO for Parquet", "a pipe, socket or device", os.mkfifo, "FileNotRead", "in.parquet"),
    _path("FIFO for gzip", "a pipe, socket or device", os.mkfifo, "FileNotRead", "in.csv.gz"),
)  # fmt: skip
# Only where the system has such a file.
if Path("/proc/self/mem").exists():
    PATHS += (_path("disk error", "a file that cannot be read", _unreadable, "FileNotRead"),)
CASES = (*COMPRESSED, *FORMATS, *PATHS)
