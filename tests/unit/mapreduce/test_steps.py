"""Map/reduce steps as users write them, run by the embedded engine."""

import gzip
import json

import pytest

import mainstem as ms
from mainstem.errors import CheckFailed, DataError, EngineError, OutsideError, UnsupportedError
from tests.unit.mapreduce.case import (
    TEXT,
    WORDS,
    asked,
    events,
    job_facts,
    pipeline,
    rows,
    total,
    words,
)


class WordCount:
    """Every part that a class may have beside `map`."""

    def map(self, row):
        yield from words(row)

    def combine(self, key, values):
        yield key, sum(values)

    def reduce(self, key, values):
        yield key, sum(values)


KEY = {"key": "word string", "value": "n bigint", "name": "answer"}


@pytest.mark.parametrize("split_size", ["", "5 B", "1 B"])
@pytest.mark.parametrize("form", ["class", "functions", "no combiner", "word", "block"])
def test_word_count(tmp_path, form, split_size):
    """Each form, and each cut of the file, gives what was counted by hand."""
    p = pipeline(tmp_path)
    given = KEY | {"split_size": split_size, "workers": 2}
    if form == "class":
        p.map_reduce("lines", **given)(WordCount)
    elif form == "functions":
        p.map_reduce("lines", **given, combine=total, reduce=total)(words)
    elif form == "no combiner":
        p.map_reduce("lines", **given, reduce=total)(words)
    elif form == "word":
        p.map_reduce("lines", **given, reduce="sum")(words)
    else:
        p.map_reduce("lines", **given, reduce="count", block=True)(
            lambda columns: ((w, None) for line in columns["line"] for w in line.split())
        )

    assert rows(p, tmp_path) == WORDS


