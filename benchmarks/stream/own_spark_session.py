"""Mainstem on a session of Spark in a process of its own: a line with a topic on stdin runs the pipeline.

    python own_spark_session.py SERVERS TOPIC FOLDER

Says `ready`, `started` and `stopped` on stdout, as `spark_session.py` does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

SERVERS, TOPIC, FOLDER = sys.argv[1:]
PIPELINE = Path(__file__).with_name("pipeline.py")


def main() -> None:
    """Serve until stdin ends."""
    from mainstem.definition.load import load
    from mainstem.engines.spark.session import opened
    from mainstem.engines.spec import StreamSettings
    from mainstem.runtime.run import RunOptions, run

    # Started before anything is timed, as the peer's is.
    opened("")
    print("ready", flush=True)
    for line in sys.stdin:
        topic = line.strip()
        os.environ |= {"BENCH_SERVERS": SERVERS, "BENCH_IN": TOPIC, "BENCH_OUT": topic}
        print("started", flush=True)
        folder = Path(FOLDER) / topic
        folder.mkdir()
        options = RunOptions(folder, engine="spark", stream=StreamSettings("caught_up"))
        for _ in run(load(PIPELINE).plan(), options):
            pass
        print("stopped", flush=True)


if __name__ == "__main__":
    main()
