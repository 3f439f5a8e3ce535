"""What runs in the tasks of map/reduce needs Python and nothing else."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORD_COUNT = """
import pickle, sys
from pathlib import Path
from mainstem.mapreduce.frames import read_all
from mainstem.mapreduce.job import Job, MapTask, ReduceTask, TextSplit
from mainstem.mapreduce.worker import answer
from mainstem.plan.types import parse_schema

class Words:
    reduce = "sum"
    def map(self, row):
        return ((word, 1) for word in row["line"].split())

folder = sys.argv[1]
Path(folder, "t.txt").write_text("b a\\na b\\nb\\n")
job = Job("words", parse_schema("word string"), parse_schema("n bigint"),
          parse_schema("word string, n bigint"), word="sum", code=pickle.dumps(Words))
_, mapped = answer(job, MapTask(0, 0, TextSplit(folder + "/t.txt"), folder))
_, done = answer(job, ReduceTask(0, 0, mapped.sections[0], folder))
print(list(read_all(done.rows_path)))
print(sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
"""


def test_tasks_need_the_standard_library_only(tmp_path):
    """On a cluster there may be nothing but python3: no package is imported, and the answer is there."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", WORD_COUNT, str(tmp_path)], capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT / "src")}, check=False,
    )  # fmt: skip

    assert done.stdout.splitlines() == [
        "[[['a', 'b'], [2, 3]]]", "['__main__', 'mainstem']",
    ], done.stderr  # fmt: skip
