"""A run that is stopped, or killed while it computes, or met by a second one."""

import signal

import pytest

from mainstem.errors import StateError, Stopped
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.status import runs, status
from tests.faults.case import (
    contents,
    expected,
    folder_of,
    leftovers,
    plan_of,
    process,
    run_version,
)


def computing(base):
    """Start a run whose last step takes for ever, and wait until it is there."""
    child = process(base, "slow", "2", "state")
    for line in child.stdout:
        if line.strip() == "ext":
            return child
    raise AssertionError(child.communicate())


@pytest.fixture
def base(tmp_path):
    """A folder in which version 1 has run."""
    run_version(tmp_path, 1, has_state=True)
    return tmp_path


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")],
)
def test_signal_stops_cleanly(base, number, code, word):
    """Signal stops cleanly."""
    child = computing(base)
    try:
        assert leftovers(base) != []
        child.send_signal(number)
        _, err = child.communicate(timeout=60)
    finally:
        # A run that does not stop would compute for ever.
        child.kill()

    assert child.returncode == code
    assert f"the run was stopped by {word}" in err
    assert "Traceback" not in err
    assert "nanobind" not in err
    assert leftovers(base) == []
    assert contents(base, has_state=True) == expected(1, has_state=True)
    assert runs(folder_of(base))[-1].status == "stopped"


def test_kill_while_computing_is_undone_by_the_next_run(base):
    """Kill while computing is undone by the next run."""
    child = computing(base)

    child.kill()
    child.communicate(timeout=60)

    assert status(folder_of(base)).last.status == "killed"
    assert leftovers(base) != []
    events = run_version(base, 2, has_state=True)
    assert events[0].kind == "recovered"
    assert events[0].facts["outcome"] == "undone"
    assert leftovers(base) == []
    assert contents(base, has_state=True) == expected(2, has_state=True)


def test_second_run_is_refused_and_readers_are_not(base):
    """Second run is refused and readers are not."""
    child = computing(base)
    try:
        with pytest.raises(StateError, match=rf"pid {child.pid} ") as refused:
            run_version(base, 2, has_state=True)
        assert refused.value.attributes["pid"] == child.pid
        told = status(folder_of(base))
        assert told.holder.pid == child.pid
        assert told.last.status == "running"
        assert told.committed.epoch == 1
        with pytest.raises(StateError, match=rf"pid {child.pid}\) is writing"):
            query(folder_of(base), "SELECT 1")
    finally:
        child.kill()
        child.communicate(timeout=60)


def test_leaving_the_events_early_stops_the_run(base):
    """Leaving the events early stops the run."""
    (base / "in.csv").write_text("id,k\n9,z\n")
    events = run(plan_of(has_state=True), RunOptions(base, params={"version": 2}))
    while next(events).kind != "outputs_staged":
        pass

    events.close()

    assert leftovers(base) == []
    assert contents(base, has_state=True) == expected(1, has_state=True)
    assert runs(folder_of(base))[-1].status == "stopped"


def test_keyboard_interrupt_of_the_caller_is_a_stop(base, monkeypatch):
    """Where no handler of ours is installed, Python's own KeyboardInterrupt ends it as well."""
    monkeypatch.setattr(
        "mainstem.engines.embedded.session.Session._fraction",
        lambda _session: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    from tests.faults.case import FOR_EVER, Slow

    monkeypatch.setattr("mainstem.runtime.run.load_engine", lambda _name: Slow("ext", FOR_EVER))

    with pytest.raises(Stopped) as stopped:
        run_version(base, 2, has_state=True)

    assert stopped.value.exit_code == 130
    assert leftovers(base) == []
    assert contents(base, has_state=True) == expected(1, has_state=True)
