"""Generated data and fetched texts, kept in the user's cache and never in this repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

# The query texts are test resources of this version of Spark SQL.
SPARK_TESTS = "org.apache.spark:spark-sql_2.13:4.0.1:jar:tests"


class DataNotHereError(Exception):
    """Something that a benchmark needs and that this machine cannot get."""


def cache() -> Path:
    """Give the folder of everything generated: MAINSTEM_BENCH_CACHE, or under the user's cache."""
    given = os.environ.get("MAINSTEM_BENCH_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "mainstem" / "bench"


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """Give a folder of the cache, made on first use.

    It is made under another name and then renamed, so that an interrupted run leaves no half of it.
    """
    place = cache() / name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            make(made)
            made.rename(place)
    return place


def tpch(scale: float, tables: Sequence[str] = ()) -> Path:
    """Give the folder with TPC-H as Parquet, one file for each table."""
    some = f"-{'-'.join(tables)}" if tables else ""

    def make(place: Path) -> None:
        only = ["--tables", ",".join(tables)] if tables else []
        _generate("tpchgen-cli", "parquet", "-s", f"{scale:g}", "-o", str(place), "-q", *only)

    return kept(f"tpch-{scale:g}{some}-{version('tpchgen-cli')}", make)


def tpcds(scale: float) -> Path:
    """Give the folder with TPC-DS as Parquet, one file for each table."""

    def make(place: Path) -> None:
        _generate("tpcgen-cli", "tpcds", "parquet", "-s", f"{scale:g}", "-o", str(place), "-q")
        (place / "dbgen_version.parquet").unlink()  # about the generator; no query reads it

    return kept(f"tpcds-{scale:g}-{version('tpcgen-cli')}", make)


def tpcds_texts() -> Path:
    """Give the folder with the TPC-DS query texts of Spark's own tests.

    Maven fetches the jar; MAINSTEM_TPCDS_JAR names one that is already here.
    """

    def make(place: Path) -> None:
        given = os.environ.get("MAINSTEM_TPCDS_JAR")
        jar = Path(given) if given else _fetched(place / "fetched")
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                folder, _, file = name.rpartition("/")
                if folder == "tpcds" and file.endswith(".sql"):
                    (place / file).write_bytes(archive.read(name))
        shutil.rmtree(place / "fetched", ignore_errors=True)

    return kept(f"tpcds-texts-{SPARK_TESTS.split(':')[2]}", make)


def _fetched(place: Path) -> Path:
    if shutil.which("mvn") is None:
        raise DataNotHereError(
            f"no mvn to fetch {SPARK_TESTS}; put mvn on PATH, or set MAINSTEM_TPCDS_JAR to that jar"
        )
    copy = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={SPARK_TESTS}"]
    done = subprocess.run(
        [*copy, f"-DoutputDirectory={place}"], capture_output=True, text=True, check=False
    )
    jars = list(place.glob("*.jar"))
    if done.returncode or not jars:
        raise DataNotHereError(f"mvn could not fetch {SPARK_TESTS}: {done.stdout.strip()[-500:]}")
    return jars[0]


def _generate(program: str, *arguments: str) -> None:
    """Run a generator that was installed beside this interpreter."""
    path = Path(sys.executable).parent / program
    done = subprocess.run([str(path), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataNotHereError(f"{program} {' '.join(arguments)}: {done.stderr.strip()[-500:]}")


def size_mb(place: Path) -> float:
    """Give the size of all files under a folder, in 10^6 bytes."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
