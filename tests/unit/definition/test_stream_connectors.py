"""Bindings of streams: what their options mean together, and which sources end."""

from datetime import UTC, datetime, timedelta

import pytest

import mainstem as ms
from mainstem.connectors.generator.options import GeneratorSource
from mainstem.connectors.kafka.options import KafkaSink, KafkaSource
from mainstem.connectors.spec import connector, read_options, wrong_options
from mainstem.definition.fingerprint import fingerprints
from mainstem.definition.resolve import resolve

SCHEMA = "id bigint, card string, at timestamp"


def source_of(binding, schema=SCHEMA, **words):
    """A pipeline that reads a binding."""
    p = ms.Pipeline("p")
    p.source("s", binding, schema=schema, **words)
    p.table("t", "SELECT * FROM s")
    return p


def sink_of(binding, query="SELECT id, card FROM s"):
    """A pipeline that writes to a binding."""
    p = ms.Pipeline("p")
    p.source("s", ms.kafka("in", servers="k:1"), schema=SCHEMA)
    p.table("t", query, sink=binding)
    return p


def found(p, **options):
    """Codes and fixes of the errors."""
    return [(e.code, e.fix) for e in resolve(p, environ={}, **options).findings.errors]


@pytest.mark.parametrize(("binding", "is_bounded"), [
    (ms.files("in/*.csv"), True),
    (ms.files("in", format="csv", stream=True), False),
    (ms.kafka("t", servers="k:1"), False),
    (ms.stdin(), False),
    (ms.generator(), False),
    (ms.generator(count=0), True),
])  # fmt: skip
def test_binding_says_whether_a_source_ends(binding, is_bounded):
    """Its options do, not its type alone."""
    (source,) = resolve(source_of(binding), environ={}).checked_plan().sources

    assert source.bounded is is_bounded


def test_override_of_an_environment_makes_a_stream(tmp_path, monkeypatch):
    """The same definition over files here, and over a topic there."""
    monkeypatch.chdir(tmp_path)
    flags = ["sources.s.type=kafka", "sources.s.topic=in", "sources.s.servers=k:1"]

    (source,) = (
        resolve(source_of(ms.files("a.csv")), flags=flags, environ={}).checked_plan().sources
    )

    assert (source.binding.type, source.bounded) == ("kafka", False)


@pytest.mark.parametrize(("options", "code", "fix"), [
    ({"topic": "t", "servers": None}, "OptionMissing",
     'add servers="host:9092", or [defaults.kafka] with servers to mainstem.toml'),
    ({"topic": None}, "OptionMissing", "name a topic"),
    ({"pattern": "x.*"}, "OptionMissing", "remove one of them"),
    ({"topic": "a b"}, "OptionType", 'name one, or write a pattern: "^orders-.*"'),
    ({"topic": "^a("}, "OptionType", 'write it as "^orders-.*"'),
    ({"start": "yesterday"}, "OptionType",
     'write "earliest", "latest", "2026-01-31T00:00:00Z" or {"0": 123}'),
    ({"start": {"0": -1}}, "OptionType",
     'write "earliest", "latest", "2026-01-31T00:00:00Z" or {"0": 123}'),
    ({"topic": ["a", "b"], "start": {"0": 1}}, "OptionType", 'write {"topic/0": 1}'),
    ({"format": "avro"}, "OptionMissing", 'add schema_registry="http://host:8081"'),
    ({"format": "avr"}, "OptionType",
     "give format as one of 'json', 'csv', 'text', 'bytes', 'avro'"),
    ({"format": "debezium"}, "ReservedWord",
     "write the latest row of each key to a file, and read that"),
    ({"delimiter": ";;"}, "OptionType", 'write delimiter=","'),
    ({"password": "oops"}, "SecretLiteral",
     'write password = {env = "NAME"} and set NAME before the run'),
    ({"username": "u"}, "OptionMissing", "add mechanism="),
    ({"tls_ca": "ca.pem"}, "OptionMissing", "add tls=True"),
    ({"tls": True, "tls_cert": "c.pem"}, "OptionMissing", "add tls_key="),
    ({"metadata": {"at": "timestmp"}}, "OptionType", 'write "timestamp"'),
    ({"metadata": {"at": "key", "card": "key"}}, "OptionType", "remove one of them"),
    ({"metadata": {"when": "timestamp"}}, "ColumnNotFound", "declare it"),
    ({"metadata": {"card": "timestamp"}}, "TypeMismatch", "declare it as timestamp"),
    ({"format": "text"}, "FormatColumns", 'declare one string column, or use format="json"'),
    ({"key": "id"}, "OptionNotFound", "remove it: only sinks have it"),
])  # fmt: skip
def test_wrong_source_of_kafka(options, code, fix):
    """One finding, with what to write."""
    given = {"topic": "t", "servers": "k:1"} | options

    assert found(source_of(ms.kafka(**given))) == [(code, fix)]


