"""Word count, from a pipeline that is one SQL file."""

import csv
import re
import shutil
from collections import Counter
from pathlib import Path

from tests.examples.running import copy, run_pipeline

ROOT = Path(__file__).parents[2]


def test_words_of_the_licence_are_counted(tmp_path):
    """Every word and its count, most frequent first, ties by the alphabet."""
    shutil.copy(ROOT / "LICENSE", tmp_path)
    folder = copy(ROOT / "examples" / "wordcount", tmp_path / "examples")
    expected = Counter(re.findall("[a-z]+", (ROOT / "LICENSE").read_text("utf-8").lower()))

    run_pipeline(folder / "pipeline.sql")

    with (folder / "out" / "counts.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["word", "n"]
    assert [(word, int(n)) for word, n in rows] == sorted(
        expected.items(), key=lambda w: (-w[1], w[0])
    )
    assert expected["the"] == 100
