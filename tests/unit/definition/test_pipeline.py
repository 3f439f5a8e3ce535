"""The Python words: what they record, what they refuse, and that they open nothing."""

import sys
from datetime import timedelta

import pytest

import mainstem as ms
from mainstem.definition.resolve import resolve
from mainstem.errors import CheckFailed, UnsupportedError

SCHEMA = "id bigint not null, amount decimal(12,2), ts timestamp"


def orders(name="p"):
    """A pipeline with one source."""
    p = ms.Pipeline(name)
    p.source("orders", ms.files("orders.csv"), schema=SCHEMA)
    return p


def findings(p, **options):
    """Everything that a check finds, as (code, severity, step)."""
    found = resolve(p, environ={}, **options).findings.items
    return sorted((one.code, one.severity, one.step) for one in found)


def fixes(p):
    """The fixes of all errors, in order."""
    return [one.fix for one in resolve(p, environ={}).findings.errors]


def test_plan_has_sources_steps_and_params_in_dependency_order():
    """Declared backwards, with a view in between; each knows its line."""
    p = ms.Pipeline("shop")
    line = sys._getframe().f_lineno
    p.table("last", "SELECT id FROM middle WHERE ts >= :since")
    p.view("middle", "SELECT id, ts FROM orders")
    p.source("orders", ms.files("orders.csv"), schema=SCHEMA)
    p.param("since", "timestamp")

    plan = p.plan(environ={})

    assert [step.name for step in plan.steps] == ["middle", "last"]
    assert [step.inputs for step in plan.steps] == [("orders",), ("middle",)]
    assert [step.where.line for step in plan.steps] == [line + 2, line + 1]
    assert plan.sources[0].where.line == line + 3
    assert plan.sources[0].where.file == __file__
    assert str(plan.step("last").schema) == "id bigint"
    assert [table.name for table in plan.tables] == ["last"]
    assert plan.step("middle").sink is None
    assert plan.step("last").sink.type == "state"
    assert (plan.name, plan.params[0].name, plan.file) == ("shop", "since", __file__)


def test_forms_of_a_view_are_the_same_plan():
    """Decorator, named decorator, direct form; the function stays a function."""

    def direct():
        p = orders()
        p.view("v", "SELECT id FROM orders")
        p.table("t", "SELECT * FROM v")
        return p.plan(environ={})

    def decorated():
        p = orders()

        @p.view
        def v():
            return "SELECT id FROM orders"

        @p.table("t")
        def anything():
            return "SELECT * FROM v"

        assert v() == "SELECT id FROM orders"
        return p.plan(environ={})

    def with_refs():
        p = orders()
        o = p.ref("orders")
        p.view("v", f"SELECT id FROM {o}")
        p.table("t", p.ref("v"))
        return p.plan(environ={})

    assert direct() == decorated() == with_refs()


def test_function_is_called_when_the_plan_is_made():
    """It may use what stands further down in the file; a second plan asks it again."""
    p = orders()
    calls = []

    @p.table
    def t():
        calls.append(limit)
        return f"SELECT id FROM orders WHERE id < {limit}"

    assert calls == []
    limit = 3
    first = p.plan(environ={})
    limit = 4
    assert first != p.plan(environ={})
    assert calls == [3, 4]


def test_streaming_words_are_kept():
    """Event time, watermark and the rest are plain facts of the plan from the first day."""
    p = ms.Pipeline("p")
    p.source(
        "s", ms.files("s.csv"), schema=SCHEMA, event_time="ts", watermark="30 seconds",
        idle="1 minute", max_ahead=timedelta(hours=1),
    )  # fmt: skip
    p.lookup("l", ms.files("l.csv"), schema="k string, v string", key="k", refresh="5 minutes")
    p.table("t", "SELECT id FROM s JOIN l ON l.k = 'x'", mode="append")

    s, lookup = p.plan(environ={}).sources

    assert (s.event_time, s.watermark, s.idle, s.max_ahead) == (
        "ts", timedelta(seconds=30), timedelta(minutes=1), timedelta(hours=1),
    )  # fmt: skip
    assert (lookup.key, lookup.refresh, lookup.is_lookup) == (("k",), timedelta(minutes=5), True)


