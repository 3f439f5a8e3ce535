"""A stream keeps bad records aside, until there are more of them than its source allows."""

import pytest

import mainstem as ms
from mainstem.errors import DataError


def pipeline(most):
    """Records of a growing folder, as they are."""
    p = ms.Pipeline("dirty")
    p.source(
        "numbers",
        ms.files("in", format="json", stream=True, settle="0 seconds"),
        schema="n bigint",
        max_bad=most,
    )
    p.table("kept", "SELECT n FROM numbers")
    return p


def write(folder, name, *values):
    """One file with a record for each value."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text("".join(f'{{"n": {value}}}\n' for value in values))


def test_a_bad_record_does_not_stop_a_stream(tmp_path):
    """Without a word a stream keeps it aside (V10); two of them are what is allowed here."""
    write(tmp_path, "a.jsonl", 1, '"x"', 2, 1.5)

    result = pipeline(2).run(base_dir=tmp_path, until_caught_up=True)

    line = result.ledger["sources"]["numbers"]
    assert (line["read"], line["admitted"], line["dead"]) == (4, 2, 2)


def test_more_than_are_allowed_stop_it_before_the_epoch(tmp_path):
    """The epoch with the third one is not committed: its rows are read again after the fix."""
    write(tmp_path, "a.jsonl", 1, '"x"', 2, 1.5, "true")

    with pytest.raises(
        DataError, match="3 of 5 records of source 'numbers' are bad, and max_bad allows 2"
    ):
        pipeline(2).run(base_dir=tmp_path, until_caught_up=True)

    result = pipeline(3).run(base_dir=tmp_path, until_caught_up=True)
    assert result.ledger["sources"]["numbers"]["admitted"] == 2
