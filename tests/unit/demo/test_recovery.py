"""What kills the demo's stream: a stream that cannot be killed is told, with what it said itself."""

from datetime import timedelta

import pytest

from mainstem.demo.recovery import Child, Stream, interrupted
from mainstem.errors import OutsideError

PIPELINE = """
import mainstem as ms
p = ms.Pipeline("made")
p.source("made", ms.generator(columns={"n": {"sequence": 0}}%s), schema="n bigint, ts timestamp",
         event_time="ts", watermark="1 second")
p.table("all_of_it", "SELECT n FROM made")
"""


@pytest.fixture
def stream(tmp_path):
    """Gives the stream of a pipeline that is written here."""

    def make(options):
        (tmp_path / "pipeline.py").write_text(PIPELINE % options, "utf-8")
        return Stream(tmp_path / "pipeline.py", "made", "made", tmp_path / "state")

    return make


def test_a_stream_with_an_error_is_no_demo(stream):
    """Its own words are shown."""
    with pytest.raises(OutsideError, match=r"code 2:\n[^$]*rat") as raised:
        interrupted(
            stream(", rat=5"), kill_after=10, run_on=timedelta(minutes=1), tell=lambda _: None
        )

    assert raised.value.finding.code == "DemoFailed"


def test_a_stream_that_ends_by_itself_is_no_demo(stream):
    """Nothing was killed, so nothing would be proven."""
    with pytest.raises(OutsideError, match="before it was killed"):
        interrupted(
            stream(", count=5"), kill_after=10, run_on=timedelta(minutes=1), tell=lambda _: None
        )


def test_the_process_ends_with_its_block(stream):
    """A stream never ends by itself: left alone it would go on behind the demo."""
    with Child(stream(", rate=1000")) as child:
        assert next(child.events())["event"] == "run_started"

    assert child._process.returncode == -9
