"""mainstem.toml, variables and flags: what they say, who said it, and everything wrong at once."""

import pytest

from mainstem.errors import Findings, SettingsError
from mainstem.settings.file import discover, read
from mainstem.settings.secret import Secret
from mainstem.settings.values import expanded


def toml(folder, text):
    """Write a mainstem.toml; give a pipeline file beside it."""
    (folder / "mainstem.toml").write_text(text)
    return folder / "pipeline.py"


def settings_of(start, **options):
    """Read settings that are expected to be right."""
    findings = Findings()
    found = read(start, findings=findings, **({"environ": {}} | options))
    assert findings.items == []
    return found


def findings_of(start, **options):
    """Give the findings of settings as (code, line, start of the text)."""
    findings = Findings()
    read(start, findings=findings, **({"environ": {}} | options))
    return [(found.code, found.where.line, found.what) for found in findings.items]


def test_nearest_file_upwards_counts(tmp_path):
    """The file in the pipeline's folder, else in the one above; none is no mistake."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert discover(inner / "p.py") is None
    (tmp_path / "mainstem.toml").write_text("")
    assert discover(inner / "p.py") == tmp_path / "mainstem.toml"
    (inner / "mainstem.toml").write_text("")
    assert discover(inner / "p.py") == inner / "mainstem.toml"


def test_layers_stand_in_order_of_precedence(tmp_path):
    """Default section, environment, variable, flag: each with its origin."""
    start = toml(
        tmp_path,
        '[sources.x]\npath = "default.csv"\n[env.prod.sources.x]\npath = "prod.csv"\n'
        '[env.dev.sources.x]\npath = "dev.csv"\n',
    )
    found = settings_of(
        start, env="prod", environ={"MAINSTEM__SOURCES__X__PATH": "variable.csv", "OTHER": "1"},
        flags=["sources.x.path=flag.csv"],
    )  # fmt: skip

    said = [layer.sources["x"]["path"] for layer in found.layers]
    assert [one.value for one in said] == ["default.csv", "prod.csv", "variable.csv", "flag.csv"]
    assert [one.origin.rpartition("/")[2] for one in said] == [
        "mainstem.toml:2", "mainstem.toml:4", "MAINSTEM__SOURCES__X__PATH", "--set sources.x.path",
    ]  # fmt: skip
    assert found.environments == ("prod", "dev")


def test_environment_may_come_from_a_variable(tmp_path):
    """MAINSTEM_ENV stands in for --env, and --env wins."""
    start = toml(tmp_path, "[env.a.run]\nthreads = 1\n[env.b.run]\nthreads = 2\n")

    assert settings_of(start, environ={"MAINSTEM_ENV": "b"}).run()["threads"].value == 2
    both = settings_of(start, env="a", environ={"MAINSTEM_ENV": "b"})
    assert both.run()["threads"].value == 1


def test_run_options_are_typed_whoever_sets_them(tmp_path):
    """A flag, a variable and ${…} are text; threads is a number all the same."""
    start = toml(tmp_path, '[run]\nthreads = "${N:-3}"\nmemory_limit = "1.5 GiB"\n')

    assert settings_of(start).run()["threads"].value == 3
    assert settings_of(start).run()["memory_limit"].value == "1.5 GiB"
    assert settings_of(start, flags=["run.threads=8"]).run()["threads"].value == 8
    assert settings_of(start, environ={"MAINSTEM__RUN__THREADS": "9"}).run()["threads"].value == 9


def test_secrets_are_references_in_tables_flags_and_variables(tmp_path):
    """{env = …} is a secret wherever a value may stand, nested ones too."""
    start = toml(
        tmp_path,
        '[sources.x]\npassword = { env = "PW" }\nsecurity = { user = "u", key = { file = "k" } }\n',
    )
    found = settings_of(start, flags=['sources.x.token={command="get-token"}'])

    options = found.layers[0].sources["x"]
    assert options["password"].value == Secret(env="PW")
    assert options["security"].value == {"user": "u", "key": Secret(file="k")}
    assert found.layers[-1].sources["x"]["token"].value == Secret(command="get-token")


def test_everything_wrong_is_found_at_once(tmp_path):
    """Each with its line and the nearest name."""
    start = toml(
        tmp_path,
        '[sorces.x]\npath = "a"\n[run]\nthreds = 2\nmemory_limit = "lots"\nthreads = true\n'
        '[sources]\nflat = 1\n[sources.y]\npath = "${NOT_SET_AT_ALL}"\nkey = "${oops"\n'
        "[env.prod]\nsinks = 3\n[env.prod.source.z]\n",
    )
    found = findings_of(start, env="prd")

    assert [(code, line) for code, line, _ in found] == [
        ("SectionNotFound", 1), ("OptionNotFound", 4), ("OptionType", 5), ("OptionType", 6),
        ("SettingsSyntax", 8), ("VariableMissing", 10), ("SettingSyntax", 11),
        ("SectionNotFound", 14), ("SettingsSyntax", 13), ("EnvironmentNotFound", 0),
    ]  # fmt: skip


def test_fixes_name_the_nearest(tmp_path):
    """A slip of the pen is answered with the word that was meant."""
    findings = Findings()
    start = toml(tmp_path, "[sorces.x]\na = 1\n[run]\nthreds = 2\n[env.prod.run]\nthreads = 1\n")
    read(start, env="prd", flags=["snks.t.path=1", "run.thread=1"], environ={}, findings=findings)

    assert [found.fix for found in findings.items] == [
        "write sources", "write threads", "write prod", "write it as sinks.NAME.OPTION",
        "write threads",
    ]  # fmt: skip


def test_variable_of_another_environment_need_not_be_set(tmp_path):
    """Who runs dev has none of prod's variables; its names are checked all the same."""
    start = toml(
        tmp_path,
        '[env.prod.sources.x]\npath = "${ONLY_IN_PROD}"\n[env.prod.run]\nthreads = "${N_PROD}"\n'
        "[env.dev.run]\nthreads = 1\n",
    )

    assert settings_of(start, env="dev").unused[0].sources["x"].keys() == {"path"}
    assert [code for code, _, _ in findings_of(start, env="prod")] == ["VariableMissing"] * 2


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[run\n", 1, 5),
        ("[run]\nthreads = \n", 2, 11),
        ("[sources.x]\npath = data/*.csv\n", 2, 8),
        ("[run]\n\n[run]\n", 3, 5),
        # The end of the text: no column, and the last line that has anything.
        ("x = [1,\n2\n\n", 2, 0),
    ],
)
def test_file_that_is_no_toml_is_a_finding_at_its_line(tmp_path, text, line, column):
    """As a place, where editors and the caret look for it; not as words in a sentence."""
    findings = Findings()
    read(toml(tmp_path, text), environ={}, findings=findings)

    (found,) = findings.items
    assert found.code == "SettingsSyntax"
    assert (found.where.file, found.where.line) == (str(tmp_path / "mainstem.toml"), line)
    assert found.where.column == column
    assert "(at " not in found.what


