"""Splits: however a file is cut, its lines are those of every other format."""

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.formats.lines import read_lines
from mainstem.mapreduce import splits
from mainstem.mapreduce.job import TextSplit
from mainstem.mapreduce.splits import BadText, blocks, planned


def lines(found):
    """The lines of splits, in their order."""
    return [line for split in found for block in blocks(split) for line in block.columns["line"]]


@given(
    text=st.lists(st.sampled_from(["a", "ä", "\r", "\n", "\ufeff", "\x85", "\u2028", "", "bb"])),
    size=st.integers(1, 9), block=st.integers(1, 5),
)  # fmt: skip
def test_any_cut_gives_the_lines_of_the_file(tmp_path_factory, text, size, block):
    """No line is lost or doubled, whatever the sizes of splits and blocks."""
    data = "".join(text).encode()
    path = tmp_path_factory.mktemp("cut") / "t.txt"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "BLOCK_BYTES", block)

        found = lines(planned(str(path), "none", len(data), size))

    assert found == [line.text() for line in read_lines(io.BytesIO(data))]


def test_compressed_file_is_one_split(tmp_path):
    """There is no way into the middle of plain gzip."""
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(b"a\nb\n"))

    found = planned(str(path), "gzip", path.stat().st_size, 1)

    assert len(found) == 1
    assert lines(found) == ["a", "b"]


def test_offset_of_a_record_is_its_first_byte(tmp_path):
    """Byte order mark, two-byte letters and CRLF are counted."""
    data = b"\xef\xbb\xbfa\r\n\xc3\xa4b\nc\nd"
    path = tmp_path / "t.txt"
    path.write_bytes(data)
    starts = [
        (block.columns["line"][i], block.offset(i))
        for split in planned(str(path), "none", len(data), 6)
        for block in blocks(split) for i in range(block.rows)
    ]  # fmt: skip

    assert starts == [("a", 3), ("äb", 6), ("c", 10), ("d", 12)]


def test_line_that_is_not_utf8_is_named(tmp_path):
    """With its number and its first byte."""
    path = tmp_path / "t.txt"
    path.write_bytes(b"good\nb\xffd\n")

    with pytest.raises(BadText, match="not UTF-8: invalid start byte at byte 2") as caught:
        lines([TextSplit(str(path))])

    assert (caught.value.index, caught.value.offset) == (1, 5)


def test_line_that_is_too_long_is_named(tmp_path, monkeypatch):
    """Memory stays bounded, whatever stands in a file."""
    monkeypatch.setattr(splits, "LONGEST", 10)
    path = tmp_path / "t.txt"
    path.write_bytes(b"short\n" + b"x" * 11 + b"\nshort\n")

    with pytest.raises(BadText, match="a line of more than 10 bytes") as caught:
        lines([TextSplit(str(path))])

    assert (caught.value.index, caught.value.offset) == (1, 6)