@pytest.mark.parametrize(("options", "code", "fix"), [
    ({"key": "crd"}, "ColumnNotFound", "write card"),
    ({"key": "card", "metadata": {"card": "key"}}, "OptionType", "remove one of them"),
    ({"metadata": {"id": "offset"}}, "OptionType", 'write "key"'),
    ({"partitions": 0}, "OptionType", "write partitions=1"),
    ({"replication": 3}, "OptionMissing", "add partitions="),
    ({"transaction_timeout": "1 hour"}, "OptionType", 'write transaction_timeout="1 minute"'),
    ({"transaction_timeout": "60"}, "OptionType", 'write transaction_timeout="1 minute"'),
    ({"tokens": "a b"}, "OptionType", 'name one, or write a pattern: "^orders-.*"'),
    ({"start": "latest"}, "OptionNotFound", "remove it: only sources have it"),
    ({"format": "bytes", "key": "id"}, "FormatColumns",
     'declare one bytes column, or use format="json"'),
])  # fmt: skip
def test_wrong_sink_of_kafka(options, code, fix):
    """One finding, with what to write."""
    assert found(sink_of(ms.kafka(**({"topic": "t", "servers": "k:1"} | options)))) == [(code, fix)]


def test_metadata_beside_a_text_is_right():
    """The columns of the value are the others."""
    binding = ms.kafka(
        "t", servers="k:1", format="text", metadata={"id": "offset", "AT": "timestamp"}
    )

    assert found(source_of(binding, event_time="at", watermark="1 s")) == []


def test_text_without_a_schema_has_the_column_line():
    """As text files have."""
    for binding in (ms.kafka("t", servers="k:1", format="text"), ms.stdin(format="text")):
        (source,) = resolve(source_of(binding, schema=None), environ={}).checked_plan().sources
        assert str(source.schema) == "line string"
    assert found(source_of(ms.stdin(), schema=None)) == [
        ("SchemaMissing", 'add schema="column type, …"')
    ]
    assert found(source_of(ms.stdin(format="text"), schema="a bigint"))[0][0] == "FormatColumns"


def test_options_of_kafka_as_readers_want_them():
    """Names, patterns, instants and offsets."""

    def read(**options):
        return read_options(KafkaSource, ms.kafka(**({"servers": ["a:1", "b:2"]} | options)))

    assert read(topic="t").bootstrap == "a:1,b:2"
    assert read(topic="t", servers="a:1,b:2").bootstrap == "a:1,b:2"
    assert (read(topic="t").topics, read(topic="t").regex) == (("t",), "")
    assert (read(topic="^t-.*$").topics, read(topic="^t-.*$").regex) == ((), "t-.*")
    assert read(pattern="t-.*").regex == "t-.*"
    assert read(topic="t").start_time is None
    zone = read(topic="t", start="2026-01-31T02:00:00+02:00")
    assert zone.start_time == datetime(2026, 1, 31, tzinfo=UTC)
    assert read(topic="t", start="2026-01-31").start_time == datetime(2026, 1, 31, tzinfo=UTC)
    assert read(topic="t", start={"t/1": 7, "2": 0}).start_offsets == {"t/1": 7, "2": 0}
    sink = read_options(KafkaSink, ms.kafka("t", servers="a:1", key=["a", "b"]))
    assert (sink.key_columns, sink.token_topic) == (("a", "b"), "t.tokens")
    assert sink.timeout == timedelta(minutes=1)