def test_declaring_opens_nothing():
    """No file, no connection, no program: an audit hook sees every one of them."""
    seen = []
    watching = [False]

    def hook(event, args):
        if watching[0] and event in ("open", "socket.connect", "subprocess.Popen", "os.listdir"):
            seen.append((event, args))

    sys.addaudithook(hook)
    orders().param("warm", "date")  # imports are not what is watched
    watching[0] = True
    p = orders()
    p.lookup("l", ms.files("no/such/*.csv"), schema="k string", key="k")
    p.param("day", "date", default="2024-01-01")
    p.view("v", "SELECT id FROM orders")
    p.table(lambda: "SELECT * FROM v")
    p.table("t", p.ref("v"), sink=ms.duckdb("no/such.duckdb", "t"))
    watching[0] = False

    assert seen == []


def test_everything_wrong_is_found_at_once():
    """Names, schemas, durations, options, columns, SQL: one check says all, each with its step."""
    p = ms.Pipeline("p")
    p.source("a b", ms.files("x"), schema=SCHEMA)
    p.source("s1", ms.files("x.csv"), schema="id bigit")
    p.source("s2", ms.files("x.csv", null=3), schema=SCHEMA, watermark="soon")
    p.source("s3", ms.files("x.csv"), schema=SCHEMA, event_time="tz", idle="1 s")
    p.source("s3", ms.files("x.csv"), schema=SCHEMA)
    p.source("s4", "x.csv", schema=SCHEMA)
    p.source("s5", ms.files("x.csv"))
    p.source("s6", ms.files("x.csv"), schema=SCHEMA, event_time="id", watermark="1 s")
    p.source("s7", ms.files("x.csv"), schema=SCHEMA, watermark="1 s")
    p.lookup("s8", ms.files("x.csv"), schema=SCHEMA)
    p.view("nothing")
    p.table("t1", "SELECT amout FROM s3")
    p.table("t2", "SELECT id FROM s3 WHERE", mode="apend")
    p.table("t3", "SELECT id FROM s3", sink=ms.files("out", partition_by="di"), schema="id string")
    p.table("t4", "SELECT id FROM s3", mode="updating")
    p.table("t5", lambda: None)
    p.table("t6", "SELECT id FROM t1")

    assert findings(p) == sorted([
        ("NameNotValid", "error", ""), ("TypeNotKnown", "error", "s1"),
        ("OptionType", "error", "s2"), ("DurationSyntax", "error", "s2"),
        ("ColumnNotFound", "error", "s3"), ("DuplicateName", "error", ""),
        ("BindingMissing", "error", "s4"), ("SchemaMissing", "error", "s5"),
        ("EventTimeType", "error", "s6"), ("EventTimeMissing", "error", "s7"),
        ("KeyMissing", "error", "s8"), ("SqlMissing", "error", ""), ("SqlMissing", "error", "t5"),
        ("ColumnNotFound", "error", "t1"), ("SqlSyntax", "error", "t2"),
        ("OptionType", "error", "t2"),
        ("ColumnNotFound", "error", "t3"), ("TypeMismatch", "error", "t3"),
        ("KindMismatch", "error", "t4"),
    ])  # fmt: skip
    with pytest.raises(CheckFailed) as caught:
        p.check(environ={})
    assert len(caught.value.findings) == 19
    assert all(found.where.file == __file__ for found in caught.value.findings)


def test_readers_of_a_failed_step_are_not_blamed():
    """One mistake is one finding, whatever stands on it."""
    p = orders()
    p.view("a", "SELECT oops FROM orders")
    p.view("b", "SELECT id FROM a")
    p.table("c", "SELECT id FROM b")

    assert findings(p) == [("ColumnNotFound", "error", "a")]


