"""What each query of NEXMark means, in slow plain Python, row by row.

A query is given the bids (q8: all events) with the watermark that each is judged by, and the watermark
of all of them; it gives its rows and says which came too late. Instants are microseconds since 1970.
"""

import re
from collections import Counter, defaultdict
from decimal import Decimal

from mainstem.testing.reference_stream import (
    Flow,
    Ledger,
    Row,
    Window,
    first_rows,
    in_windows,
    latest_sessions,
)
from tests.conformance.nexmark.events import AUCTION, BID, PERSON, SECOND, instant

_HOT = {"apple": "0", "google": "1", "facebook": "2", "baidu": "3"}
_EURO = Decimal("0.908")


def bids_of(events):
    """The bids among the events, with their time."""
    rows = [
        Row({**row["bid"], "at": row["at"]}, row.mark) for row in events.rows
        if row["event_type"] == BID
    ]  # fmt: skip
    return Flow(tuple(rows), events.mark)


def side_input(ids):
    """The lookup of q13: a value for all auctions but every fifth."""
    return {key % 10000: f"value {key}" for n, key in enumerate(ids) if n % 5}


def _plain(*columns):
    def rows(bids):
        return [
            tuple(row[c] if c != "at" else instant(row[c]) for c in columns) for row in bids.rows
        ]

    return rows


_q0 = _plain("auction", "bidder", "price", "at", "extra")


def q0(bids, ledger):
    """Every bid as it is."""
    return _q0(bids)


def q1(bids, ledger):
    """Prices in euro."""
    return [(a, b, _EURO * price, at, extra) for a, b, price, at, extra in _q0(bids)]


def q2(bids, ledger):
    """Bids for some auctions."""
    return [(r["auction"], r["price"]) for r in bids.rows if r["auction"] % 123 == 0]


def q5(bids, ledger):
    """The auctions with the most bids in each ten seconds, every two seconds."""
    placed = in_windows(bids, Window("hop", 10 * SECOND, 2 * SECOND), "at", 0, ledger)
    counts = Counter((r["window_end"], r["auction"]) for r in placed.rows)
    most = defaultdict(int)
    for (end, _), n in counts.items():
        most[end] = max(most[end], n)
    return [(instant(end), auction, n) for (end, auction), n in counts.items() if n == most[end]]


def q7(bids, ledger):
    """The highest bids of each ten seconds."""
    placed = in_windows(bids, Window("tumble", 10 * SECOND), "at", 0, ledger)
    highest = defaultdict(int)
    for row in placed.rows:
        highest[row["window_end"]] = max(highest[row["window_end"]], row["price"])
    kept = [row for row in placed.rows if row["price"] == highest[row["window_end"]]]
    return _q0(Flow(tuple(kept), placed.mark))


def q8(events, ledger):
    """Persons who came and opened an auction in the same ten seconds."""
    both = [row for row in events.rows if row["event_type"] in (PERSON, AUCTION)]
    placed = in_windows(
        Flow(tuple(both), events.mark), Window("tumble", 10 * SECOND), "at", 0, ledger
    )
    sellers = {(r["window_start"], r["auction"]["seller"]) for r in placed.rows if r["auction"]}
    persons = [(r["window_start"], r["person"]) for r in placed.rows if r["person"]]
    return [
        (p["id"], p["name"], instant(start)) for start, p in persons if (start, p["id"]) in sellers
    ]


def q10(bids, ledger):
    """Every bid with the day and the minute of its folder."""
    return [(*row, f"{row[3]:%Y-%m-%d}", f"{row[3]:%H:%M}") for row in _q0(bids)]


def q11(bids, ledger):
    """How many bids in each session of a bidder."""
    placed = in_windows(bids, Window("session", 10 * SECOND, keys=("bidder",)), "at", 0, ledger)
    counts = Counter((r["bidder"], r["window_start"], r["window_end"]) for r in placed.rows)
    return [(bidder, n, instant(start), instant(end)) for (bidder, start, end), n in counts.items()]


