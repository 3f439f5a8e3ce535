"""`record` behaves as a frozen dataclass, before and after its ``__init__`` is written."""

import copy
import dataclasses
import pickle

import pytest

from mainstem.record import _FEW, mutable, record


@record
class Point:
    x: int
    y: int = 2
    tags: list = dataclasses.field(default_factory=list)
    note: str = dataclasses.field(default="", kw_only=True, compare=False)

    def __post_init__(self):
        if self.x < 0:
            raise ValueError("below zero")


@record
class Placed(Point):
    z: int = 3


# The first ones set their fields one by one, later ones have an __init__ of their own.
ENOUGH = range(_FEW + 3)


def test_fields_and_defaults():
    """By place, by name, and left out."""
    for _ in ENOUGH:
        point = Point(1, tags=["a"], note="n")
        assert (point.x, point.y, point.tags, point.note) == (1, 2, ["a"], "n")
        assert repr(point) == "Point(x=1, y=2, tags=['a'], note='n')"
        assert Point(1, 5).y == 5


def test_lists_are_not_shared():
    """A default factory is called for each instance."""
    made = [Point(1) for _ in ENOUGH]
    made[0].tags.append("a")
    made[-1].tags.append("b")
    assert [len(point.tags) for point in made] == [1, *[0] * (len(made) - 2), 1]


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        ((), {}, "missing 1 required positional argument: 'x'"),
        ((1, 2, [], "n"), {}, "positional arguments but 5 were given"),
        ((1,), {"x": 2}, "multiple values for argument 'x'"),
        ((1,), {"q": 2}, "unexpected keyword argument 'q'"),
    ],
)
def test_wrong_arguments(args, given, message):
    """The messages are those of any function, also for the very first instance."""

    @record
    class Fresh:
        x: int
        y: int = 2
        tags: tuple = ()
        note: str = dataclasses.field(default="", kw_only=True)

    for _ in ENOUGH:
        with pytest.raises(TypeError, match=message):
            Fresh(*args, **given)
    assert Fresh(4).x == 4


def test_values():
    """Equal by the compared fields, hashable by them, frozen."""
    for _ in ENOUGH:
        assert Point(1, tags=()) == Point(1, tags=(), note="other")
        assert Point(1) != Point(2)
        assert hash(Point(1, tags=())) == hash(Point(1, tags=(), note="other"))
        with pytest.raises(dataclasses.FrozenInstanceError):
            Point(1).x = 2
        with pytest.raises(ValueError, match="below zero"):
            Point(-1)


def test_inheritance_and_copies():
    """Subclasses add fields; replace, copy and pickle keep every one."""
    for _ in ENOUGH:
        placed = Placed(1, z=7, note="n")
        assert (placed.y, placed.z) == (2, 7)
        assert dataclasses.replace(placed, x=9) == Placed(9, z=7)
        for other in (copy.deepcopy(placed), pickle.loads(pickle.dumps(placed))):
            assert other == placed
            assert other.note == "n"
        assert placed != Point(1)


def test_mutable():
    """Fields may be set; equal by value, and so without a hash."""

    @mutable
    class Counter:
        n: int = 0
        seen: list = dataclasses.field(default_factory=list)

    for _ in ENOUGH:
        one, other = Counter(), Counter(0)
        one.n += 1
        one.seen.append(1)
        assert (one.n, one.seen, other.seen) == (1, [1], [])
        assert one == Counter(1, [1]) != other
        with pytest.raises(TypeError, match="unhashable"):
            hash(one)
        with pytest.raises(AttributeError):
            one.unknown = 1