@pytest.mark.parametrize("name", ["lines.txt.gz", "rows"])
def test_input_that_is_not_cut(tmp_path, name):
    """Plain gzip is one split; rows of a query are written for the tasks."""
    p = ms.Pipeline("jobs")
    (tmp_path / "lines.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    p.source("lines", ms.files("lines.txt.gz", format="text"), schema="line string")
    source = "lines" if name != "rows" else "SELECT upper(line) AS line FROM lines WHERE line <> ''"
    p.map_reduce(source, **KEY, reduce="sum")(words)

    expected = [(w.upper(), n) for w, n in WORDS] if name == "rows" else WORDS

    assert rows(p, tmp_path) == expected


def test_empty_input_gives_no_rows(tmp_path):
    """An empty file, and a query without rows."""
    p = pipeline(tmp_path, "")
    p.map_reduce("lines", **KEY, reduce="sum")(words)
    p.map_reduce(
        "SELECT line FROM lines WHERE line = 'no'", **KEY | {"name": "none"}, reduce="sum"
    )(words)

    told = events(p, tmp_path)

    assert asked(p, tmp_path, "SELECT * FROM answer UNION ALL SELECT * FROM none") == []
    assert job_facts(told)["groups"] == 0


def test_chain_through_sql_and_a_file(tmp_path):
    """A job reads a job; SQL reads both; the table goes to a sink."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", **KEY | {"name": "counts"}, reduce="sum")(words)
    p.map_reduce(
        p.ref("counts"), name="by_n", key="n bigint", value="words bigint", reduce="count",
        sink=ms.files("by_n.json", format="json"),
    )(lambda row: [(row["n"], None)])  # fmt: skip
    p.table("answer", "SELECT c.word, b.words FROM counts c JOIN by_n b USING (n)")

    assert rows(p, tmp_path) == [("a", 1), ("b", 1), ("c", 2), ("ä", 2)]
    found = [json.loads(line) for line in (tmp_path / "by_n.json").read_text().splitlines()]
    assert sorted((one["n"], one["words"]) for one in found) == [(1, 2), (2, 1), (3, 1)]


def test_map_only_job_gives_columns(tmp_path):
    """Without reduce, what map gives are the rows."""
    p = pipeline(tmp_path)

    @p.map_reduce("lines", returns="line string, words bigint", name="answer")
    def clean(row):
        if row["line"]:
            yield row["line"], len(row["line"].split())

    assert rows(p, tmp_path) == [("a b a", 3), ("c b", 2), ("ä a", 2)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", [3, -5, None, 2**62]), ("boolean", [True, None, False]),
        ("string", ["b", "", None, "a\0"]), ("bytes", [b"\0", b"", None]),
    ],
)  # fmt: skip
def test_keys_of_each_type_group_and_come_back(tmp_path, kind, values):
    """Also in pairs with a text; NULL is a key like another."""
    p = pipeline(tmp_path, "1\n2\n")
    p.map_reduce("lines", key=f"k {kind}", value="n bigint", reduce="sum", name="answer")(
        lambda row: [(v, int(row["line"])) for v in values]
    )
    p.map_reduce("lines", key=f"t string, k {kind}", value="n bigint", reduce=total, name="pairs")(
        lambda row: [(("x", v), int(row["line"])) for v in values]
    )
    found = rows(p, tmp_path)

    assert sorted(found, key=repr) == sorted(((v, 3) for v in values), key=repr)
    assert asked(p, tmp_path, "SELECT k, n FROM pairs ORDER BY ALL") == found


def test_groups_come_in_the_order_of_their_keys(tmp_path):
    """One reducer sees all keys, NULL last; a `returns` gives other columns than the key's."""
    p = pipeline(tmp_path, "b\na\n\nc\n")

    class Numbered:
        def setup(self, context):
            self.n = 0

        def map(self, row):
            yield row["line"] or None, 1

        def reduce(self, key, values):
            self.n += 1
            yield self.n, key

    p.map_reduce("lines", name="answer", key="k string", value="n bigint", reducers=1,
                 returns="place bigint, k string")(Numbered)  # fmt: skip

    assert rows(p, tmp_path) == [(1, "a"), (2, "b"), (3, "c"), (4, None)]


def test_secondary_sort_gives_values_in_order(tmp_path):
    """Numbers by size and not by their text, across splits."""
    p = pipeline(tmp_path, "x 3\ny 1\nx 1\nx 2\nx 10\n")

    class Sorted:
        def map(self, row):
            key, n = row["line"].split()
            yield key, int(n)

        def sort_key(self, key, value):
            return -value

        def reduce(self, key, values):
            yield key, list(values)

    p.map_reduce("lines", name="answer", key="k string", value="n bigint", sort="bigint",
                 split_size="4 B", returns="k string, ns bigint[]")(Sorted)  # fmt: skip

    assert rows(p, tmp_path) == [("x", [10, 3, 2, 1]), ("y", [1])]


def test_partition_of_the_users_own(tmp_path):
    """All words that begin alike go to one reducer, which numbers what it sees."""
    p = pipeline(tmp_path, "ab\naa\nba\nbb\nbc\n")

    class Numbered:
        def setup(self, context):
            self.seen = []

        def map(self, row):
            yield row["line"], 1

        def partition(self, key, n):
            return ord(key[0]) % n

        def reduce(self, key, values):
            self.seen.append(key)
            yield key, len(self.seen)

    p.map_reduce("lines", **KEY, reducers=2)(Numbered)

    assert rows(p, tmp_path) == [("aa", 1), ("ab", 2), ("ba", 1), ("bb", 2), ("bc", 3)]


def test_context_has_parameters_side_files_and_counters(tmp_path):
    """Everything that `setup` is given, and `teardown`."""
    p = pipeline(tmp_path)
    p.param("least", "bigint", default=2)
    (tmp_path / "stop.txt").write_text("b\n")
    ended = tmp_path / "ended"

    class Filtered(WordCount):
        def setup(self, context):
            from pathlib import Path

            self.context = context
            self.stop = Path(context.file("stop.txt")).read_text().split()
            self.least = context.param("least")

        def map(self, row):
            for word, n in words(row):
                if word in self.stop:
                    self.context.count("stopped")
                else:
                    yield word, n

        def reduce(self, key, values):
            if (n := sum(values)) >= self.least:
                yield key, n

        def teardown(self):
            ended.touch()

    p.map_reduce("lines", **KEY, files=["stop.txt"], split_size="4 B")(Filtered)

    told = events(p, tmp_path)

    assert asked(p, tmp_path, "SELECT * FROM answer") == [("a", 3)]
    assert job_facts(told)["counters"] == {"stopped": 2}
    assert ended.exists()
    assert rows(p, tmp_path, params={"least": 1}) == [("a", 3), ("c", 1), ("ä", 1)]


def test_side_file_that_is_missing_is_named(tmp_path):
    """Before any task begins."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", **KEY, files=["stop.txt"])(WordCount)

    with pytest.raises(OutsideError, match=r"there is no side file .*stop\.txt"):
        events(p, tmp_path)


def test_sum_of_doubles_is_exact(tmp_path):
    """0.1 ten times is 1.0 exactly, however the lines are cut; Python's sum gives 0.9999999999999999."""
    p = pipeline(tmp_path, "0.1\n" * 10 + "1e16\n1\n-1e16\n")
    p.map_reduce(
        "lines", name="answer", key="k string", value="x double", reduce="sum", split_size="9 B"
    )(
        lambda row: [
            ("big" if "e" in row["line"] or row["line"] == "1" else "small", float(row["line"]))
        ]
    )

    assert rows(p, tmp_path) == [("big", 1.0), ("small", 1.0)]


@pytest.mark.parametrize(
    ("word", "expected"), [("min", [("k", "2024-01-02")]), ("max", [("k", "2024-03-01")])]
)
def test_least_and_greatest(tmp_path, word, expected):
    """Of a type that is no number."""
    p = pipeline(tmp_path, "2024-02-01\n2024-01-02\n2024-03-01\n")

    def dates(row):
        import datetime as dt

        yield "k", dt.date.fromisoformat(row["line"])

    p.map_reduce(
        "lines", name="days", key="k string", value="d date", reduce=word, split_size="9 B"
    )(dates)
    p.table("answer", "SELECT k, d::VARCHAR AS d FROM days")

    assert rows(p, tmp_path) == expected


def test_sum_beyond_a_bigint_fails_and_passing_through_it_does_not(tmp_path):
    """V1: the sum is judged on its final value."""
    p = pipeline(tmp_path, f"{2**63 - 1}\n1\n-5\n")
    p.map_reduce("lines", **KEY, reduce="sum", split_size="3 B")(
        lambda row: [("k", int(row["line"]))]
    )

    assert rows(p, tmp_path) == [("k", 2**63 - 5)]

    (tmp_path / "lines.txt").write_text(f"{2**63 - 1}\n1\n")
    with pytest.raises(DataError, match="no bigint"):
        events(p, tmp_path)


@pytest.mark.parametrize("reduce", ["sum", total])
def test_little_memory_spills_and_answers_the_same(tmp_path, monkeypatch, reduce):
    """Runs are written many times, and merged from files: the counts are those of Python's own."""
    from collections import Counter

    from mainstem.engines.embedded.mapreduce import step

    monkeypatch.setattr(step, "MEMORY_BYTES", 50_000)
    text = "".join(f"w{i * i % 3001} w{i % 7}\n" for i in range(30_000))
    p = pipeline(tmp_path, text)
    combine = {"combine": total} if reduce is total else {}
    p.map_reduce(
        "lines", **KEY, reduce=reduce, workers=2, reducers=3, split_size="100 kB", **combine
    )(words)

    told = events(p, tmp_path)

    assert asked(p, tmp_path, "SELECT * FROM answer ORDER BY ALL") == sorted(
        Counter(text.split()).items()
    )
    facts = job_facts(told)
    assert facts["records"] == facts["mapped"] == 30_000
    assert facts["groups"] == facts["reduced"] == facts["rows"] == len(set(text.split()))
    assert facts["shuffle_bytes"] > 0


# What goes wrong


def fails_on_c(row):
    """Give a pair, and then fail on one line."""
    yield "seen", 1
    if row["line"].startswith("c"):
        raise ValueError("no c")


def test_failing_record_ends_the_run_and_is_named(tmp_path):
    """File and line of the code, byte and text of the record."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", **KEY, reduce="sum")(fails_on_c)

    with pytest.raises(DataError, match="ValueError: no c") as caught:
        events(p, tmp_path)

    finding = caught.value.finding
    assert finding.code == "MapReduceFailed"
    assert "lines.txt, byte 6" in str(caught.value)
    assert "{'line': 'c b'}" in str(caught.value)
    assert (finding.where.file, finding.where.line) == (
        __file__,
        fails_on_c.__code__.co_firstlineno + 4,
    )


@pytest.mark.parametrize("form", ["function", "block", "rows"])
def test_failing_record_is_kept_aside_and_gives_nothing(tmp_path, form):
    """What it gave before it failed does not count; its place, text and reason are kept."""
    p = pipeline(tmp_path)
    source = "lines" if form != "rows" else "SELECT line FROM lines WHERE line <> ''"

    def block(columns):
        for line in columns["line"]:
            yield from fails_on_c({"line": line})

    p.map_reduce(source, **KEY, reduce="sum", on_error="dead_letter", block=form == "block")(
        block if form == "block" else fails_on_c
    )

    told = events(p, tmp_path)

    assert asked(p, tmp_path, "SELECT * FROM answer") == [("seen", 2 if form == "rows" else 3)]
    dead = asked(p, tmp_path, "SELECT __function, __row, __offset, __arguments, __reason, __message, __status "
                 "FROM answer__dead")  # fmt: skip
    at = (2, None) if form == "rows" else (2, 6)
    assert dead == [("map", *at, "{'line': 'c b'}", "exception", "ValueError: no c", "open")]
    facts = job_facts(told)
    assert facts["records"] == facts["mapped"] + 1 == (3 if form == "rows" else 4)
    ledger = next(e for e in told if e.kind == "run_ended").facts["ledger"]
    assert ledger["steps"]["answer"]["dead"] == 1


def test_lines_of_dead_records_count_through_the_splits(tmp_path):
    """Each has the number that an editor shows, though its task knows only a part of the file."""
    text = "".join("c\n" if i in (0, 40, 99) else f"line {i}\n" for i in range(100))
    p = pipeline(tmp_path, text)
    p.map_reduce("lines", **KEY, reduce="sum", on_error="dead_letter", split_size="50 B")(
        fails_on_c
    )
    events(p, tmp_path)

    found = asked(p, tmp_path, "SELECT __row, __offset FROM answer__dead ORDER BY __row")

    assert found == [(n + 1, text.index("c\n", at)) for n, at in ((0, 0), (40, 20), (99, 600))]


def test_rules_about_a_job_judge_its_rows(tmp_path):
    """A job is a table like another: what breaks a rule is quarantined, and readers see the rest."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", **KEY | {"name": "counts"}, reduce="sum")(words)
    p.expect("counts", "n < 3", name="few", on_fail="quarantine")
    p.table("answer", "SELECT word FROM counts")

    assert rows(p, tmp_path) == [("b",), ("c",), ("ä",)]
    assert asked(p, tmp_path, "SELECT word, __rule FROM counts__quarantine") == [("a", "few")]


