"""The compiled reader: where it is kept, when it is used, and what is done without it."""

import shutil

import pytest

from mainstem.engines.embedded.native import build as native
from mainstem.engines.embedded.stream.readers.kafka import build
from mainstem.errors import OutsideError, SettingsError

# A machine without a compiler builds nothing, and there is nothing to test but that.
HAS_COMPILER = bool(native.compiler())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv(native.FOLDER, str(tmp_path / "built"))
    monkeypatch.delenv(native.CHOICE, raising=False)
    return tmp_path / "built"


def test_without_a_compiler_it_is_an_error_and_reading_is_in_python(monkeypatch, tmp_path, folder):
    """An installation without one is whole."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(SettingsError) as refused:
        build.build()
    assert refused.value.finding.code == "CompilerMissing"
    assert not folder.exists()
    assert build.library() is None
    assert build.state().startswith("python")


def test_what_is_built_is_found_until_something_changes(monkeypatch, tmp_path):
    """Another source, librdkafka or platform has another name."""
    assert build.library() is None
    if HAS_COMPILER:
        assert build.build() == native.built(build.unit())
        assert build.library() is not None
        assert build.state().startswith("compiled")
        monkeypatch.setenv(native.CHOICE, "no")
        assert build.library() is None
        monkeypatch.delenv(native.CHOICE)
    before = native.built(build.unit())
    other = tmp_path / "other.c"
    shutil.copy(build.SOURCE, other)
    monkeypatch.setattr(build, "SOURCE", other)
    assert native.built(build.unit()) == before
    other.write_text(other.read_text() + "\n")
    assert native.built(build.unit()) != before
    assert build.library() is None


def test_a_build_that_cannot_be_loaded_is_told_and_not_used(folder, caplog):
    """Such as one of another machine in a home folder that both use."""
    folder.mkdir()
    native.built(build.unit()).write_bytes(b"no library")
    assert build.library() is None
    assert "cannot be used" in caplog.text


@pytest.mark.parametrize(
    "text", ["int kr_size(int of) { return of", "int kr_size(int of) { return of; }"]
)
def test_what_does_not_compile_or_does_not_read_right_is_never_kept(
    monkeypatch, tmp_path, folder, text
):
    """The self-test runs in a process of its own, which may crash."""
    wrong = tmp_path / "wrong.c"
    wrong.write_text(text)
    monkeypatch.setattr(build, "SOURCE", wrong)
    with pytest.raises((OutsideError, SettingsError)) as refused:
        build.build()
    assert refused.value.finding.code == ("BuildFailed" if HAS_COMPILER else "CompilerMissing")
    assert not native.built(build.unit()).exists()
    assert build.library() is None


def test_a_reader_that_mixes_records_up_fails_its_test(monkeypatch, tmp_path):
    """What is compared is every record: value, key, headers, offset and time."""
    wrong = tmp_path / "wrong.c"
    text = build.SOURCE.read_text()
    broken = text.replace("b->offset[b->rows] = m->offset;", "b->offset[b->rows] = m->offset + 1;")
    assert broken != text
    wrong.write_text(broken)
    monkeypatch.setattr(build, "SOURCE", wrong)
    with pytest.raises((OutsideError, SettingsError)) as refused:
        build.build()
    assert "record 0 of" in str(refused.value) or not HAS_COMPILER
