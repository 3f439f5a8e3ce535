"""Set-up of every suite: a zone that is not UTC, how many random cases, and what a skip means."""

import os
import time

# Set before anything reads it. Kathmandu is at +05:45: neither UTC nor a whole hour from it, so an
# answer that depends on the zone of the machine is wrong here.
os.environ["TZ"] = "Asia/Kathmandu"
time.tzset()

import hypothesis  # noqa: E402 - the zone first
import pytest  # noqa: E402 - same

LONG = os.environ.get("MAINSTEM_LONG") == "1"
REQUIRE_ALL = os.environ.get("MAINSTEM_REQUIRE") == "all"

# No deadline: a slow machine is no failure. The blob repeats a failing case on another machine.
hypothesis.settings.register_profile("usual", deadline=None, print_blob=True, max_examples=100)
hypothesis.settings.register_profile("long", deadline=None, print_blob=True, max_examples=2000)
hypothesis.settings.load_profile("long" if LONG else "usual")


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