def test_file_that_is_no_text_is_a_finding(tmp_path):
    """With what to do, and not only where the documentation is."""
    (tmp_path / "mainstem.toml").write_bytes(b"[run]\n# caf\xe9\n")
    findings = Findings()
    read(tmp_path / "pipeline.py", environ={}, findings=findings)

    (found,) = findings.items
    assert (found.code, found.fix) == ("SettingsSyntax", "save it as UTF-8")


def test_mark_before_the_first_letter_is_no_mistake(tmp_path):
    """Editors of Windows put one there."""
    found = settings_of(toml(tmp_path, "\ufeff[run]\nthreads = 3\n"))

    assert found.run()["threads"].value == 3


@pytest.mark.parametrize("flag", ["sources.x.path", "sources.x=1", "run=1", "sources..path=1"])
def test_flag_of_another_shape_is_refused(flag):
    """A flag that sets nothing must not pass silently."""
    ((code, _, _),) = findings_of(None, flags=[flag])

    assert code in ("SettingSyntax", "SectionNotFound")


def test_variable_of_another_shape_is_refused():
    """MAINSTEM__… is ours alone: one that means nothing is a mistake."""
    ((code, _, what),) = findings_of(None, environ={"MAINSTEM__SOURCES__X": "1"})

    assert (code, what.partition(" ")[0]) == ("SectionNotFound", "MAINSTEM__SOURCES__X")


def test_glob_in_a_flag_is_text():
    """`[ab]*.csv` looks like a list and is none."""
    found = settings_of(None, flags=["sources.x.path=[ab]*.csv", 'sources.y.path=["a", "b"]'])

    assert found.layers[-1].sources["x"]["path"].value == "[ab]*.csv"
    assert found.layers[-1].sources["y"]["path"].value == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"), ("${A}", "1"), ("x${A}y${B}", "x1y"), ("${B:-d}", "d"),
        ("${C:-a b}", "a b"), ("${C:-}", ""), ("$${A}", "${A}"), ("$A costs $5", "$A costs $5"),
    ],
)  # fmt: skip
def test_variables_are_filled_in_as_in_a_shell(text, value):
    """A is 1, B is set to nothing, C is not set."""
    assert expanded(text, {"A": "1", "B": ""}) == value


@pytest.mark.parametrize("text", ["${C}", "${", "${A", "${1x}", "${A-d}"])
def test_variable_that_cannot_be_filled_in_is_refused(text):
    """Passing the text on would give a file named `${C}`."""
    with pytest.raises(SettingsError):
        expanded(text, {"A": "1"})