def test_nearest_names_of_tables_and_columns():
    """Also of a view that is declared later."""
    p = orders()
    p.table("t", "SELECT id FROM ordres")
    p.table("u", "SELECT id FROM middel")
    p.view("middle", "SELECT id FROM orders")
    p.ref("midle")
    p.source("s", ms.files("x.csv"), schema=SCHEMA, event_time="tss")

    assert sorted(fixes(p)) == sorted(["write orders", "write middle", "write middle", "write ts"])


def test_nearest_name_may_be_of_a_step_that_is_wrong_itself():
    """Or of one that comes later in the order of the steps: both are in the file."""
    p = orders()
    p.view("daily_totals", "SELECT nothing FROM orders")
    p.view("a", "SELECT * FROM daily_total")
    p.view("b", "SELECT * FROM weekly_total")
    p.table("weekly_totals", "SELECT id FROM orders")
    found = {one.step: one for one in resolve(p, environ={}).findings.errors}

    assert found["a"].fix == "write daily_totals"
    assert "daily_totals" in found["a"].what
    assert found["b"].fix == "write weekly_totals"


def test_step_is_not_the_nearest_name_of_what_it_reads():
    """It would read itself."""
    p = orders()
    p.table("total", "SELECT * FROM totals")

    assert fixes(p) == ["declare it with p.source or p.view"]


def test_names_of_other_alphabets_are_the_same_in_schemas_and_sql():
    """Neither needs quotes; and what a schema prints is read again."""
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.csv"), schema="größe bigint, 名前 struct(année bigint), é string")
    p.table("t", "SELECT größe, 名前.année AS année, é FROM s")

    schema = p.plan(environ={}).sources[0].schema
    assert schema.names == ("größe", "名前", "é")
    assert ms.Pipeline("q").source("s", ms.files("a.csv"), schema=str(schema)).name == "s"


def test_names_are_unique_whatever_their_case():
    """SQL does not tell Orders from orders."""
    p = orders()
    p.view("Orders", "SELECT id FROM orders")

    assert ("DuplicateName", "error", "") in findings(p)
    assert f"first at {__file__}" in p.findings.items[0].what


def test_sql_finds_names_whatever_their_case():
    """Inputs are spelled as declared."""
    p = orders()
    p.view("Middle", "SELECT ID FROM ORDERS")
    p.table("t", "SELECT id FROM middle")

    plan = p.plan(environ={})
    assert [step.inputs for step in plan.steps] == [("orders",), ("Middle",)]


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a b", 'a"b', "a.b", "x" * 64, "t__late", "ä"])
def test_name_of_a_step_is_letters_digits_and_underscores(name):
    """Two underscores in a row are kept for named outputs such as t__late."""
    p = orders()
    p.view(name, "SELECT id FROM orders")

    assert ("NameNotValid", "error", "") in findings(p)


@pytest.mark.parametrize(
    ("name", "right"),
    [("tä", "t"), ("日本", "view"), ("1st", "view_1st"), ("a b", "a_b"), ("x" * 64, "x" * 63),
     ("1" * 64, "view_" + "1" * 58)],
)  # fmt: skip
def test_name_that_the_message_gives_is_accepted(name, right):
    """A fix that is refused in its turn would be worse than none."""
    p = orders()
    p.view(name, "SELECT id FROM orders")
    (fix,) = [one.fix for one in resolve(p, environ={}).findings.items if "Name" in one.code]

    assert fix == f"write {right}"
    p = orders()
    p.view(right, "SELECT id FROM orders")
    assert ("NameNotValid", "error", "") not in findings(p)


def test_name_of_a_pipeline_becomes_a_directory():
    """So it may not leave the folder, but may have a hyphen."""
    assert ms.Pipeline("a-b").findings.items == []
    assert [found.fix for found in ms.Pipeline("../x").findings.items] == ["write x"]


