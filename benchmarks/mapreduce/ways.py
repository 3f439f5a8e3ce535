"""One way to count words, in a process of its own: ``ways.py <way> <file>`` prints a digest as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def words(line: str) -> Iterator[tuple[str, int]]:
    """Give the pairs of a line, as every way with a function does."""
    for word in line.split():
        yield word, 1


def printed(counts: Iterable[tuple[str, int]], **facts: object) -> None:
    """Print the digest of the counts."""
    digest = hashlib.sha256()
    for word, n in sorted(counts):
        digest.update(f"{word}\t{n}\n".encode())
    print(json.dumps({"digest": digest.hexdigest(), **facts}))


def loop(path: str) -> None:
    """Count in the user's own loop, with the user's own function."""
    counts: dict[str, int] = {}
    with Path(path).open(encoding="utf-8") as file:
        for line in file:
            for word, n in words(line):
                counts[word] = counts.get(word, 0) + n
    printed(counts.items())


def job(path: str, **options: Any) -> None:
    """Count by map/reduce."""
    import mainstem as ms

    p = ms.Pipeline("wordcount")
    p.source("lines", ms.files(path, format="text"), schema="line string")
    given = {"reduce": "sum", **options}
    function = given.pop("function", lambda row: words(row["line"]))
    p.map_reduce("lines", name="counts", key="word string", value="n bigint", **given)(function)
    ended(p, "counts")


def ended(p: Any, table: str) -> None:
    """Run a pipeline and print the digest of its table."""
    with tempfile.TemporaryDirectory() as folder:
        result = p.run(base_dir=folder)
        with p.connect(base_dir=folder) as tables:
            rows = tables.query(f"SELECT word, n FROM {table}").rows
    facts = result.ledger.get("jobs", {}).get(table, {})
    # In KiB on Linux: the largest of the processes that have ended.
    worker_mb = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6)
    printed(rows, worker_mb=worker_mb, shuffle_bytes=facts.get("shuffle_bytes", 0))


def total(word: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Reduce and combine."""
    yield word, sum(counts)


def combiner(path: str) -> None:
    """Count by map/reduce with a combiner of the user's own."""
    job(path, reduce=total, combine=total)


def counted(lines: Iterable[str]) -> Counter[str]:
    """Count the words of many lines, as people do who have measured."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.split())
    return counts


def block(path: str) -> None:
    """Count by map/reduce, many lines at a time."""
    job(path, block=True, function=lambda columns: counted(columns["line"]).items())


def part(given: tuple[str, int, int]) -> Counter[str]:
    """Count the words of a part of a file; a line belongs to the part in which it begins."""
    path, start, end = given
    counts: Counter[str] = Counter()
    with Path(path).open("rb") as file:
        if start:
            file.seek(start - 1)
            file.readline()
        at = file.tell()
        while at < end:
            raw = file.read(min(1 << 20, end - at))
            if not raw.endswith(b"\n"):
                raw += file.readline()
            at += len(raw)
            counts.update(counted(raw.decode().split("\n")))
    return counts


def pool(path: str) -> None:
    """Count by hand with multiprocessing."""
    import multiprocessing

    size, n = Path(path).stat().st_size, 4 * len(os.sched_getaffinity(0))
    parts = [(path, size * i // n, size * (i + 1) // n) for i in range(n)]
    counts: Counter[str] = Counter()
    with multiprocessing.get_context("spawn").Pool() as workers:
        for found in workers.imap_unordered(part, parts):
            counts.update(found)
        workers.close()
        workers.join()
    printed(counts.items())


SQL = "SELECT word, count(*) AS n FROM {lines}, UNNEST({split}(line, ' ')) AS w(word) GROUP BY word"


def duckdb(path: str) -> None:
    """Count in DuckDB alone."""
    import duckdb as db

    lines = (
        f"read_csv('{path}', columns = {{'line': 'VARCHAR'}}, delim = '\\0', quote = '', escape = '', "
        "header = false, auto_detect = false) AS l"
    )
    printed(db.sql(SQL.format(lines=lines, split="string_split")).fetchall())


def sql(path: str) -> None:
    """Count in SQL by Mainstem."""
    import mainstem as ms

    p = ms.Pipeline("wordcount")
    p.source("lines", ms.files(path, format="text"), schema="line string")
    p.table("counts", SQL.format(lines="lines", split="split"))
    ended(p, "counts")


def mrjob(path: str) -> None:
    """Count by mrjob in one process."""
    from mrjob.job import MRJob
    from mrjob.protocol import JSONProtocol

    class Count(MRJob):
        def mapper(self, _: object, line: str) -> Iterator[tuple[str, int]]:
            yield from words(line)

        def combiner(self, word: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
            yield word, sum(counts)

        reducer = combiner

    counted_job = Count(["-r", "inline", "--no-conf", path])
    with counted_job.make_runner() as runner:
        runner.run()
        out = b"".join(runner.cat_output()).splitlines()
    printed(JSONProtocol().read(line) for line in out)


WAYS = {f.__name__: f for f in (loop, job, combiner, block, pool, duckdb, sql, mrjob)}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2])
