"""Line ends are counted as the writer meant them, wherever a chunk ends."""

import pytest

from mainstem.engines.embedded import counting
from mainstem.engines.embedded.counting import count_lines


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "quote", "lines"),
    [
        (b"", b'"', 0),
        (b"a\nb\n", b'"', 2),
        (b'a\n"x\ny"\nb\n', b'"', 3),
        (b'"a""\n""b"\n"c"\n', b'"', 2),
        (b'""\n"\n"\n', b'"', 2),
        (b'a"\n"b\n', b"", 2),
    ],
)
def test_line_ends_between_quotes_do_not_count(tmp_path, monkeypatch, text, quote, lines, chunk):
    """Whatever falls on the edge of two chunks."""
    monkeypatch.setattr(counting, "CHUNK", chunk)
    path = tmp_path / "t"
    path.write_bytes(text)
    assert count_lines(path, quote=quote) == lines