def test_circle_of_views_is_told_as_a_circle():
    """And named in the order in which they read one another."""
    p = orders()
    p.view("a", "SELECT id FROM b")
    p.view("b", "SELECT id FROM c JOIN orders USING (id)")
    p.view("c", "SELECT id FROM a")
    p.table("t", "SELECT id FROM c")

    (found,) = resolve(p, environ={}).findings.errors
    assert (found.code, found.what.rpartition(": ")[2]) == ("CircularSteps", "a → b → c → a")


def test_unused_sources_and_views_are_warnings():
    """A check passes with them, and says them."""
    p = orders()
    p.view("v", "SELECT id FROM orders")
    p.source("s", ms.files("x.csv"), schema=SCHEMA)
    p.table("t", "SELECT id FROM orders")

    found = p.check(environ={})
    assert [(one.code, one.step) for one in found] == [("Unused", "s"), ("Unused", "v")]
    assert p.plan(environ={}).step("v") is not None


def test_pipeline_without_tables_is_refused():
    """Nothing to run is a mistake."""
    assert findings(ms.Pipeline("p")) == [("NothingDeclared", "error", "")]


@pytest.mark.parametrize("word", ["iterate", "map_batches", "process"])
def test_reserved_word_is_refused_by_name(word):
    """It will mean something; today it does nothing, and says so."""
    with pytest.raises(UnsupportedError, match=f"p.{word} is a reserved word") as caught:
        getattr(orders(), word)("orders", "x")
    assert caught.value.finding.where.file == __file__


def test_unknown_word_names_the_nearest():
    """An ordinary AttributeError, so that hasattr and completion work."""
    with pytest.raises(AttributeError, match="did you mean 'source'"):
        orders().sourc("x")
    assert not hasattr(orders(), "no_such_word")


def streaming(**words):
    """A pipeline over a topic, with a table of it and one of files beside."""
    p = orders()
    p.source("clicks", ms.kafka("clicks", servers="k:9092"), schema="id bigint, ts timestamp",
             event_time="ts", watermark="1 minute")  # fmt: skip
    p.view("kept", "SELECT id, ts FROM clicks WHERE id > 0", **words)
    return p


def test_source_that_never_ends_is_a_right_definition():
    """Whether it can run is the engine's to say."""
    p = streaming()
    p.table("out", "SELECT id FROM kept")

    plan = resolve(p, environ={}).checked_plan()

    assert [source.bounded for source in plan.sources] == [True, False]


def test_kind_over_a_stream_is_left_to_the_analysis_of_streams():
    """Beside it, over inputs that end, the assertion is judged at once."""
    p = streaming()
    p.table("counts", "SELECT id, count(*) AS n FROM kept GROUP BY id", mode="updating")
    p.table("beside", "SELECT id FROM orders", mode="updating")

    assert findings(p) == [("KindMismatch", "error", "beside")]
    del p.steps[-1]
    p.table("read", "SELECT id FROM orders")
    assert resolve(p, environ={}).checked_plan().step("counts").declared_kind == "updating"


def test_appending_a_stream_needs_no_key():
    """Runs that could see rows twice are those of inputs that end."""
    p = streaming()
    p.table("out", "SELECT id FROM kept", sink=ms.files("out", format="csv", mode="append"))
    p.table("rest", "SELECT id FROM orders", sink=ms.files("rest", format="csv", mode="append"))

    assert findings(p) == [("AppendNeedsKey", "warning", "rest")]


