"""The journal: appended, checked line by line, and readable after any crash."""

from contextlib import closing

import pytest

from mainstem.errors import OutsideError, StateError
from mainstem.runtime.journal import Journal, from_line, read, records, to_line

START = {"kind": "run_started", "run_id": "r1", "pipeline": "p", "epoch": 1, "at": "2024"}


def journal_of(folder, *entries):
    """A journal with these entries; its bytes."""
    with closing(Journal(folder)) as journal:
        for entry in entries:
            journal.append(entry)
    return (folder / "journal.jsonl").read_bytes()


@pytest.mark.parametrize("entry", [{"kind": "a"}, {"kind": 'x","crc":"00000000"}', "n": "é\n\x00"}])
def test_line_is_read_back(entry):
    """Line is read back."""
    line = to_line(entry)

    assert line.count(b"\n") == 1
    assert from_line(line[:-1]) == entry


def test_each_flipped_byte_is_found():
    """Each flipped byte is found."""
    line = to_line(START)[:-1]

    for at in range(len(line)):
        damaged = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
        assert from_line(damaged) is None, at


def test_journal_cut_anywhere_keeps_what_was_whole(tmp_path):
    """Journal cut anywhere keeps what was whole."""
    data = journal_of(tmp_path, START, START | {"run_id": "r2"})
    first = data.index(b"\n") + 1

    for cut in range(len(data)):
        (tmp_path / "journal.jsonl").write_bytes(data[:cut])
        found = read(tmp_path)
        whole = 0 if cut < first else 1
        assert len(found.entries) == whole, cut
        assert found.torn_bytes == cut - (first if whole else 0), cut
        assert (found.torn_at is None) == (found.torn_bytes == 0), cut


def test_torn_tail_is_taken_away_by_the_writer(tmp_path):
    """Torn tail is taken away by the writer."""
    data = journal_of(tmp_path, START)
    (tmp_path / "journal.jsonl").write_bytes(data + b'{"kind":"run_en\r\x00')

    assert journal_of(tmp_path, START) == data * 2


def test_damage_before_a_good_line_is_refused(tmp_path):
    """Damage before a good line is refused."""
    data = journal_of(tmp_path, START, START)
    (tmp_path / "journal.jsonl").write_bytes(b"?" + data[1:])

    with pytest.raises(StateError, match="line 1 of the journal") as refused:
        read(tmp_path)

    assert refused.value.attributes["line"] == 1


def test_absent_journal_is_empty(tmp_path):
    """Absent journal is empty."""
    assert read(tmp_path).entries == ()


def test_append_to_a_full_disk_is_an_error(tmp_path, monkeypatch):
    """Append to a full disk is an error."""

    def full(*_):
        raise OSError(28, "No space left on device")

    with closing(Journal(tmp_path)) as journal:
        monkeypatch.setattr("os.write", full)
        with pytest.raises(OutsideError, match="No space left"):
            journal.append(START)


@pytest.mark.parametrize(
    ("later", "status", "is_committed"),
    [
        ([], "running", False),
        ([{"kind": "run_committed", "tokens": {"t": "x"}}], "succeeded", True),
        ([{"kind": "run_ended", "status": "failed", "error": {"code": "E"}}], "failed", False),
        ([{"kind": "recovered", "outcome": "undone", "at": "2025"}], "killed", False),
        ([{"kind": "recovered", "outcome": "finished", "at": "2025"}], "succeeded", True),
        # A decided commit that failed, and was finished by the next start.
        ([{"kind": "run_ended", "status": "failed"},
          {"kind": "recovered", "outcome": "finished", "at": "2025"}], "succeeded", True),
    ],
)  # fmt: skip
def test_entries_fold_into_runs(later, status, is_committed):
    """Entries fold into runs."""
    (record,) = records([START, *(entry | {"run_id": "r1"} for entry in later)])

    assert (record.status, record.is_committed) == (status, is_committed)
