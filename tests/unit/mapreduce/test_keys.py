"""Keys: one encoding, whose order is the documented one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.mapreduce.keys import Keys, WrongKey, partition_of

VALUES = {
    "boolean": st.none() | st.booleans(),
    "bigint": st.none() | st.integers(-(2**63), 2**63 - 1),
    "string": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    | st.text("\0\x01a", max_size=4),
    "bytes": st.none() | st.binary(max_size=4),
}  # fmt: skip
KINDS = st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3)


def ordered(value):
    """The order of the contract: NULL last, text by its UTF-8."""
    plain = value.encode() if isinstance(value, str) else value
    return (value is None, plain if value is not None else 0)


@st.composite
def kinds_and_keys(draw):
    """The types of one to three columns, and keys of them."""
    kinds = draw(KINDS)
    key = st.tuples(*(VALUES[kind] for kind in kinds))
    keys = draw(st.lists(key, min_size=2, max_size=6))
    return kinds, [key[0] if len(kinds) == 1 else key for key in keys]


@given(kinds_and_keys())
def test_bytes_are_ordered_as_the_keys_and_give_them_back(drawn):
    """Sorting bytes is sorting keys; equal keys, and only those, have equal bytes."""
    kinds, found = drawn
    keys = Keys(kinds)

    def by_column(key):
        return [ordered(part) for part in (key if isinstance(key, tuple) else (key,))]

    assert [keys.decode(keys.encode(key)) for key in found] == found
    by_bytes = [keys.decode(data) for data in sorted(map(keys.encode, found))]
    assert by_bytes == sorted(found, key=by_column)


@pytest.mark.parametrize(
    ("kinds", "key", "data"),
    [
        (["string"], "ä", b"\x01\xc3\xa4"),
        (["string"], None, b"\x02"),
        (["bigint"], -1, b"\x01\x7f\xff\xff\xff\xff\xff\xff\xff"),
        (["boolean"], True, b"\x01\x01"),
        (["string", "bigint"], ("a\0b", 0), b"\x01a\0\xffb\0\x01\x80\0\0\0\0\0\0\0"),
        (["bytes", "bytes"], (None, b"\0"), b"\x02\x01\0"),
    ],
)
def test_encoding_is_as_documented(kinds, key, data):
    """The bytes of the module's own words, by hand."""
    assert Keys(kinds).encode(key) == data


@pytest.mark.parametrize(
    ("kinds", "key", "said"),
    [
        (["bigint"], 1.0, "1.0, a float, which is no bigint"),
        (["bigint"], True, "True, a bool, which is no bigint"),
        (["bigint"], 2**63, "out of range"),
        (["boolean"], 1, "1, a int, which is no boolean"),
        (["string"], b"a", "b'a', a bytes, which is no string"),
        (["string"], "\ud800", "not UTF-8"),
        (["bytes"], "a", "which is no bytes"),
        (["string", "string"], "ab", "no tuple of 2"),
        (["string", "string"], ("a", "b", "c"), "no tuple of 2"),
    ],
)
def test_wrong_keys_are_refused(kinds, key, said):
    """What is refused is shown with its type."""
    with pytest.raises(WrongKey, match=said):
        Keys(kinds).encode(key)


def test_partitions_are_the_same_in_every_process():
    """The CRC-32 of the bytes, as zlib of every language has it; Python's hash differs by process."""
    assert partition_of(Keys(["string"]).encode("word"), 1000) == 435_647_648 % 1000
    assert [partition_of(b"\x01a", n) for n in (1, 7, 100)] == [0, 1, 48]