def test_file_that_changes_meanwhile_stops_the_run(tmp_path):
    """Its lines were never all there at one time."""
    p = pipeline(tmp_path)
    path = tmp_path / "lines.txt"

    def grown(row):
        path.write_text(TEXT + "more\n")
        yield from words(row)

    p.map_reduce("lines", **KEY, reduce="sum")(grown)

    with pytest.raises(OutsideError, match="changed while being read"):
        events(p, tmp_path)


def test_failing_group_is_kept_aside(tmp_path):
    """What it gave before it failed does not count."""
    p = pipeline(tmp_path)

    def reduce(key, values):
        yield key, sum(values)
        if key == "b":
            raise ValueError("no b")

    p.map_reduce("lines", **KEY, reduce=reduce, on_error="dead_letter")(words)
    told = events(p, tmp_path)

    assert asked(p, tmp_path, "SELECT * FROM answer ORDER BY ALL") == [
        w for w in WORDS if w[0] != "b"
    ]
    dead = asked(p, tmp_path, "SELECT __function, __arguments, __message FROM answer__dead")
    assert dead == [("reduce", "'b'", "ValueError: no b")]
    assert (job_facts(told)["groups"], job_facts(told)["reduced"]) == (4, 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1, 1), "the key 1, a int, which is no string"), (("k", "x"), "'x', a str, which is no bigint"),
        (("k", 1.5), "1.5, a float"), (("k",), "not enough values"), (5, "cannot unpack"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("on_error", ["fail", "dead_letter"])
def test_pair_of_another_type_is_refused(tmp_path, given, said, on_error):
    """By name, whether the run ends or the record is kept aside."""
    p = pipeline(tmp_path, "one\n")
    p.map_reduce("lines", **KEY, reduce=total, on_error=on_error)(lambda row: [given])

    if on_error == "fail":
        with pytest.raises(DataError, match=said):
            events(p, tmp_path)
    else:
        assert rows(p, tmp_path) == []
        assert said in asked(p, tmp_path, "SELECT __message FROM answer__dead")[0][0]


def test_row_of_another_type_is_refused(tmp_path):
    """What reduce gives is checked too."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", **KEY, reduce=lambda key, values: [(key, "many")])(words)

    with pytest.raises(
        DataError, match="reduce of answer, given 'a': 'many', a str, which is no bigint"
    ):
        events(p, tmp_path)


def test_null_where_none_may_be(tmp_path):
    """A column that is `not null` has none."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", name="answer", returns="line string not null")(
        lambda row: [(row["line"] or None,)]
    )

    with pytest.raises(DataError, match="NULL in line, which is not null"):
        events(p, tmp_path)


