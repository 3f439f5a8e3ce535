"""The queries of NEXMark in Mainstem's dialect.

What each asks is public (https://github.com/nexmark/nexmark, queries q0 to q22 in Flink SQL); the texts
here are this project's. What differs from the public text, and why, stands in docs/nexmark.md.
"""

from dataclasses import dataclass, field

import mainstem as ms

SCHEMA = """
    event_type integer, at timestamp,
    person struct(id bigint, name string, email string, card string, city string, state string,
                  extra string),
    auction struct(id bigint, item string, description string, initial_bid bigint, reserve bigint,
                   expires timestamp, seller bigint, category bigint, extra string),
    bid struct(auction bigint, bidder bigint, price bigint, channel string, url string, extra string)
"""
VIEWS = {
    "person": """
        SELECT person.id AS id, person.name AS name, person.city AS city, person.state AS state, at
        FROM events WHERE event_type = 0
    """,
    "auction": """
        SELECT auction.id AS id, auction.item AS item, auction.seller AS seller,
               auction.category AS category, auction.expires AS expires, at
        FROM events WHERE event_type = 1
    """,
    "bid": """
        SELECT bid.auction AS auction, bid.bidder AS bidder, bid.price AS price,
               bid.channel AS channel, bid.url AS url, at, bid.extra AS extra
        FROM events WHERE event_type = 2
    """,
}
_COUNTS = """
    count(*) AS total_bids,
    count(*) FILTER (WHERE price < 10000) AS rank1_bids,
    count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
    count(*) FILTER (WHERE price >= 1000000) AS rank3_bids
"""
_DISTINCT = ", ".join(
    f"""
    count(DISTINCT {column}) AS total_{column}s,
    count(DISTINCT {column}) FILTER (WHERE price < 10000) AS rank1_{column}s,
    count(DISTINCT {column}) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_{column}s,
    count(DISTINCT {column}) FILTER (WHERE price >= 1000000) AS rank3_{column}s
    """
    for column in ("bidder", "auction")
)
_LAST_BID = """
    SELECT auction, bidder, price, channel, url, at, extra FROM bid
    QUALIFY row_number() OVER (
        PARTITION BY bidder, auction ORDER BY at DESC, price DESC, channel, url, extra) <= 1
"""
_TOP_BIDS = """
    SELECT *, row_number() OVER (
        PARTITION BY auction ORDER BY price DESC, at, bidder, channel, url, extra) AS rank_number
    FROM bid QUALIFY rank_number <= 10
"""


@dataclass(frozen=True)
class Query:
    """A query that runs: its text, and the words of its table."""

    sql: str
    words: dict = field(default_factory=dict)
    # Columns of its rows that came too late; none where a row cannot.
    late: tuple[str, ...] = ()


