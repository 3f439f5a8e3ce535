"""Positions and names of partitions, as they are kept."""

import json

from mainstem.engines.embedded.stream.readers.kafka.start import Position, name_of, place_of


def test_a_position_is_json_and_comes_back():
    """With the topic that it is of: offsets mean nothing in another one of the same name."""
    position = Position(7, "abc")
    assert json.loads(json.dumps(position.to_json())) == {"offset": 7, "topic_id": "abc"}
    assert Position.of(position.to_json()) == position
    assert Position.of(12) == Position(12, "")


def test_names_of_partitions():
    """A topic may have any sign that Kafka allows; a slash is none of them."""
    for place in (("a", 0), ("a.b-c_d", 12)):
        assert place_of(name_of(place)) == place
    assert name_of(("payments", 3)) == "payments/3"
