"""`mainstem check --jobs`: each of the classical mistakes is found, and code without them passes."""

import pytest

from mainstem.runtime.run import RunOptions, try_jobs
from tests.unit.cli.program import call
from tests.unit.mapreduce.case import pipeline, total, words

TEXT = "".join(f"k{i % 5} {i}\n" for i in range(60))
OPTIONS = {"key": "k string", "value": "n bigint", "name": "answer"}


def numbers(row):
    """Map a line to its key and number."""
    key, n = row["line"].split()
    yield key, int(n)


def average(key, values):
    """What people take for a combiner."""
    found = list(values)
    yield key, sum(found) // len(found)


class Random:
    """Another answer each time."""

    def map(self, row):
        import random

        yield row["line"], random.randrange(10**9)

    def reduce(self, key, values):
        yield key, sum(values)


class Hashed(Random):
    """Another answer in each process."""

    def map(self, row):
        yield row["line"], hash(row["line"])


class Hidden(Random):
    """Numbers the lines: each task begins anew."""

    def setup(self, context):
        self.n = 0

    def map(self, row):
        self.n += 1
        yield row["line"], self.n


class Ordered(Random):
    """Takes the first value that comes."""

    def map(self, row):
        yield from numbers(row)

    def reduce(self, key, values):
        yield key, next(values)


class Averaged(Random):
    """Averages averages."""

    def map(self, row):
        yield from numbers(row)

    def combine(self, key, values):
        yield from average(key, values)

    def reduce(self, key, values):
        yield from average(key, values)


class Sorted(Ordered):
    """Takes the first value by its own order, which is allowed."""

    def sort_key(self, key, value):
        return value


def findings(base, job, **options):
    """What is found of one job."""
    p = pipeline(base, TEXT)
    p.map_reduce("lines", **OPTIONS | options)(job)
    return try_jobs(p.plan(), RunOptions(base))


@pytest.mark.parametrize(
    ("job", "mistake"),
    [
        (Random, "gives another answer for the same rows"), (Hashed, "depends on hash()"),
        (Hidden, "something is kept from one record to the next"),
        (Ordered, "depends on the order of the values"), (Averaged, "has a combiner that changes the answer"),
    ],
)  # fmt: skip
def test_mistake_is_found(tmp_path, job, mistake):
    """By its name, at its class, with a row that became another."""
    (found,) = findings(tmp_path, job)

    assert found.code == "JobNotStable"
    assert mistake in found.what
    assert "became" in found.what
    assert found.where.file == __file__


@pytest.mark.parametrize(
    ("job", "options"),
    [
        (numbers, {"reduce": total, "combine": total}), (words, {"reduce": "sum"}),
        (Sorted, {"sort": "bigint"}),
        (lambda row: [("k", float(row["line"].split()[1]) / 3)], {"value": "x double", "reduce": total}),
    ],
)  # fmt: skip
def test_sound_job_passes(tmp_path, job, options):
    """Sums of doubles differ in their last digits, which V5 allows."""
    assert findings(tmp_path, job, **options) == []


def test_job_that_reads_a_job_is_tried_on_its_answer(tmp_path):
    """Rows come from the first way of the job before; nothing is written."""
    p = pipeline(tmp_path, TEXT)
    p.map_reduce("lines", **OPTIONS | {"name": "sums"}, reduce="sum")(numbers)
    p.map_reduce("SELECT k AS line FROM sums", **OPTIONS)(Hidden)

    (found,) = try_jobs(p.plan(), RunOptions(tmp_path))

    assert found.step == "answer"
    assert not (tmp_path / ".mainstem" / "jobs" / "state.duckdb").exists()


def test_command_says_it(tmp_path, capsys, monkeypatch):
    """The exit code is that of a wrong pipeline."""
    (tmp_path / "lines.txt").write_text(TEXT)
    (tmp_path / "pipeline.py").write_text(
        "import mainstem as ms\n\np = ms.Pipeline('jobs')\n"
        "p.source('lines', ms.files('lines.txt'), schema='line string')\n\n\n"
        "@p.map_reduce('lines', key='k string', value='n bigint', combine=lambda k, v: [(k, 1)],\n"
        "              reduce=lambda k, v: [(k, sum(v))])\n"
        "def count(row):\n    yield row['line'][:2], 1\n"
    )
    monkeypatch.chdir(tmp_path)

    assert call(capsys, "check").code == 0
    said = call(capsys, "check", "--jobs")

    assert said.code == 2
    assert (
        "JobNotStable: map/reduce step 'count' has a combiner that changes the answer" in said.out
    )
