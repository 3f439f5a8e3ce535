"""Records as Arrow arrays: what DuckDB reads out of our memory, and when that memory may go."""

import ctypes
import gc
import random
import weakref
from array import array

import duckdb
import pyarrow as pa

from mainstem.engines.embedded.native import arrow
from mainstem.engines.embedded.stream.readers.kafka.poll import empty


class Owner(list):
    """Something whose end can be seen."""


def table_of(values, *, at_once=3):
    """Give a table with a column of bytes, added some at a time, and one of numbers."""
    texts, kept = arrow.Texts(), []
    for i in range(0, len(values), at_once):
        texts.add(values[i : i + at_once])
    numbers = array("q", range(len(values)))
    kept.append(numbers)
    columns = [texts.column("v", kept), arrow.integers("n", numbers)]
    return arrow.Table(columns, len(values), kept)


def test_bytes_come_as_they_were():
    """Absent is not empty; a bit of validity is a row also where bytes of bits end."""
    chance = random.Random(3)
    for n in (1, 7, 8, 9, 64, 1000):
        values = [chance.choice([None, b"", b"x", chance.randbytes(20)]) for _ in range(n)]
        table = table_of(values)

        assert duckdb.sql('SELECT v, n FROM "table"').fetchall() == list(
            zip(values, range(n), strict=True)
        )
        assert pa.record_batch(table).column("v").to_pylist() == values


def test_a_table_may_be_read_more_than_once():
    """DuckDB asks for the types first."""
    table = table_of([b"a", None])

    for _ in range(3):
        assert duckdb.sql('SELECT count(v) FROM "table"').fetchall() == [(1,)]
    assert len(table) == 2


def test_memory_stays_while_somebody_reads_and_goes_after():
    """An array that was taken outlives its table; one that nobody took leaves nothing behind."""
    owner = Owner([array("q", [1, 2, 3])])
    table = arrow.Table([arrow.integers("n", owner[0])], 3, owner)
    is_there = weakref.ref(owner)
    batch = pa.record_batch(table)
    table.__arrow_c_array__()
    del table, owner
    gc.collect()
    assert is_there() is not None
    assert batch.column("n").to_pylist() == [1, 2, 3]

    del batch
    gc.collect()
    assert is_there() is None
    assert not arrow._held
    assert not arrow._capsules


def test_the_names_of_types_stay_when_the_schema_has_moved():
    """What DuckDB has copied points to letters of ours; the root's were let go of once."""
    stream = arrow.Tables(iter([table_of([b"a"])])).__arrow_c_stream__()
    made = arrow._Stream.from_address(
        ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
            ("PyCapsule_GetPointer", ctypes.pythonapi)
        )(stream, b"arrow_array_stream")
    )
    taken = arrow._Schema()
    assert arrow._Get(made.get_schema)(ctypes.addressof(made), ctypes.addressof(taken)) == 0
    # As many texts as long as those: one lies where theirs was, if it was let go of.
    others = [b"%02d" % (i % 100) for i in range(10_000)]

    found = [taken.format, *(taken.children[i].contents.name for i in range(taken.n_children))]
    arrow._release_schema(ctypes.addressof(taken))
    assert (found, len(others)) == ([b"+s", b"v", b"n"], 10_000)


def test_a_time_that_is_not_known_is_null():
    """-1 is what librdkafka says then; as an instant it would be one of 1969."""
    kept = []
    times = array("q", [0, -1, 1_700_000_000_123])
    table = arrow.Table([arrow.times("t", times, kept)], 3, (kept, times))

    found = duckdb.sql('SELECT epoch_ms(t), typeof(t) FROM "table"').fetchall()
    assert found == [(t, "TIMESTAMP WITH TIME ZONE") for t in (0, None, 1_700_000_000_123)]
    assert len(table) == 3


def test_no_records_are_a_table_too():
    """A slice may consist of positions alone."""
    for has in (False, True):
        table = empty(with_key=has, with_headers=has)

        assert duckdb.sql('SELECT * FROM "table"').fetchall() == []
        assert {column.name for column in table.columns} >= {
            "value",
            "position",
            "time",
            "part",
            "key",
        }