def test_defaults_fill_what_nobody_said(tmp_path):
    """Of every kafka source and sink that has the option; the definition and its own section win."""
    (tmp_path / "p.py").write_text(
        'import mainstem as ms\np = ms.Pipeline("p")\n'
        'p.source("a", ms.kafka("a"), schema="id bigint")\n'
        'p.source("b", ms.kafka("b", servers="own:1"), schema="id bigint")\n'
        'p.table("t", "SELECT a.id FROM a UNION ALL SELECT id FROM b", sink=ms.kafka("t"))\n'
    )
    (tmp_path / "mainstem.toml").write_text(
        '[defaults.kafka]\nservers = "all:1"\nstart = "latest"\nkey = "id"\n'
        '[sources.b]\nstart = "earliest"\n[env.prod.defaults.kafka]\nservers = "prod:1"\n'
    )
    p = ms.load(tmp_path / "p.py")

    plan = p.plan(environ={})
    assert [dict(s.binding.options) for s in plan.sources] == [
        {"servers": "all:1", "start": "latest", "topic": "a"},
        {"servers": "own:1", "start": "earliest", "topic": "b"},
    ]
    assert dict(plan.tables[0].sink.options) == {"key": "id", "servers": "all:1", "topic": "t"}
    origins = dict(plan.sources[0].binding.origins)
    assert origins["servers"].endswith("mainstem.toml:2")
    prod = p.plan(env="prod", environ={}, flags=["defaults.kafka.tls=true"])
    assert [dict(s.binding.options)["servers"] for s in prod.sources] == ["prod:1", "own:1"]
    assert dict(prod.sources[1].binding.options)["tls"] is True


def test_defaults_that_mean_nothing_are_found(tmp_path):
    """With their lines, in every environment."""
    (tmp_path / "p.py").write_text(
        'import mainstem as ms\np = ms.Pipeline("p")\np.table("t", "SELECT 1 AS x")\n'
    )
    (tmp_path / "mainstem.toml").write_text(
        '[defaults.kafk]\nservers = "x"\n[env.prod.defaults.kafka]\nserver = "x"\n'
    )

    errors = resolve(ms.load(tmp_path / "p.py"), environ={}).findings.errors

    assert [(e.code, e.where.line, e.fix) for e in errors] == [
        ("ConnectorNotFound", 2, "write defaults.kafka"), ("OptionNotFound", 4, "write servers"),
    ]  # fmt: skip


def test_way_to_a_cluster_is_no_part_of_a_fingerprint():
    """A cluster that moves has the same records; another topic has others."""

    def prints(**options):
        plan = resolve(source_of(ms.kafka(**options)), environ={}).checked_plan()
        return fingerprints(plan)["s"]

    first = prints(topic="t", servers="a:1")
    assert prints(topic="t", servers="b:1", tls=True) == first
    assert prints(topic="u", servers="a:1") != first


def test_growing_folder_is_no_incremental_source():
    """Both would say which files are new."""
    wrong = ms.files("in", format="csv", stream=True, incremental=True)

    assert found(source_of(wrong)) == [("OptionType", "remove incremental")]
    assert found(source_of(ms.files("in.csv", settle="2")))[0][0] == "DurationSyntax"
    assert found(source_of(ms.files("a.zip", format="csv", stream=True, member="a")))[0] == (
        "OptionType", "unpack the archive into the folder",
    )  # fmt: skip


def test_console_and_stdin_have_one_role():
    """Nothing can be read from the one or written to the other."""
    assert found(source_of(ms.console()))[0][0] == "ConnectorRole"
    assert found(sink_of(ms.stdin()))[0][0] == "ConnectorRole"
    assert found(sink_of(ms.console(limit=-1))) == [("OptionType", "write limit=20")]
    assert found(sink_of(ms.console(limit=0))) == []


def columns(given, schema, event_time="at", **options):
    """The columns of a generator."""
    read = read_options(GeneratorSource, ms.generator(columns=given, **options))
    return read.specs(ms.Pipeline("p")._schema(schema, None, ""), event_time)


def test_columns_of_a_generator_that_nobody_describes():
    """Something that suits the type and fits into it."""
    schema = "a string, b bigint, c decimal(2,2), d decimal(9,1), e double, f boolean, g date, " \
        "h bytes, at timestamp not null, i timestamp"  # fmt: skip

    made = {c.field.name: c for c in columns({}, schema)}

    kinds = [c.kind for c in made.values()]
    assert kinds == ["zipf", "range", "range", "range", "range", "choice", "time", "letters",
                     "time", "time"]  # fmt: skip
    assert (made["a"].prefix, made["a"].size) == ("a-", 100)
    assert str(made["c"].high) == "0.99"
    assert made["d"].high == 100
    assert made["f"].values == (True, False)