_BID = ("auction", "bidder", "price", "at")
QUERIES = {
    "q0": Query("SELECT auction, bidder, price, at, extra FROM bid"),
    "q1": Query("SELECT auction, bidder, 0.908 * price AS price, at, extra FROM bid"),
    "q2": Query("SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    "q5": Query("""
        SELECT window_end, auction, count(*) AS num
        FROM HOP(bid, at, INTERVAL '2 seconds', INTERVAL '10 seconds')
        GROUP BY auction, window_start, window_end
        QUALIFY rank() OVER (PARTITION BY window_end ORDER BY count(*) DESC) = 1
    """, late=_BID),
    "q7": Query("""
        SELECT auction, bidder, price, at, extra FROM TUMBLE(bid, at, INTERVAL '10 seconds')
        QUALIFY price = max(price) OVER (PARTITION BY window_end)
    """, late=_BID),
    "q8": Query("""
        SELECT coalesce(person.id, auction.seller) AS id, max(person.name) AS name,
               window_start AS starttime
        FROM TUMBLE(events, at, INTERVAL '10 seconds') WHERE event_type IN (0, 1)
        GROUP BY 1, window_start, window_end
        HAVING count_if(event_type = 0) > 0 AND count_if(event_type = 1) > 0
    """, late=("event_type", "at")),
    "q10": Query("""
        SELECT auction, bidder, price, at, extra, format_timestamp(at, '%Y-%m-%d') AS dt,
               format_timestamp(at, '%H:%M') AS hm
        FROM bid
    """, {"sink": ms.files("out/q10", format="csv", partition_by=["dt", "hm"])}),
    "q11": Query("""
        SELECT bidder, count(*) AS bid_count, window_start AS starttime, window_end AS endtime
        FROM SESSION(bid, at, INTERVAL '10 seconds', bidder)
        GROUP BY bidder, window_start, window_end
    """, late=_BID),
    "q13": Query("""
        SELECT b.auction, b.bidder, b.price, b.at, s.value
        FROM bid AS b JOIN side_input AS s ON b.auction % 10000 = s.key
    """),
    "q14": Query("""
        SELECT auction, bidder, 0.908 * price AS price,
               CASE WHEN hour(at) BETWEEN 8 AND 18 THEN 'dayTime'
                    WHEN hour(at) <= 6 OR hour(at) >= 20 THEN 'nightTime'
                    ELSE 'otherTime' END AS bid_time_type,
               at, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
        FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000
    """),
    "q15": Query(f"""
        SELECT format_timestamp(at, '%Y-%m-%d') AS day, {_COUNTS}, {_DISTINCT}
        FROM bid GROUP BY ALL
    """, {"ttl": "1 day"}, _BID),
    "q16": Query(f"""
        SELECT channel, format_timestamp(at, '%Y-%m-%d') AS day,
               max(format_timestamp(at, '%H:%M')) AS minute, {_COUNTS}, {_DISTINCT}
        FROM bid GROUP BY ALL
    """, {"ttl": "1 day"}, _BID),
    "q17": Query(f"""
        SELECT auction, format_timestamp(at, '%Y-%m-%d') AS day, {_COUNTS}, min(price) AS min_price,
               max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price
        FROM bid GROUP BY ALL
    """, {"ttl": "1 day"}, _BID),
    "q18": Query(_LAST_BID, {"ttl": "10 seconds"}, _BID),
    "q18_unbounded": Query(_LAST_BID, {"state": "unbounded"}),
    "q19": Query(_TOP_BIDS, {"state": "unbounded"}),
    "q19_ttl": Query(_TOP_BIDS, {"ttl": "5 seconds"}, _BID),
    "q21": Query("""
        SELECT auction, bidder, price, channel,
               CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1'
                    WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
                    ELSE regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
        FROM bid
        WHERE regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL
           OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')
    """),
    "q22": Query("""
        SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1,
               split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3
        FROM bid
    """),
}  # fmt: skip
# Queries that are refused over a stream: the error, words of its reason, and the text. Over inputs that
# end all but q12 run.
REFUSED = {
    "q3": ("StateUnbounded", "join of two streams", """
        SELECT p.name, p.city, p.state, a.id FROM auction AS a JOIN person AS p ON a.seller = p.id
        WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')
    """),
    "q4": ("StateUnbounded", "join of two streams", """
        SELECT category, avg(final) AS final FROM (
            SELECT a.category, max(b.price) AS final FROM auction AS a JOIN bid AS b
            ON a.id = b.auction AND b.at BETWEEN a.at AND a.expires GROUP BY a.id, a.category)
        GROUP BY category
    """),
    "q6": ("StateUnbounded", "join of two streams", """
        SELECT seller, avg(price) OVER (
            PARTITION BY seller ORDER BY at, id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS avg_price
        FROM (SELECT a.id, a.seller, b.price, b.at FROM auction AS a JOIN bid AS b
              ON a.id = b.auction AND b.at BETWEEN a.at AND a.expires
              QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.at, b.extra) <= 1)
    """),
    "q8_join": ("StateUnbounded", "join of two streams", """
        SELECT p.id, p.name, p.starttime
        FROM (SELECT id, name, window_start AS starttime, window_end
              FROM TUMBLE(person, at, INTERVAL '10 seconds') GROUP BY ALL) AS p
        JOIN (SELECT seller, window_start AS starttime, window_end
              FROM TUMBLE(auction, at, INTERVAL '10 seconds') GROUP BY ALL) AS a
        ON p.id = a.seller AND p.window_end = a.window_end
    """),
    "q9": ("StateUnbounded", "join of two streams", """
        SELECT a.id, a.seller, b.bidder, b.price, b.at
        FROM auction AS a JOIN bid AS b ON a.id = b.auction AND b.at BETWEEN a.at AND a.expires
        QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.at, b.bidder) <= 1
    """),
    "q12": ("NotEventTime", "goes by 'p_time', which is not the event time", """
        WITH b AS (SELECT *, now() AS p_time FROM bid)
        SELECT bidder, count(*) AS bid_count, window_start AS starttime, window_end AS endtime
        FROM TUMBLE(b, p_time, INTERVAL '10 seconds') GROUP BY bidder, window_start, window_end
    """),
    "q20": ("StateUnbounded", "join of two streams", """
        SELECT b.auction, b.bidder, b.price, b.channel, b.url, a.item, a.seller
        FROM bid AS b JOIN auction AS a ON b.auction = a.id WHERE a.category = 10
    """),
}  # fmt: skip


def nexmark(source, views=tuple(VIEWS)):
    """The pipeline's sources and views, with the events read from `source`."""
    p = ms.Pipeline("nexmark")
    p.source("events", source, schema=SCHEMA, event_time="at", watermark="4 seconds")
    p.lookup("side_input", ms.files("side_input.csv"), schema="key bigint, value string", key="key")
    for name in views:
        p.view(name, VIEWS[name])
    return p


def every_query(source):
    """The pipeline of all queries that run."""
    p = nexmark(source, ("bid",))
    for name, query in QUERIES.items():
        p.table(name, query.sql, **query.words)
    return p


def refused_queries(source, names):
    """The pipeline of queries that a stream refuses."""
    p = nexmark(source)
    for name in names:
        p.table(name, REFUSED[name][2])
    return p
