"""Web analytics on a live stream: views per minute, the top pages of each minute, and visits.

The stream is made up, with what real ones have: views that arrive late, views that are sent twice, and
lines that are broken. Nothing of it ends: stop it with Ctrl-C, or kill it, and run it again.
"""

import mainstem as ms

p = ms.Pipeline("webviews")

p.source(
    "views",
    ms.generator(
        rate=20_000, event_rate=100, seed=11, disorder="20 seconds", duplicates=0.03, bad=0.002,
        start="2025-06-02T08:00:00Z",
        columns={
            "view": {"sequence": 1},
            "visitor": {"zipf": 5000, "exponent": 0.6, "prefix": "v"},
            "page": {"zipf": 200, "prefix": "/page/"},
            "ms": {"range": [5, 900], "nulls": 0.01},
        },
    ),
    schema="""
        view bigint not null, at timestamp not null, visitor string not null,
        page string not null, ms integer""",
    event_time="at",
    # A view that is sent again comes up to 1,000 views after the first: 10 seconds.
    watermark="30 seconds",
    on_bad="dead_letter",
)  # fmt: skip


@p.table
def per_minute() -> str:
    """Views of each minute: each counts once, however often it was sent."""
    return """
        SELECT window_start, count(DISTINCT view) AS views, count(*) AS sent,
               count(DISTINCT visitor) AS visitors, max(ms) AS slowest_ms
        FROM TUMBLE(views, "at", INTERVAL '1 minute')
        GROUP BY window_start, window_end"""


@p.view
def per_page() -> str:
    """Views of each page in each minute."""
    return """
        SELECT window_start, window_end, page, count(DISTINCT view) AS views
        FROM TUMBLE(views, "at", INTERVAL '1 minute')
        GROUP BY window_start, window_end, page"""


@p.table
def top_pages() -> str:
    """The three pages of each minute that were seen most."""
    return """
        SELECT window_start, page, views,
               row_number() OVER (PARTITION BY window_end ORDER BY views DESC, page) AS place
        FROM per_page
        QUALIFY place <= 3"""


@p.table
def visits() -> str:
    """What a visitor does until half a minute of silence."""
    return """
        SELECT visitor, window_start AS begun, window_end AS ended,
               count(DISTINCT view) AS views, count(DISTINCT page) AS pages
        FROM SESSION(views, "at", INTERVAL '30 seconds', visitor)
        GROUP BY visitor, window_start, window_end"""