def test_columns_of_a_generator_are_read():
    """Each word with those beside it."""
    made = columns(
        {
            "a": {"sequence": 5, "step": 2, "prefix": "x"}, "b": {"zipf": 9, "exponent": 1.5},
            "c": {"choice": ["u", "v"], "weights": [3, 1], "nulls": 0.25},
            "d": {"range": ["2024-01-01", "2024-01-31"]}, "e": {"letters": 3},
        },
        "a string, b integer, c string, d date, e string", "",
    )  # fmt: skip

    assert (made[0].start, made[0].step, made[0].prefix) == (5, 2, "x")
    assert (made[1].size, made[1].exponent, made[1].prefix) == (9, 1.5, "")
    assert (made[2].values, made[2].weights, made[2].nulls) == (("u", "v"), (3.0, 1.0), 0.25)
    assert (made[3].low.day, made[3].high.day) == (1, 31)
    assert made[4].size == 3


@pytest.mark.parametrize(("given", "words"), [
    ({"zip": 3}, "it takes one of"),
    ({"zipf": 3, "range": [1, 2]}, "it takes one of"),
    ({"zipf": 0}, "zipf is 0"),
    ({"zipf": 3, "step": 2}, "zipf has no 'step'"),
    ({"zipf": 3, "prefix": "a"}, "a prefix stands in a text"),
    ({"letters": 3}, "letters makes no bigint"),
    ({"range": [1]}, "a range has two ends"),
    ({"range": [2, 1]}, "2 is more than 1"),
    ({"range": ["a", "b"]}, "are no two of bigint"),
    ({"range": [True, 2]}, "are no two of bigint"),
    ({"choice": []}, "not a list"),
    ({"choice": [1], "weights": [1, 2]}, "1 values and 2 weights"),
    ({"choice": [1], "weights": [0]}, "1 values and 1 weights"),
    ({"sequence": 1, "nulls": 2}, "nulls is 2"),
    ({"time": True}, "time makes no bigint"),
    (3, "is no description"),
])  # fmt: skip
def test_wrong_column_of_a_generator(given, words):
    """One finding, which names the column."""
    errors = resolve(source_of(ms.generator(columns={"id": given})), environ={}).findings.errors

    assert [e.code for e in errors] == ["GeneratorColumn"]
    assert words in errors[0].what
    assert "'id'" in errors[0].what


@pytest.mark.parametrize(("options", "code"), [
    ({"rate": 0}, "OptionType"), ({"count": -1}, "OptionType"), ({"partitions": 0}, "OptionType"),
    ({"bad": 2}, "OptionType"), ({"disorder": "5"}, "DurationSyntax"),
    ({"start": "soon"}, "OptionType"), ({"rate": "fast"}, "OptionType"),
    ({"columns": {"nothing": {"zipf": 1}}}, "ColumnNotFound"),
])  # fmt: skip
def test_wrong_options_of_a_generator(options, code):
    """Each is found by itself."""
    assert [one[0] for one in found(source_of(ms.generator(**options)))] == [code]


def test_event_time_of_a_generator_is_its_own():
    """It advances with the stream; NULLs and other values would be bad rows without being asked for."""
    p = source_of(ms.generator(columns={"at": {"range": ["2024-01-01", "2024-01-02"]}}),
                  event_time="at", watermark="1 s")  # fmt: skip

    assert [e[0] for e in found(p)] == ["GeneratorColumn"]


def test_nulls_of_a_not_null_column_are_refused():
    """They would be bad rows."""
    binding = ms.generator(columns={"id": {"sequence": 1, "nulls": 0.5}})

    assert [e[0] for e in found(source_of(binding, "id bigint not null"))] == ["GeneratorColumn"]


def test_bare_text_of_a_flag_is_a_number(tmp_path, monkeypatch):
    """As it is for whole numbers."""
    monkeypatch.chdir(tmp_path)
    p = source_of(ms.generator())
    flags = ["sources.s.bad=0.5", "sources.s.rate=10"]

    (source,) = resolve(p, flags=flags, environ={}).checked_plan().sources

    assert source.binding.as_dict() == {"bad": 0.5, "rate": 10}
    assert wrong_options(connector(source.binding).source_options, source.binding) == []