def test_combiner_that_gives_another_key_is_refused(tmp_path):
    """Its pairs would be in another partition."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", **KEY, reduce=total, combine=lambda key, values: [("other", 1)])(words)

    with pytest.raises(DataError, match="combine of 'a' gave the other key 'other'"):
        events(p, tmp_path)


def test_bad_text_is_a_bad_row_of_the_source(tmp_path):
    """It ends the run as any bad row does; kept aside, it goes the way of the source's dead letters."""
    p = pipeline(tmp_path, b"a\n\xff\na\n")
    p.map_reduce("lines", **KEY, reduce="sum")(words)

    with pytest.raises(DataError, match=r"lines\.txt, the line at byte 2: not UTF-8"):
        events(p, tmp_path)

    q = ms.Pipeline("kept")
    q.source("lines", ms.files("lines.txt"), schema="line string", on_bad="dead_letter")
    q.map_reduce("lines", **KEY, reduce="sum")(words)
    assert rows(q, tmp_path) == [("a", 2)]
    assert asked(q, tmp_path, "SELECT __offset FROM lines__dead") == [(2,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": "k double", "value": "bigint", "reduce": "sum"}, "the key k double is a double: 0.0 and -0.0"),
        ({"key": "k date", "value": "bigint", "reduce": "sum"}, "is no type of a key"),
        ({"key": "k int", "value": "bigint", "reduce": "sum"}, "one whole number, bigint"),
        ({"value": "bigint", "reduce": "sum"}, "it reduces, and has no key"),
        ({"key": "string", "reduce": "sum"}, "no type of its values"),
        ({"key": "string", "value": "string", "reduce": "sum"}, "sum of a string"),
        ({"key": "string", "value": "bigint", "reduce": "total"}, "reduce is 'total'"),
        ({"key": "string", "value": "bigint"}, "it has key= and no reduce"),
        ({}, "a job that only maps has no columns"),
        ({"key": "string", "value": "bigint", "reduce": total, "sort": "bigint"}, "stand together"),
        ({"key": "string", "value": "bigint", "reduce": "sum", "workers": 0}, "workers is 0"),
        ({"key": "string", "value": "bigint", "reduce": "sum", "on_error": "skip"}, "on_error is 'skip'"),
        ({"key": "string", "value": "bigint", "reduce": "sum", "split_size": "big"}, "split_size is 'big'"),
        ({"key": "a string, A string", "value": "bigint", "reduce": "sum"}, "stands twice"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(tmp_path, options, said):
    """Before anything is read."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", name="answer", **options)(words)

    with pytest.raises(CheckFailed, match=said):
        p.plan()


def test_method_that_is_misspelt_is_named(tmp_path):
    """It would never be called, and nobody would know."""
    p = pipeline(tmp_path)

    class Misspelt(WordCount):
        def setupp(self, context):
            pass

    p.map_reduce("lines", **KEY)(Misspelt)

    with pytest.raises(CheckFailed, match="has a method 'setupp'") as caught:
        p.plan()
    assert "write setup" in str(caught.value)


def test_streams_and_spark_refuse_by_name(tmp_path):
    """What an engine cannot do is said before the run."""
    p = pipeline(tmp_path)
    p.map_reduce("lines", **KEY, reduce="sum")(words)
    with pytest.raises(
        UnsupportedError, match="map/reduce step 'answer' runs on the embedded engine only"
    ):
        events(p, tmp_path, engine="spark")

    q = ms.Pipeline("endless")
    q.source("lines", ms.files("in/*.txt", format="text", stream=True), schema="line string")
    q.map_reduce("lines", **KEY, reduce="sum")(words)
    with pytest.raises(UnsupportedError, match="in a pipeline with a source that never ends"):
        q.check()

    r = ms.Pipeline("beside")
    r.source("more", ms.files("in/*.txt", format="text", stream=True), schema="line string")
    r.source("lines", ms.files("lines.txt"), schema="line string")
    r.map_reduce("lines", **KEY, reduce="sum")(words)
    r.table("copy", "SELECT line FROM more")
    with pytest.raises(
        UnsupportedError, match="stands in a pipeline with a source that never ends"
    ):
        events(r, tmp_path)


def test_fingerprint_follows_the_code(tmp_path):
    """Another body is another plan; another number of workers is not."""
    from mainstem.definition.fingerprint import plan_fingerprint

    def printed(function, **options):
        p = pipeline(tmp_path)
        p.map_reduce("lines", **KEY, reduce="sum", **options)(function)
        return plan_fingerprint(p.plan())

    assert printed(words) == printed(words, workers=3)
    assert printed(words) != printed(fails_on_c)


def test_code_that_cannot_be_sent_is_named(tmp_path):
    """A lock belongs to one process."""
    import threading

    lock = threading.Lock()
    p = pipeline(tmp_path)
    p.map_reduce("lines", **KEY, reduce="sum")(lambda row: [(str(lock), 1)])

    with pytest.raises(Exception, match="map/reduce step answer cannot be sent to a worker"):
        events(p, tmp_path)


def test_record_that_kills_workers(tmp_path):
    """It is found, and kept aside with how the worker had ended; else the run fails and names it."""
    p = pipeline(tmp_path, "".join(f"line {i}\n" for i in range(50)))

    def deadly(row):
        import os

        if row["line"] == "line 20":
            os.abort()
        yield "alive", 1

    p.map_reduce("lines", **KEY, reduce="sum", on_error="dead_letter", workers=2)(deadly)
    told = events(p, tmp_path)

    assert asked(p, tmp_path, "SELECT * FROM answer") == [("alive", 49)]
    dead = asked(p, tmp_path, "SELECT __row, __arguments, __reason, __message FROM answer__dead")
    assert dead == [(21, "{'line': 'line 20'}", "killed", "the worker was killed by SIGABRT")]
    assert job_facts(told)["worker_deaths"] == 4

    q = pipeline(tmp_path, "".join(f"line {i}\n" for i in range(50)))
    q.map_reduce("lines", **KEY, reduce="sum")(deadly)
    with pytest.raises(EngineError, match="was killed by SIGABRT, at record 21 of it"):
        events(q, tmp_path)


def test_group_that_kills_workers(tmp_path):
    """The reducer is found as the mapper is."""
    p = pipeline(tmp_path)

    def deadly(key, values):
        import os

        if key == "b":
            os.abort()
        yield key, sum(values)

    p.map_reduce("lines", **KEY, reduce=deadly, on_error="dead_letter", reducers=1)(words)
    events(p, tmp_path)

    assert asked(p, tmp_path, "SELECT * FROM answer ORDER BY ALL") == [
        w for w in WORDS if w[0] != "b"
    ]
    dead = asked(p, tmp_path, "SELECT __function, __arguments, __reason FROM answer__dead")
    assert dead == [("reduce", "'b'", "killed")]
