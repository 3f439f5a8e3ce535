"""A secret's value is in nothing that a pipeline gives out: plan, origins, errors, logs, prints."""

import io
import json
import logging
import pickle

import pytest

import mainstem as ms
from mainstem.connectors.spec import wrong_options
from mainstem.definition.binding import Row, binding_rows
from mainstem.definition.fingerprint import fingerprints, plan_fingerprint
from mainstem.definition.resolve import resolve
from mainstem.errors import CheckFailed
from mainstem.settings.log import JsonFormatter, TextFormatter
from mainstem.settings.secret import Secret

CANARIES = {"env": "canary-from-env-91", "file": "canary-from-file-92", "command": "canary-cmd-93"}


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    """One secret of each kind, resolved, as in the midst of a run."""
    monkeypatch.setenv("CANARY_HERE", CANARIES["env"])
    (tmp_path / "canary").write_text(CANARIES["file"])
    found = {
        "env": Secret(env="CANARY_HERE"),
        "file": Secret(file=str(tmp_path / "canary")),
        "command": Secret(command=["printf", CANARIES["command"]]),
    }
    assert {kind: secret.resolve() for kind, secret in found.items()} == CANARIES
    return found


def with_secrets(secrets):
    """A plan whose source has every secret among its options, one of them nested."""
    import dataclasses

    p = ms.Pipeline("p")
    p.source("s", ms.files("s.csv"), schema="id bigint")
    p.table("t", "SELECT id FROM s")
    plan = p.plan(environ={})
    nested = {"key": secrets["file"], "list": [secrets["command"]]}
    values = {"password": secrets["env"], "security": nested}
    binding = plan.sources[0].binding.overridden(values, "mainstem.toml:3")
    source = dataclasses.replace(plan.sources[0], binding=binding)
    return dataclasses.replace(plan, sources=(source,))


def test_no_output_of_a_plan_holds_a_canary(secrets):
    """Printed, as JSON, pickled, in fingerprints, origins and in the words of an error."""
    plan = with_secrets(secrets)
    binding = plan.sources[0].binding
    outputs = {
        "repr": repr(plan), "str": str(plan), "json": json.dumps(binding.as_dict(), default=str),
        "pickle": pickle.dumps(plan.sources[0].binding).decode("latin-1"),
        "origins": repr(binding.origins), "fingerprints": repr(fingerprints(plan)),
        "fingerprint": plan_fingerprint(plan), "copy": repr(binding.overridden({"a": 1}, "x")),
        "errors": repr(said_about(binding)),
    }  # fmt: skip

    assert "***" in outputs["repr"]
    assert "***" in outputs["json"]
    leaks = [
        (name, kind) for name, text in outputs.items()
        for kind, canary in CANARIES.items() if canary in text
    ]  # fmt: skip
    assert leaks == []


def said_about(binding):
    """Every word that is said about options that do not exist."""
    from mainstem.connectors.files.options import FilesSource

    found = wrong_options(FilesSource, binding)
    assert {one.code for one in found} == {"OptionNotFound"}
    return [one.text() + json.dumps(one.to_dict()) for one in found]


def test_no_log_holds_a_canary(secrets):
    """Not even where somebody logs the resolved value itself, whatever the format."""
    for formatter in (TextFormatter(), JsonFormatter()):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        log = logging.Logger("mainstem.canary")  # noqa: LOG001  (not to be found by anybody else)
        log.addHandler(handler)
        for kind, canary in CANARIES.items():
            facts = {"url": f"db://u:{canary}@h", kind: secrets}
            log.warning("connecting with %s", canary, extra=facts)
        text = stream.getvalue()

        assert text.count("connecting with ***") == 3
        assert not any(canary in text for canary in CANARIES.values())


def test_settings_with_secrets_show_references_only(tmp_path, secrets):
    """What is wrong with a secret in mainstem.toml is told without it."""
    (tmp_path / "p.py").write_text("")
    (tmp_path / "mainstem.toml").write_text('[sources.s]\nmember = { env = "CANARY_HERE" }\n')
    p = ms.Pipeline("p", where=ms.errors.Place(str(tmp_path / "p.py"), 1))
    p.source("s", ms.files("s.csv"), schema="id bigint")
    p.table("t", "SELECT id FROM s")

    resolved = resolve(p, environ={"CANARY_HERE": CANARIES["env"]})
    with pytest.raises(CheckFailed) as caught:
        resolved.raise_errors()
    shown = str(caught.value) + repr(resolved) + repr(resolved.settings)
    assert CANARIES["env"] not in shown
    assert "'member' of files is no secret" in shown


def test_config_shows_where_a_secret_comes_from():
    """Kind and name of the reference help to put it right; of a command only the program."""
    row = Row("sources.s", "password", f"{Secret(env='PW')} ({Secret(env='PW').shown()})", "x")

    assert row.to_dict()["value"] == "*** (env 'PW')"
    assert Secret(command="vault read canary-path").shown() == "command 'vault'"
    assert binding_rows("sources", "s", ms.files("a.csv"))[0].option == "type"
