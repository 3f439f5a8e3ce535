"""One answer from three kinds of log: a gateway's CSV, an API's JSON lines, a worker's text.

Lines that do not fit are dead letters, events that cannot be are quarantined: a broken line costs that line, not
the night's run, and `mainstem query "SELECT * FROM gateway__dead"` shows it. More than 5 in 100 stop the run: then it
is the format that has changed.
"""

import mainstem as ms

p = ms.Pipeline("logs")

p.source(
    "gateway",
    ms.files("data/gateway.csv", null="NA"),
    schema="""
        time timestamp not null, method string, path string not null, status bigint not null,
        duration_ms bigint not null, "user" string""",
    on_bad="dead_letter",
    max_bad=0.05,
)
p.source(
    "api",
    ms.files("data/api.jsonl", format="json"),
    schema="""
        time timestamp not null, level string not null, endpoint string not null,
        ms bigint not null, "user" string""",
    on_bad="dead_letter",
    max_bad=0.05,
)
p.source(
    "worker",
    ms.files("data/worker.log", format="text"),
    schema="line string not null",
    on_bad="dead_letter",
    max_bad=0.05,
)


@p.view
def worker_lines():
    """A line that does not begin with a time belongs to a stack trace: it is no event."""
    return r"""
        SELECT line, try_cast(regexp_extract(line, '^(\S+) ', 1) AS timestamp) AS time
        FROM worker WHERE regexp_matches(line, '^\d{4}-\d{2}-\d{2}T')"""


# Every other line is an event, or broken.
p.expect("worker_lines", ms.not_null("time"), on_fail="quarantine", max_bad=0.05)
p.expect(
    "worker_lines",
    ms.matches("line", r"\S+ (INFO|ERROR) job=\w+ took=\d+ms"),
    name="shape",
    on_fail="quarantine",
    max_bad=0.05,
)


@p.view
def worker_events():
    """What the lines say."""
    return r"""
        SELECT time, regexp_extract(line, '^\S+ (\w+) ', 1) = 'ERROR' AS is_error,
               regexp_extract(line, 'job=(\w+)', 1) AS endpoint,
               CAST(regexp_extract(line, 'took=(\d+)ms', 1) AS bigint) AS ms
        FROM worker_lines"""


@p.view
def events():
    """Every event of the three services in one shape."""
    return """
        SELECT time, 'gateway' AS service, path AS endpoint, status >= 500 AS is_error,
               duration_ms AS ms, "user" AS visitor
        FROM gateway
        UNION ALL
        SELECT time, 'api', endpoint, level = 'error', ms, "user" FROM api
        UNION ALL
        SELECT time, 'worker', endpoint, is_error, ms, CAST(NULL AS string) FROM worker_events"""


# Nothing here takes an hour, or less than no time.
p.expect("events", ms.between("ms", 0, 3_600_000), name="duration", on_fail="quarantine")
p.expect("errors", "errors <= calls")


@p.table(sink=ms.files("out/errors", format="parquet", partition_by="service"))
def errors():
    """Errors by service and hour, and how many calls they stand among."""
    return """
        SELECT service, date_trunc('hour', time) AS hour, count(*) AS calls,
               count(*) FILTER (WHERE is_error) AS errors
        FROM events GROUP BY ALL"""


@p.table(sink=ms.files("out/slowest.csv"))
def slowest():
    """The five endpoints that keep the unlucky waiting: 95 of 100 calls need at most p95_ms."""
    return """
        SELECT service, endpoint, count(*) AS calls,
               CAST(median(ms) AS decimal(10, 1)) AS median_ms,
               quantile_disc(ms, 0.95) AS p95_ms
        FROM events GROUP BY service, endpoint
        ORDER BY p95_ms DESC, service, endpoint LIMIT 5"""


@p.table
def visits():
    """Sessions: a visitor's clicks, no more than half an hour apart."""
    return """
        WITH clicks AS (
            SELECT visitor, time, is_error,
                   coalesce(time > lag(time) OVER (PARTITION BY visitor ORDER BY time)
                            + INTERVAL '30 minutes', TRUE) AS is_first
            FROM events WHERE visitor IS NOT NULL),
        numbered AS (
            SELECT *, count(*) FILTER (WHERE is_first)
                      OVER (PARTITION BY visitor ORDER BY time) AS visit
            FROM clicks)
        SELECT visitor, visit, min(time) AS begun, max(time) AS ended, count(*) AS clicks,
               count(*) FILTER (WHERE is_error) AS errors
        FROM numbered GROUP BY visitor, visit"""
