"""The map/reduce examples give what SQL, and plain Python, say of the same data."""

import itertools
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from mainstem.runtime.query import query
from tests.examples.running import copy, run_pipeline

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example, run, beside the files that it reads."""
    root = tmp_path_factory.mktemp("mapreduce")
    shutil.copy(ROOT / "LICENSE", root)
    shutil.copytree(ROOT / "examples" / "logs" / "data", root / "examples" / "logs" / "data")
    folder = copy(ROOT / "examples" / "mapreduce", root / "examples")
    return run_pipeline(folder / "pipeline.py")


def bag(rows):
    """Rows as something that can be compared whatever their order."""
    return Counter(repr(sorted(row.items())) for row in rows)


@pytest.mark.parametrize("name", ["word_count", "inverted_index", "sessions", "slowest", "joined"])
def test_job_and_sql_agree(example, name):
    """As bags: the order of rows is nobody's promise."""
    assert example.tables[name]
    assert bag(example.tables[name]) == bag(example.tables[f"{name}_sql"])


def test_neighbouring_words_are_counted(example):
    """In plain Python, line by line."""
    expected = Counter()
    for line in (ROOT / "LICENSE").read_text("utf-8").lower().splitlines():
        words = re.findall("[a-z]+", line)
        expected.update(itertools.pairwise(words))

    found = {(row["first"], row["second"]): row["n"] for row in example.tables["bigrams"]}

    assert found == dict(expected)


def test_each_line_is_clean_dead_or_of_a_stack_trace(example):
    """A line of another shape is kept aside by the job, one in Latin-1 by its source; nothing is lost."""
    lines = (ROOT / "examples" / "logs" / "data" / "worker.log").read_bytes().split(b"\n")[:-1]
    texts = [line.decode("utf-8", "replace") for line in lines]
    sound = [text for text in texts if "\ufffd" not in text]
    shape = re.compile(r"(\d{4}-\d{2}-\d{2}T\S+) (?:INFO|ERROR) job=(\w+) took=(\d+)ms")
    good = [shape.fullmatch(text) for text in sound]
    broken = [text for text, m in zip(sound, good, strict=True) if text[:4].isdigit() and not m]

    assert bag(example.tables["cleaned"]) == bag(
        {"time": m[1], "job": m[2], "ms": int(m[3])} for m in good if m
    )
    state = example.folder / ".mainstem" / "mapreduce"
    dead = [text for (text,) in query(state, "SELECT __arguments FROM cleaned__dead").rows]
    assert sorted(dead) == sorted(repr({"line": text}) for text in broken)
    assert broken
    assert query(state, "SELECT count(*) FROM worker__dead").rows == ((len(texts) - len(sound),),)
