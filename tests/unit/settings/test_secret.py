"""A secret is a reference: whatever is done with it, its value is seen nowhere."""

import copy
import json
import pickle
import sys

import pytest

from mainstem.errors import SettingsError
from mainstem.plan.nodes import Binding, fingerprint
from mainstem.settings.secret import Secret, from_table, masked, remember

CANARY = "canary-7f3a-secret-value"


def test_secret_shows_stars_however_it_is_printed(monkeypatch):
    """As repr, str, format, f-string, JSON by str and in containers, after resolving too."""
    monkeypatch.setenv("CANARY_VARIABLE", CANARY)
    secret = Secret(env="CANARY_VARIABLE")

    assert secret.resolve() == CANARY
    shown = [
        repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", f"{secret:>9}",
        repr([secret]), repr({"password": secret}), json.dumps({"p": secret}, default=str),
    ]  # fmt: skip
    assert all("***" in text for text in shown)
    assert not any(CANARY in text or "CANARY_VARIABLE" in text for text in shown)


def test_pickle_of_a_secret_holds_neither_value_nor_reference():
    """A pickle travels to places that we do not see; what comes out is the mask."""
    data = pickle.dumps(Secret(command=f"echo {CANARY}"))

    assert CANARY.encode() not in data
    assert pickle.loads(data) == "***"
    assert str(copy.deepcopy(Secret(env="X"))) == "***"


def test_json_refuses_a_secret_rather_than_guess():
    """Without a default, JSON has no form for it."""
    with pytest.raises(TypeError, match="Secret is not JSON serializable"):
        json.dumps(Secret(env="X"))


def test_fingerprint_does_not_change_with_the_reference():
    """Rotating a secret is no change of the pipeline, and its reference is not to be guessed at."""
    bindings = [Binding.of("db", password=Secret(env=name)) for name in ("A", "B")]

    prints = {fingerprint([b.type, b.options]) for b in bindings}
    assert len(prints) == 1
    assert bindings[0] != bindings[1]


def test_file_gives_its_content_without_one_line_end(tmp_path):
    """Mounted secrets end in a newline that nobody typed; a second one belongs to the value."""
    (tmp_path / "one").write_bytes(b"value\n")
    (tmp_path / "two").write_bytes(b"value\n\n")
    (tmp_path / "windows").write_bytes(b"value\r\n")

    assert Secret(file="one").resolve(base=tmp_path) == "value"
    assert Secret(file="two").resolve(base=tmp_path) == "value\n"
    assert Secret(file=str(tmp_path / "windows")).resolve() == "value"


def test_command_gives_its_output():
    """A program's output, started without a shell."""
    program = [sys.executable, "-c", "print('from a program $HOME')"]

    assert Secret(command=program).resolve() == "from a program $HOME"


@pytest.mark.parametrize(
    ("secret", "names"),
    [
        (Secret(env="NO_SUCH_VARIABLE_HERE"), "'NO_SUCH_VARIABLE_HERE' is not set"),
        (Secret(file="no/such/file"), "'no/such/file' cannot be read"),
        (Secret(command="no-such-program-here --x"), "'no-such-program-here' cannot be started"),
    ],
)
def test_missing_secret_is_named_by_its_reference(secret, names):
    """The reference is what the user can put right."""
    with pytest.raises(SettingsError, match=names) as caught:
        secret.resolve()

    assert caught.value.finding.code == "SecretMissing"


def test_failing_command_shows_nothing_that_it_printed(tmp_path):
    """A program may have printed the secret before it failed; its arguments may hold one too."""
    program = [sys.executable, "-c", f"import sys; print('{CANARY}'); sys.exit(3)"]

    with pytest.raises(SettingsError) as caught:
        Secret(command=program).resolve()
    assert "ended with 3" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_undecodable_file_does_not_show_its_bytes(tmp_path):
    """UnicodeDecodeError carries the whole content; it must not be chained."""
    (tmp_path / "binary").write_bytes(CANARY.encode() + b"\xff")

    with pytest.raises(SettingsError) as caught:
        Secret(file="binary").resolve(base=tmp_path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert CANARY not in str(caught.value)


def test_empty_secret_is_missing():
    """A variable that is set to nothing is a mistake found late otherwise."""
    with pytest.raises(SettingsError, match="is empty"):
        Secret(env="E").resolve(environ={"E": ""})


@pytest.mark.parametrize("given", [{}, {"env": "A", "file": "b"}])
def test_secret_names_exactly_one_place(given):
    """None or two would leave open which one counts."""
    with pytest.raises(SettingsError, match="one of env, file, command"):
        Secret(**given)


def test_table_of_other_keys_is_no_secret():
    """A table that merely has an `env` among its keys is left as it is."""
    assert from_table({"env": "A", "region": "eu"}) is None
    assert from_table({}) is None
    assert from_table({"env": "A"}) == Secret(env="A")


def test_table_with_a_number_is_refused():
    """`{env = 3}` is a slip of the pen, not a name."""
    with pytest.raises(SettingsError, match="env is text"):
        from_table({"env": 3})


def test_masked_hides_the_longer_of_two_overlapping_secrets():
    """A secret that begins with another one must not be cut and its rest shown."""
    remember("overlap-abcd")
    remember("overlap-abcd-and-more")

    assert masked("x overlap-abcd-and-more y overlap-abcd z") == "x *** y *** z"


def test_masked_leaves_short_values_alone():
    """A secret of two letters would blacken every word of a log."""
    remember("of")

    assert masked("out of memory") == "out of memory"


def test_masked_finds_the_value_in_other_spellings():
    """A repr in an exception, JSON, a URL: each writes some letters in another way."""
    value = 'pa"ss\\wörd/x y'
    remember(value)

    for text in (repr(value), json.dumps(value), "http://u:pa%22ss%5Cw%C3%B6rd%2Fx%20y@host"):
        assert "ss" not in masked(text)
