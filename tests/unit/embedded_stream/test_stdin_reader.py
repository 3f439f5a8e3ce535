"""Standard input: lines as they come, the header once, the end, and nothing twice."""

import contextlib
import logging
import os
import threading

import pytest

import mainstem as ms
from mainstem.engines.embedded.stream.readers.stdin import StdinReader
from mainstem.errors import DataError, OutsideError, StateError
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema
from tests.unit.embedded_stream.messages import new_session


@pytest.fixture
def pipe():
    """Both ends of a pipe."""
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        with contextlib.suppress(OSError):
            os.close(end)


def reader_of(file, schema="id bigint not null, v string", **words):
    """A reader of a descriptor."""
    binding = ms.stdin(**words)
    source = Source("g", binding, parse_schema(schema), bounded=False, on_bad="dead_letter")
    return StdinReader(source, file)


def loaded(reader, taken):
    """Give the rows of a slice and its dead letters."""
    session = new_session()
    made = reader.load(session, taken, '"t"')
    assert made.rows == taken.rows == made.admitted + made.dead
    letters = session.rows(f"SELECT row, raw FROM {made.dead_letters}") if made.dead else []
    return session.rows('SELECT * FROM "t"'), letters


def test_lines_come_as_they_are_whole(pipe):
    """Half a line waits for its other half; what follows the last line end is a line."""
    read, write = pipe
    reader = reader_of(read)
    reader.open({})
    os.write(write, b'{"id":1,"v":"a"}\r\n\n{"id":2}\n{"id":')
    first = reader.read(100, 1)
    os.write(write, b'3}\nbroken\n{"id":4}')
    os.close(write)
    second = reader.read(100, 1)

    assert loaded(reader, first) == ([(1, "a", 0), (2, None, 0)], [])
    assert (first.parts[0].start, first.parts[0].end, first.is_end) == (0, 2, False)
    assert loaded(reader, second) == ([(3, None, 0), (4, None, 0)], [(3, b"broken")])
    assert second.parts[0].end == 5
    assert second.is_end or reader.read(100, 0.1).is_end
    assert reader.read(100, 0) is None


def test_a_slice_has_no_more_than_was_asked_for(pipe):
    """The others are in the next one, in order."""
    read, write = pipe
    reader = reader_of(read)
    reader.open({"": 10})
    os.write(write, b"".join(b'{"id":%d}\n' % i for i in range(7)))
    os.close(write)
    taken = [reader.read(3, 1) for _ in range(3)]

    assert [one.rows for one in taken] == [3, 3, 1]
    assert taken[-1].parts[0].end == 17
    assert [row[0] for one in taken for row in loaded(reader, one)[0]] == list(range(7))


def test_csv_has_one_header(pipe):
    """Its columns may stand in any order; later lines are rows."""
    read, write = pipe
    reader = reader_of(read, format="csv")
    reader.open({})
    os.write(write, b"\xef\xbb\xbfv,id\na,1\n\n")
    first = reader.read(100, 1)
    os.write(write, b"b,2\nid,v\n")
    second = reader.read(100, 1)

    assert loaded(reader, first) == ([(1, "a", 0)], [])
    assert loaded(reader, second) == ([(2, "b", 0)], [(2, b"id,v")])


def test_a_header_without_a_column_is_refused(pipe):
    """The message names the column."""
    read, write = pipe
    reader = reader_of(read, format="csv")
    reader.open({})
    os.write(write, b"v,number\n")
    with pytest.raises(DataError, match="'id'"):
        reader.read(100, 1)


def test_text_is_taken_as_it_is(pipe):
    """Empty lines too."""
    read, write = pipe
    reader = reader_of(read, "line string", format="text")
    reader.open({})
    os.write(write, b"a\n\nb\n")

    assert loaded(reader, reader.read(100, 1)) == ([("a", 0), ("", 0), ("b", 0)], [])


def test_nothing_there_is_silence(pipe):
    """And no slice."""
    reader = reader_of(pipe[0])
    reader.open({})

    assert reader.read(100, 0.01) is None
    assert reader.silences()[""] > 0
    assert reader.lag() == {"": 0}


def test_it_says_that_it_cannot_be_read_again(pipe, caplog):
    """At the start, and by name when it is asked to."""
    caplog.set_level(logging.WARNING, "mainstem")
    reader_of(pipe[0]).open({"": 5})

    assert "cannot be read again" in caplog.text
    assert "line 5" in caplog.text
    with pytest.raises(StateError, match="lines 5 to 9"):
        reader_of(pipe[0]).open({"": 5}, {"": 9})
    with pytest.raises(OutsideError, match="no standard input"):
        reader_of(-1).open({})


def test_lines_that_keep_coming_do_not_keep_a_slice(pipe):
    """Without a silence it would go on for as long as the other program writes."""
    read, write = pipe
    reader = reader_of(read)
    reader.open({})
    is_over, found = threading.Event(), []

    def writes():
        number = 0
        while not is_over.wait(0.0005):
            os.write(write, b'{"id":%d}\n' % number)
            number += 1

    def reads():
        found.append(reader.read(10**9, 1))

    threads = [threading.Thread(target=work, daemon=True) for work in (writes, reads)]
    for thread in threads:
        thread.start()
    threads[1].join(30)
    is_over.set()
    threads[0].join(30)
    reader.stop()

    assert [taken.parts[0].start for taken in found] == [0]
