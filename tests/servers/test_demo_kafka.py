"""`make demo-kafka`: the stream of the demo between topics, killed, and counted by another reader."""

import re
from pathlib import Path

from tests.examples.running import copy, run_script

EXAMPLE = Path(__file__).parents[2] / "examples" / "webviews"


def test_nothing_is_lost_or_doubled_between_topics(tmp_path):
    """With a broker of its own, as a user runs it; every table was compared, and the run was killed."""
    folder = copy(EXAMPLE, tmp_path)

    printed = run_script(folder, "demo_kafka.py")

    assert printed.splitlines()[-1] == "0 lost, 0 doubled", printed
    for name in ("per_minute", "top_pages", "visits", "broken records"):
        assert int(re.search(rf"{name} +([\d,]+)", printed)[1].replace(",", "")) > 0
    journal = (folder / "out" / "kafka" / "webviews" / "journal.jsonl").read_text("utf-8")
    assert (journal.count('"run_started"'), journal.count('"run_ended"')) == (2, 1)