def test_words_of_streams_are_in_the_plan():
    """Of views and tables, direct and decorated; nothing without them."""
    p = streaming(allowed_lateness="1 minute", ttl=timedelta(hours=1), state="unbounded")
    p.table("plain", "SELECT id FROM kept", mode="append")

    @p.table(allowed_lateness="2 s", ttl="3 s", state="unbounded")
    def decorated():
        return "SELECT id FROM kept"

    @p.view(ttl="4 s")
    def looked():
        return "SELECT id FROM kept"

    p.table("read", "SELECT o.id FROM looked JOIN orders o USING (id)")
    words = {
        step.name: (step.declared_kind, step.allowed_lateness, step.ttl, step.state)
        for step in resolve(p, environ={}).checked_plan().steps
    }

    assert words == {
        "kept": ("", timedelta(minutes=1), timedelta(hours=1), "unbounded"),
        "plain": ("append", None, None, ""),
        "decorated": ("", timedelta(seconds=2), timedelta(seconds=3), "unbounded"),
        "looked": ("", None, timedelta(seconds=4), ""),
        "read": ("", None, None, ""),
    }


def test_wrong_words_of_streams_are_found_at_once():
    """Each with its step."""
    p = streaming(allowed_lateness="soon", ttl="1 month", state="endless")
    p.table("out", "SELECT o.id FROM kept k JOIN orders o USING (id)", state="unbound")

    assert findings(p) == sorted([
        ("DurationSyntax", "error", "kept"), ("DurationSyntax", "error", "kept"),
        ("OptionType", "error", "kept"), ("OptionType", "error", "out"),
    ])  # fmt: skip
    assert 'write state="unbounded", or remove it' in fixes(p)


def test_lookup_has_to_end():
    """It is loaded whole, again and again."""
    p = streaming()
    p.lookup("prices", ms.kafka("prices", servers="k:9092"), schema="id bigint", key="id")
    p.table("out", "SELECT k.id FROM kept k JOIN prices USING (id) JOIN orders USING (id)")

    assert findings(p) == [("LookupNotWhole", "error", "prices")]


def test_window_helpers_and_sql_are_the_same_plan():
    """HOP with the slide first, or hop with names: one meaning."""

    def plan(relation):
        p = orders()
        p.table("t", f"SELECT id, window_start FROM {relation}")
        return p.plan(environ={})

    assert plan(ms.hop("ts", size="10 minutes", every="60 s").over("orders")) == plan(
        "HOP(orders, ts, INTERVAL '1 minute', INTERVAL '10 minutes')"
    )
    assert plan(ms.tumble("ts", size="1 hour").over(orders().ref("orders"))) == plan(
        "TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '60 minutes')"
    )


def test_text_source_has_the_column_line_when_nothing_is_declared():
    """The one format whose columns are always the same."""
    p = ms.Pipeline("p")
    p.source("a", ms.files("in/*", format="text"))
    p.source("b", ms.files("in/*.log.gz"))
    p.table("t", "SELECT line FROM a UNION ALL SELECT line FROM b")

    assert [str(source.schema) for source in p.plan(environ={}).sources] == ["line string"] * 2


def test_schema_of_a_sink_may_be_narrower():
    """Integer and smallint exist at sinks; other columns, or other types, do not pass."""
    p = orders()
    p.table("t", "SELECT id FROM orders", schema="id smallint not null")
    assert str(p.plan(environ={}).step("t").sink_schema) == "id smallint not null"

    p.table("u", "SELECT id, amount FROM orders", schema={"idd": "bigint", "id": "integer"})
    assert findings(p) == [("ColumnNotFound", "error", "u")] * 2


def test_snippet_shows_the_line_with_a_caret():
    """The user's own line, and where in it."""
    p = orders()
    p.table("t", "SELECT amout FROM orders")

    with pytest.raises(CheckFailed) as caught:
        p.check(environ={})
    assert "SELECT amout FROM orders\n              ^" in str(caught.value)
    assert "fix: write amount" in str(caught.value)


def test_schema_that_is_no_text_is_refused_at_the_call():
    """Not with an AttributeError out of our own code."""
    p = ms.Pipeline("p")
    p.source("a", ms.files("a.csv"), schema=["id bigint"])
    p.table("t", "SELECT 1 AS x")
    (error,) = resolve(p, environ={}).findings.errors

    assert (error.code, error.what) == ("SchemaSyntax", "a schema is a text or a dict, not a list")
    assert error.where.file == __file__
