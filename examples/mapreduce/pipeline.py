"""Seven classical map/reduce jobs over a licence and the logs of examples/logs.

Most are said a second time in SQL, which is shorter and faster where it can say it: the tests compare the answers.
"""

import itertools
import re

import mainstem as ms

p = ms.Pipeline("mapreduce")
p.source(
    "lines",
    ms.files("../../LICENSE", format="text"),
    schema="line string, line_number bigint",
)
p.source(
    "gateway",
    ms.files("../logs/data/gateway.csv", null="NA"),
    schema='time timestamp, path string, duration_ms bigint, "user" string',
    on_bad="dead_letter",
)
p.source(
    "api",
    ms.files("../logs/data/api.jsonl", format="json"),
    schema='time timestamp, endpoint string, ms bigint, "user" string',
    on_bad="dead_letter",
)
p.source(
    "worker",
    ms.files("../logs/data/worker.log", format="text"),
    schema="line string",
    on_bad="dead_letter",  # one line is Latin-1
)
p.view(
    "words",
    """SELECT w.word, line_number
       FROM lines, UNNEST(regexp_split(lower(line), '[^a-z]+')) AS w(word) WHERE w.word <> ''""",
)


def words_of(line):
    return re.findall("[a-z]+", line.lower())


# 1. Word count: a named reducer combines in the map tasks.
@p.map_reduce("lines", key="word string", value="n bigint", reduce="sum")
def word_count(row):
    for word in words_of(row["line"]):
        yield word, 1


p.table("word_count_sql", "SELECT word, count(*) AS n FROM words GROUP BY word")


# 2. Inverted index: in which lines does each word stand?
@p.map_reduce(
    "lines", key="word string", value="line bigint", returns="word string, lines bigint[]"
)
class inverted_index:  # noqa: N801 - the name of a table
    def map(self, row):
        for word in set(words_of(row["line"])):
            yield word, row["line_number"]

    def reduce(self, word, lines):
        yield word, sorted(lines)


p.table(
    "inverted_index_sql",
    "SELECT word, array_agg(line_number ORDER BY line_number) AS lines "
    "FROM (SELECT DISTINCT word, line_number FROM words) AS w GROUP BY word",
)


# 3. Pairs of neighbouring words: a key of two columns.
@p.map_reduce(
    "lines", key="first string, second string", value="n bigint", reduce="count", name="bigrams"
)
def bigrams(row):
    words = words_of(row["line"])
    for pair in itertools.pairwise(words):
        yield pair, None


# 4. Cleaning: only a map; a line that does not fit is kept aside with its place.
@p.map_reduce("worker", returns="time string, job string, ms bigint", on_error="dead_letter")
class cleaned:  # noqa: N801
    def setup(self, context):
        self.context = context
        self.shape = re.compile(r"(\d{4}-\d{2}-\d{2}T\S+) (?:INFO|ERROR) job=(\w+) took=(\d+)ms")

    def map(self, row):
        if not row["line"][:4].isdigit():
            self.context.count("lines of stack traces")
            return
        time, job, ms_ = self.shape.fullmatch(row["line"]).groups()
        yield time, job, int(ms_)


# 5. Sessions: requests of a user at most ten minutes apart, by a secondary sort on time.
@p.map_reduce(
    'SELECT "user", time FROM gateway WHERE "user" IS NOT NULL',
    key="user string",
    value="time timestamp",
    sort="bigint",
    returns='"user" string, begun timestamp, requests bigint',
)
class sessions:  # noqa: N801
    gap_s = 600

    def map(self, row):
        yield row["user"], row["time"]

    def sort_key(self, user, time):
        return round(time.timestamp() * 1000)

    def reduce(self, user, times):
        begun = last = next(times)
        n = 1
        for time in times:
            if (time - last).total_seconds() > self.gap_s:
                yield user, begun, n
                begun, n = time, 0
            last, n = time, n + 1
        yield user, begun, n


p.table(
    "sessions_sql",
    """
    WITH marked AS (
        SELECT "user", time, CASE WHEN time > lag(time) OVER (PARTITION BY "user" ORDER BY time)
            + INTERVAL '10 minutes' THEN 1 ELSE 0 END AS is_new
        FROM gateway WHERE "user" IS NOT NULL
    ), numbered AS (
        SELECT *, sum(is_new) OVER (PARTITION BY "user" ORDER BY time) AS session FROM marked
    )
    SELECT "user", min(time) AS begun, count(*) AS requests FROM numbered GROUP BY "user", session""",
)


# 6. The three slowest requests of each path: a combiner keeps three of each task.
@p.map_reduce("gateway", key="path string", value="ms bigint", name="slowest")
class Slowest:
    def map(self, row):
        yield row["path"], row["duration_ms"]

    def combine(self, path, times):
        yield from ((path, ms_) for ms_ in sorted(times, reverse=True)[:3])

    reduce = combine


p.table(
    "slowest_sql",
    "SELECT path, duration_ms AS ms FROM gateway "
    "QUALIFY row_number() OVER (PARTITION BY path ORDER BY duration_ms DESC) <= 3",
)


# 7. Reduce-side join: both sides under one key, each value with its side.
@p.map_reduce(
    """SELECT "user", 'path' AS side, path AS name FROM gateway WHERE "user" IS NOT NULL
       UNION ALL SELECT "user", 'endpoint', endpoint FROM api""",
    key="user string",
    value="side string, name string",
    returns='"user" string, path string, endpoint string',
)
class joined:  # noqa: N801
    def map(self, row):
        yield row["user"], (row["side"], row["name"])

    def reduce(self, user, values):
        sides = {"path": [], "endpoint": []}
        for side, name in values:
            sides[side].append(name)
        for path in sides["path"]:
            for endpoint in sides["endpoint"]:
                yield user, path, endpoint


p.table(
    "joined_sql",
    'SELECT g."user", g.path, a.endpoint FROM gateway g JOIN api a ON g."user" = a."user"',
)