def q13(bids, ledger, side):
    """Bids with the value that stands for their auction."""
    return [
        (r["auction"], r["bidder"], r["price"], instant(r["at"]), side[r["auction"] % 10000])
        for r in bids.rows if r["auction"] % 10000 in side
    ]  # fmt: skip


def q14(bids, ledger):
    """Bids of a middling price, with the time of day and the letters c."""
    rows = []
    for auction, bidder, price, at, extra in q1(bids, ledger):
        if 1_000_000 < price < 50_000_000:
            kind = (
                "dayTime"
                if 8 <= at.hour <= 18
                else "otherTime"
                if at.hour in (7, 19)
                else "nightTime"
            )
            rows.append((auction, bidder, price, kind, at, extra, extra.count("c")))
    return rows


def _in_time(bids, ledger):
    """The bids that are not late for an aggregate with a TTL: those before their watermark are.

    A key of a day has no gap of a day, so the latest session of each key is all of it.
    """
    return latest_sessions(bids, ("auction", "bidder", "price", "at"), "at", 10**18, ledger).rows


def _grouped(rows, key):
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups.items()


def _day(row):
    return f"{instant(row['at']):%Y-%m-%d}"


def _ranks(rows):
    low = [r for r in rows if r["price"] < 10_000]
    high = [r for r in rows if r["price"] >= 1_000_000]
    middle = [r for r in rows if 10_000 <= r["price"] < 1_000_000]
    return rows, low, middle, high


def _numbers(rows):
    ranks = _ranks(rows)
    distinct = [len({r[c] for r in one}) for c in ("bidder", "auction") for one in ranks]
    return (*map(len, ranks), *distinct)


def q15(bids, ledger):
    """Bids, bidders and auctions of a day by magnitude of price."""
    return [(day, *_numbers(rows)) for day, rows in _grouped(_in_time(bids, ledger), _day)]


def q16(bids, ledger):
    """The same of each channel, with its latest minute."""
    found = _grouped(_in_time(bids, ledger), lambda r: (r["channel"], _day(r)))
    return [
        (*key, max(f"{instant(r['at']):%H:%M}" for r in rows), *_numbers(rows))
        for key, rows in found
    ]


def q17(bids, ledger):
    """Bids and prices of an auction and day."""
    made = []
    for key, rows in _grouped(_in_time(bids, ledger), lambda r: (r["auction"], _day(r))):
        prices = [r["price"] for r in rows]
        counts = [len(one) for one in _ranks(rows)]
        made.append(
            (*key, *counts, min(prices), max(prices), sum(prices) / len(prices), sum(prices))
        )
    return made


_WHOLE = ("auction", "bidder", "price", "channel", "url", "at", "extra")


def _last(rows, mark):
    def order(row):
        return (-row["at"], -row["price"], row["channel"], row["url"], row["extra"])

    found = first_rows(Flow(rows, mark), lambda r: (r["bidder"], r["auction"]), order, 1)
    return _plain(*_WHOLE)(found)


def q18(bids, ledger):
    """The last bid of a bidder for an auction, kept for a while."""
    # The last bid of all is in the latest session: the gap makes no difference.
    return _last(_in_time(bids, ledger), bids.mark)


def q18_unbounded(bids, ledger):
    """The last bid of a bidder for an auction."""
    return _last(bids.rows, bids.mark)


def _highest(flow):
    def order(row):
        return (-row["price"], row["at"], row["bidder"], row["channel"], row["url"], row["extra"])

    made = []
    for _, rows in _grouped(flow.rows, lambda r: r["auction"]):
        best = sorted(rows, key=order)[:10]
        numbered = zip(_plain(*_WHOLE)(Flow(tuple(best), flow.mark)), range(1, 11), strict=False)
        made += [(*row, place) for row, place in numbered]
    return made


def q19(bids, ledger):
    """The ten highest bids of an auction."""
    return _highest(bids)


def q19_ttl(bids, ledger):
    """The ten highest bids of an auction since it was silent for five seconds."""
    return _highest(latest_sessions(bids, ("auction",), "at", 5 * SECOND, ledger))


