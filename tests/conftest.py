"""Set-up of every suite: a zone that is not UTC, how many cases, and what a skip means."""

import os
import re
import signal
import time
import zlib

# Set before anything reads it. Kathmandu is at +05:45: neither UTC nor a whole hour from it, so an
# answer that depends on the zone of the machine is wrong here.
os.environ["TZ"] = "Asia/Kathmandu"
time.tzset()

# A shell starts what it runs in the background deaf to Ctrl-C, and so would be every command here.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import hypothesis  # noqa: E402 - the zone first
import pytest  # noqa: E402 - same

LONG = os.environ.get("MAINSTEM_LONG") == "1"
FAST = os.environ.get("MAINSTEM_FAST") == "1"
REQUIRE_ALL = os.environ.get("MAINSTEM_REQUIRE") == "all"

# No deadline: a slow machine is no failure. The blob repeats a failing case on another machine.
hypothesis.settings.register_profile("usual", deadline=None, print_blob=True, max_examples=100)
hypothesis.settings.register_profile("long", deadline=None, print_blob=True, max_examples=2000)
hypothesis.settings.register_profile("fast", deadline=None, print_blob=True, max_examples=10)
hypothesis.settings.load_profile("long" if LONG else "fast" if FAST else "usual")

# Tests that run no pipeline: milliseconds each, so `--one-in` leaves all of them in.
CHEAP = tuple(
    f"tests/{name}"
    for name in (
        "conformance/test_gaps.py", "conformance/test_verbs.py", "unit/definition/",
        "unit/embedded_compile/", "unit/formats/", "unit/functions/", "unit/runtime/",
        "unit/settings/", "unit/sql/", "unit/storage/", "unit/test_record.py",
    )
)  # fmt: skip


def pytest_addoption(parser):
    """Let `make test-fast` run a sample."""
    parser.addoption(
        "--one-in", type=int, default=1, metavar="N", help="run one in N of the tests that cost"
    )


def pytest_collection_modifyitems(config, items):
    """Keep a sample of the tests that run pipelines: the same ones each time, by their names."""
    n = config.getoption("--one-in")
    if n == 1:
        return
    chosen = [
        item
        for item in items
        if item.nodeid.startswith(CHEAP) or zlib.crc32(item.nodeid.encode()) % n == 0
    ]
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen


# Tests that share one run: examples of a family of functions, on an engine.
_FAMILY = re.compile(r"test_functions\.py::\w+\[(\w+-\w+)-")
# Tests that share a cluster of Spark, and kill executors on this machine.
_CLUSTER = re.compile(r"spark/test_cluster\.py|::test_an_executor_dies")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep a family on one process: side by side, each would run all of it.

    With pytest 9.2 the groups of pytest-xdist 3.8 hold nothing together: it writes them into an
    attribute that nobody reads any more.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Families(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if _CLUSTER.search(nodeid):
                return "cluster"
            found = _FAMILY.search(nodeid)
            return found[1] if found else nodeid

    return Families(config, log)


def _without_skip(report):
    """Turn a skip into a failure where everything is required; an expected failure is no skip."""
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and MAINSTEM_REQUIRE=all: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """See what a test that skips means here."""
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """See what a file that skips as a whole means here."""
    return _without_skip((yield))
