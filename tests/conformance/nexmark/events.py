"""Persons, auctions and bids of an auction house, made up from a seed: the events of NEXMark.

The shape of the events and their shares are those of the public NEXMark suite
(https://github.com/nexmark/nexmark); the values are this module's own.
"""

import random
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
# How far behind the latest an event may come, as the public suite declares it.
BOUND = 4 * SECOND
PERSON, AUCTION, BID, CLOSING = 0, 1, 2, 9

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Events come in bursts: windows of seconds are dense, and every time of day, two days and silences
# between sessions are there. Each burst crosses an hour, and one crosses midnight.
_BURSTS = (
    "2024-03-09T06:59:40", "2024-03-09T07:59:40", "2024-03-09T11:59:40", "2024-03-09T18:59:40",
    "2024-03-09T19:59:40", "2024-03-09T23:59:40", "2024-03-10T08:59:40",
)  # fmt: skip
_HOT_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")
_WORDS = ("abide", "bcc", "cedar", "dab", "ecc", "f")
_STATES = ("OR", "ID", "CA", "WA", "AZ")
# Ids go in steps of 41 from a multiple of 123, so that every third auction is one that q2 picks.
_FIRST_AUCTION, _STEP = 984, 41
_FIRST_PERSON = 1000


def instant(micros):
    """The instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(text):
    """Microseconds since 1970 of an ISO text in UTC."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def auction_ids(n_events):
    """The ids that auctions among so many events can have."""
    return [_FIRST_AUCTION + _STEP * n for n in range(n_events * 3 // 50 + 1)]


def random_events(rng: random.Random, n_events: int, *, beyond: bool) -> list[dict]:
    """Events in order of arrival, ``at`` in microseconds; 1 person and 3 auctions to 46 bids.

    Each lies at most `BOUND` behind the latest before it; with `beyond` one in twelve lies further behind.
    """
    made, n_auctions = [], 0
    for number in range(n_events):
        burst, place = divmod(number * len(_BURSTS), n_events)
        if place < len(_BURSTS):
            head = micros(_BURSTS[burst])
        head += rng.choice((0, 100_000, 250_000, 700_000, 1_000_000))
        back = rng.choice((0, 0, 0, 1_300_000, BOUND))
        if beyond and rng.random() < 1 / 12:
            back = BOUND + rng.choice((1, SECOND, 9 * SECOND, 45 * SECOND))
        event = {"event_type": BID, "at": head - back, "person": None, "auction": None, "bid": None}
        kind = number % 50
        if kind == 0:
            event |= {"event_type": PERSON, "person": _person(rng, number // 50)}
        elif kind <= 3:
            event |= {"event_type": AUCTION, "auction": _auction(rng, n_auctions, number, head)}
            n_auctions += 1
        else:
            event["bid"] = _bid(rng, n_auctions, number)
        made.append(event)
    return made


def closing(events):
    """An event of no kind, a day after all others: behind it every window is complete."""
    latest = max(event["at"] for event in events)
    return {
        "event_type": CLOSING, "at": latest + 86_400 * SECOND, "person": None, "auction": None, "bid": None,
    }  # fmt: skip


def _person(rng, number):
    name = f"{rng.choice(('Ann', 'Bob', 'Cy'))} {rng.choice(('Abbot', 'Bale', 'Cole'))}"
    return {
        "id": _FIRST_PERSON + number, "name": name, "email": f"{name[:3].lower()}@example.com",
        "card": f"{rng.randrange(10**16):016}", "city": rng.choice(("Boise", "Bend", "Kent")),
        "state": rng.choice(_STATES), "extra": _extra(rng),
    }  # fmt: skip


def _auction(rng, number, n_events, at):
    return {
        "id": _FIRST_AUCTION + _STEP * number, "item": rng.choice(_WORDS), "description": _extra(rng),
        "initial_bid": rng.randrange(1, 1000), "reserve": rng.randrange(1000, 2000),
        "expires": at + rng.randrange(60) * SECOND, "seller": _recent_person(rng, n_events),
        "category": 10 + rng.randrange(5), "extra": _extra(rng),
    }  # fmt: skip


def _bid(rng, n_auctions, n_events):
    # Half of the bids are for the auction of the moment; as in the public suite, a bid may come
    # before its auction does.
    newest = max(n_auctions - 1, 0)
    auction = newest if rng.random() < 0.5 else max(newest - rng.randrange(-1, 8), 0)
    channel, url = _channel(rng)
    # From 1 to a million dollars, evenly by magnitude; some prices repeat, so that there are ties.
    price = round(100 * 10 ** (6 * rng.random())) if rng.random() < 0.8 else 75_000_000
    return {
        "auction": _FIRST_AUCTION + _STEP * auction, "bidder": _recent_person(rng, n_events),
        "price": price, "channel": channel, "url": url, "extra": _extra(rng),
    }  # fmt: skip


def _recent_person(rng, n_events):
    return _FIRST_PERSON + max(n_events // 50 - rng.choice((0, 0, 0, 1, 2, 5, 9)), 0)


def _channel(rng):
    folders = "/".join(rng.choice(_WORDS) for _ in range(rng.choice((0, 1, 2, 3, 3))))
    url = (
        f"https://www.nexmark.com/{folders}/item.htm?query=1"
        if folders
        else "https://www.nexmark.com"
    )
    if rng.random() < 0.5:
        return rng.choice(_HOT_CHANNELS), url
    number = rng.randrange(100)
    # Some have no number in their address: q21 drops those.
    return f"channel-{number}", url + (f"&channel_id={number}" if rng.random() < 0.8 else "")


def _extra(rng):
    return "".join(rng.choice("abcd") for _ in range(rng.randrange(12)))