def q21(bids, ledger):
    """Bids with the number of their channel, where it has one."""
    rows = []
    for r in bids.rows:
        found = re.search(r"(&|^)channel_id=([^&]*)", r["url"])
        hot = _HOT.get(r["channel"].lower())
        if hot or found:
            rows.append((r["auction"], r["bidder"], r["price"], r["channel"], hot or found[2]))
    return rows


def q22(bids, ledger):
    """Bids with the folders of their address."""
    rows = []
    for r in bids.rows:
        folders = [*r["url"].split("/"), None, None, None][3:6]
        rows.append((r["auction"], r["bidder"], r["price"], r["channel"], *folders))
    return rows


# The queries that join two streams: over events that end


def _of_kind(events, kind, name):
    return [{**r[name], "at": r["at"]} for r in events.rows if r["event_type"] == kind]


def q3(events):
    """Who sells in three states, in category 10."""
    persons = [p for p in _of_kind(events, PERSON, "person") if p["state"] in ("OR", "ID", "CA")]
    auctions = [a for a in _of_kind(events, AUCTION, "auction") if a["category"] == 10]
    return [
        (p["name"], p["city"], p["state"], a["id"])
        for a in auctions for p in persons if a["seller"] == p["id"]
    ]  # fmt: skip


def _bids_in_time(events):
    """Each auction with the bids that came between its opening and its end."""
    bids = _of_kind(events, BID, "bid")
    for auction in _of_kind(events, AUCTION, "auction"):
        found = [
            b for b in bids
            if b["auction"] == auction["id"] and auction["at"] <= b["at"] <= auction["expires"]
        ]  # fmt: skip
        if found:
            yield auction, found


def q4(events):
    """The average of the winning prices in a category."""
    prices = defaultdict(list)
    for auction, bids in _bids_in_time(events):
        prices[auction["category"]].append(max(b["price"] for b in bids))
    return [(category, sum(found) / len(found)) for category, found in prices.items()]


def q6(events):
    """The average of a seller's last winning prices."""
    sold = defaultdict(list)
    for auction, bids in _bids_in_time(events):
        best = min(bids, key=lambda b: (-b["price"], b["at"], b["extra"]))
        sold[auction["seller"]].append((best["at"], auction["id"], best["price"]))
    rows = []
    for seller, found in sold.items():
        prices = [price for _, _, price in sorted(found)]
        for n in range(len(prices)):
            last = prices[max(n - 10, 0) : n + 1]
            rows.append((seller, sum(last) / len(last)))
    return rows


def q9(events):
    """The winning bid of an auction."""
    rows = []
    for auction, bids in _bids_in_time(events):
        best = min(bids, key=lambda b: (-b["price"], b["at"], b["bidder"]))
        rows.append(
            (auction["id"], auction["seller"], best["bidder"], best["price"], instant(best["at"]))
        )
    return rows


def q20(events):
    """Bids with their auction, in category 10."""
    auctions = [a for a in _of_kind(events, AUCTION, "auction") if a["category"] == 10]
    return [
        (b["auction"], b["bidder"], b["price"], b["channel"], b["url"], a["item"], a["seller"])
        for b in _of_kind(events, BID, "bid") for a in auctions if a["id"] == b["auction"]
    ]  # fmt: skip


JOINS = {
    "q3": q3, "q4": q4, "q6": q6, "q8_join": lambda events: q8(events, Ledger()), "q9": q9, "q20": q20,
}  # fmt: skip
MEANINGS = {
    "q0": q0, "q1": q1, "q2": q2, "q5": q5, "q7": q7, "q8": q8, "q10": q10, "q11": q11, "q13": q13,
    "q14": q14, "q15": q15, "q16": q16, "q17": q17, "q18": q18, "q18_unbounded": q18_unbounded,
    "q19": q19, "q19_ttl": q19_ttl, "q21": q21, "q22": q22,
}  # fmt: skip
