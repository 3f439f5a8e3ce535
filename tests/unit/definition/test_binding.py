"""Settings override the definition field by field, and every value knows who set it."""

from dataclasses import dataclass

import pytest

import mainstem as ms
from mainstem.connectors.spec import is_secret, wrong_options
from mainstem.definition.load import load
from mainstem.definition.resolve import resolve
from mainstem.errors import CheckFailed, SettingsError
from mainstem.plan.nodes import Binding
from mainstem.settings.secret import Secret

PIPELINE = """import mainstem as ms
p = ms.Pipeline("p")
p.source("flights", ms.files("f.csv", null="NA"), schema="id bigint, at string")
p.table("out", "SELECT id, at FROM flights", sink=ms.files("out.parquet"))
"""


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline in a file, so that mainstem.toml is found beside it."""
    (tmp_path / "p.py").write_text(PIPELINE)
    return load(tmp_path / "p.py")


def configure(pipeline, text):
    """Write the mainstem.toml beside it."""
    (pipeline.file.parent / "mainstem.toml").write_text(text)


def options(pipeline, **given):
    """Options and origins of source and sink."""
    plan = pipeline.plan(**({"environ": {}} | given))
    bindings = plan.sources[0].binding, plan.tables[0].sink
    return [
        (one.type, one.as_dict(), {k: v.rpartition("/")[2] for k, v in one.origins})
        for one in bindings
    ]


def test_field_by_field_in_order_of_precedence(pipeline):
    """Flag > variable > environment > default section > definition."""
    configure(
        pipeline,
        '[sources.flights]\npath = "default.csv"\nquote = "\'"\ndelimiter = ";"\nmultiline = true\n'
        '[env.prod.sources.flights]\nquote = "|"\ndelimiter = "|"\nmultiline = false\n'
        '[env.prod.sinks.out]\npath = "prod/${PART:-a}"\n',
    )
    source, sink = options(
        pipeline, env="prod", flags=["sources.flights.multiline=true"],
        environ={"MAINSTEM__SOURCES__FLIGHTS__DELIMITER": "\t"},
    )  # fmt: skip

    assert source == (
        "files",
        {"path": "default.csv", "null": "NA", "quote": "|", "delimiter": "\t", "multiline": True},
        {
            "null": "definition", "path": "mainstem.toml:2", "quote": "mainstem.toml:7",
            "delimiter": "MAINSTEM__SOURCES__FLIGHTS__DELIMITER",
            "multiline": "--set sources.flights.multiline",
        },
    )  # fmt: skip
    assert sink[1:] == ({"path": "prod/a"}, {"path": "mainstem.toml:11"})


def test_another_type_starts_from_nothing(pipeline):
    """Options of one connector mean nothing to the next, also those of a lower section."""
    configure(
        pipeline,
        "[sources.flights]\nheader = false\n"
        '[env.prod.sources.flights]\ntype = "duckdb"\npath = "x.duckdb"\ntable = "t"\n',
    )

    assert options(pipeline)[0][1] == {"path": "f.csv", "null": "NA", "header": False}
    source = options(pipeline, env="prod")[0]
    assert source[:2] == ("duckdb", {"path": "x.duckdb", "table": "t"})
    assert source[2]["type"] == "mainstem.toml:4"


def test_everything_wrong_in_settings_is_found_at_once(pipeline):
    """Unknown names, options, values and connectors, each at its line, together with the SQL's."""
    configure(
        pipeline,
        '[sources.flihgts]\npath = "a"\n[sources.flights]\nhaeder = true\nmultiline = "maybe"\n'
        '[sinks.out]\ntype = "fils"\n[env.prod.sinks.uot]\npath = "x"\n',
    )
    pipeline.view("v", "SELECT oops FROM flights")

    with pytest.raises(CheckFailed) as caught:
        pipeline.check(environ={})
    found = {(one.code, one.where.line, one.fix) for one in caught.value.findings}
    assert {
        ("NameNotFound", 2, "write sources.flights"), ("OptionNotFound", 4, "write header"),
        ("OptionType", 5, "give multiline as true or false"),
        ("ConnectorNotFound", 7, "write files"), ("NameNotFound", 9, "write sinks.out"),
    } <= found  # fmt: skip


def test_source_and_sink_are_not_the_same(pipeline):
    """A state file can only be written by its own pipeline."""
    configure(pipeline, '[sources.flights]\ntype = "state"\n')

    with pytest.raises(CheckFailed, match="state cannot be a source"):
        pipeline.check(environ={})


def test_overrides_change_what_is_checked(pipeline):
    """A sink's partition column is checked against the query, whoever set it."""
    flags = ['sinks.out.partition_by=["id", "att"]']

    with pytest.raises(CheckFailed, match="no column 'att' to partition 'out' by"):
        pipeline.check(environ={}, flags=flags)
    flags = ['sinks.out.partition_by=["id", "at"]']
    assert options(pipeline, flags=flags)[1][1]["partition_by"] == ("id", "at")


def test_config_shows_every_value_with_its_origin(pipeline):
    """Defaults too, so that one page answers what a run will use."""
    configure(pipeline, "[run]\nthreads = 4\n[sources.flights]\nheader = false\n")
    rows = resolve(pipeline, environ={}).config()

    shown = {(row.section, row.option): (row.value, row.origin.rpartition("/")[2]) for row in rows}
    assert shown["run", "threads"] == (4, "mainstem.toml:2")
    assert shown["run", "memory_limit"] == (None, "default")
    assert shown["sources.flights", "header"] == (False, "mainstem.toml:4")
    assert shown["sources.flights", "null"] == ("NA", "definition")
    assert shown["sources.flights", "quote"] == ('"', "default")
    assert shown["sinks.out", "type"] == ("files", "definition")


@dataclass(frozen=True)
class Database:
    """Options of a connector with a secret."""

    url: str
    password: Secret | None = None


def test_literal_for_a_secret_is_refused_without_showing_it():
    """The message must not be the next place where the password stands."""
    assert is_secret(Secret | None)
    assert not is_secret(str | None)
    wrong = wrong_options(Database, Binding.of("db", url="u", password="canary-literal"))

    assert [found.code for found in wrong] == ["SecretLiteral"]
    assert "canary-literal" not in wrong[0].text()
    assert wrong_options(Database, Binding.of("db", url="u", password=Secret(env="P"))) == []


def test_secret_for_a_plain_option_is_refused():
    """Such an option would be printed somewhere; `${NAME}` says that this is wanted."""
    (wrong,) = wrong_options(Database, Binding.of("db", url=Secret(env="CANARY_NAME")))

    assert wrong.code == "OptionType"
    assert wrong.fix == 'write url = "${NAME}" for an environment variable'


def test_wrong_settings_alone_are_still_all_told():
    """A pipeline without a file has variables and flags only."""
    p = ms.Pipeline("p")
    p.table("t", "SELECT 1 AS x")

    with pytest.raises(CheckFailed) as caught:
        p.check(flags=["sources.x.path=1", "run.threads=0", "nonsense"], environ={})
    assert sorted(found.code for found in caught.value.findings) == [
        "NameNotFound", "OptionType", "SettingSyntax",
    ]  # fmt: skip


def test_read_options_raises_the_first_of_what_is_wrong():
    """A run reads options that a check has passed; it must not go on with wrong ones."""
    from mainstem.connectors.spec import read_options

    with pytest.raises(SettingsError, match="db needs the option 'url'"):
        read_options(Database, Binding.of("db"))
