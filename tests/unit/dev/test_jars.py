"""Jars: from Maven's own folder, through Maven, over HTTP from a repository; always the locked ones."""

import functools
import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from mainstem.dev import jars, maven
from mainstem.dev.artifacts import Artifact, lock_key, read_lock
from mainstem.errors import OutsideError, SettingsError

CONTENT = {"one": b"first jar", "two": b"second jar" * 1000}


def artifact(name: str, version: str = "1.0") -> Artifact:
    """A jar that the repository has."""
    data = CONTENT[name]
    return Artifact("org.example.jars", name, version, hashlib.sha256(data).hexdigest(), len(data))


BOTH = (artifact("one"), artifact("two"))


class Handler(http.server.SimpleHTTPRequestHandler):
    """A repository that counts, and that may cut connections."""

    asked: list[str]
    cuts: int

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self.asked.append(self.path)
        if type(self).cuts:
            type(self).cuts -= 1
            self.send_response(200)
            self.send_header("Content-Length", "500")
            self.end_headers()
            self.wfile.write(b"first")
            return
        super().do_GET()


@pytest.fixture
def repository(place, tmp_path, monkeypatch):
    """A repository on the loopback address, and no Maven."""
    root = tmp_path / "repository"
    for one in BOTH:
        file = root / one.path
        file.parent.mkdir(parents=True)
        file.write_bytes(CONTENT[one.name])
    kind = type("Counting", (Handler,), {"asked": [], "cuts": 0})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(kind, directory=str(root))
    ) as server:
        server.kind, server.root = kind, root
        server.address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv(maven.REPOSITORY, server.address)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path):
    """Where the jars go."""
    made = tmp_path / "jars"
    made.mkdir()
    return made


def held(folder: Path) -> dict[str, bytes]:
    """What is in a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


WHOLE = {"one-1.0.jar": CONTENT["one"], "two-1.0.jar": CONTENT["two"]}


def test_jars_come_from_the_repository(repository, folder):
    """Under the path that Maven's repositories have."""
    jars.fetch(BOTH, folder)

    assert held(folder) == WHOLE
    assert sorted(repository.kind.asked) == [
        "/org/example/jars/one/1.0/one-1.0.jar",
        "/org/example/jars/two/1.0/two-1.0.jar",
    ]


def test_another_file_is_refused(repository, folder):
    """Both checksums are told; one changed byte is enough."""
    (repository.root / BOTH[0].path).write_bytes(b"First jar")

    with pytest.raises(OutsideError) as caught:
        jars.fetch(BOTH, folder)

    assert caught.value.finding.code == "ChecksumWrong"
    assert BOTH[0].sha256 in caught.value.finding.what
    assert hashlib.sha256(b"First jar").hexdigest() in caught.value.finding.what


def test_a_jar_that_is_not_there_is_named(repository, folder):
    """The repository has answered: it is asked once."""
    missing = Artifact("org.example", "three", "2", "0" * 64, 1)

    with pytest.raises(
        OutsideError, match=r"org\.example:three:2 cannot be fetched .* 404"
    ) as caught:
        jars.fetch([missing], folder)

    assert caught.value.finding.code == "DownloadFailed"
    assert len(repository.kind.asked) == 1


def test_a_connection_that_breaks_is_tried_again(repository, folder):
    """Cut twice in the middle of a file; the third answer is whole."""
    repository.kind.cuts = 2

    jars.fetch(BOTH[:1], folder)

    assert held(folder) == {"one-1.0.jar": CONTENT["one"]}


def test_a_connection_that_always_breaks_is_told(repository, folder):
    """After three times."""
    repository.kind.cuts = 99

    with pytest.raises(OutsideError, match=r"one:1\.0 cannot be fetched"):
        jars.fetch(BOTH[:1], folder)

    assert len(repository.kind.asked) == 3


def test_what_maven_has_is_copied_when_it_is_the_locked_file(repository, folder, tmp_path):
    """A file of the same length with other bytes is fetched anew."""
    kept = maven.local_repository()
    assert kept == tmp_path / "home" / ".m2" / "repository"
    for one, data in zip(BOTH, (CONTENT["one"], b"damaged..." * 1000), strict=True):
        file = kept / one.path
        file.parent.mkdir(parents=True)
        file.write_bytes(data)

    jars.fetch(BOTH, folder)

    assert held(folder) == WHOLE
    assert repository.kind.asked == ["/org/example/jars/two/1.0/two-1.0.jar"]


SETTINGS = """<?xml version="1.0"?>
<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0">
  <localRepository>{local}</localRepository>
  <mirrors>
    <mirror><id>a</id><mirrorOf>snapshots</mirrorOf><url>http://127.0.0.1:1/no</url></mirror>
    <mirror><id>b</id><mirrorOf>*,!central</mirrorOf><url>http://127.0.0.1:1/no</url></mirror>
    <mirror><id>c</id><mirrorOf>{of}</mirrorOf><url>{url}/</url></mirror>
  </mirrors>
</settings>
"""


@pytest.mark.parametrize("of", ["central", "*", "external:*", "central, snapshots", "*,!internal"])
def test_mirrors_of_mavens_settings_hold(repository, folder, monkeypatch, tmp_path, of):
    """Those that stand for the public repository."""
    monkeypatch.delenv(maven.REPOSITORY)
    monkeypatch.setattr(maven.shutil, "which", lambda _: None)
    file = maven.settings_file()
    file.parent.mkdir()
    file.write_text(SETTINGS.format(local=tmp_path / "kept", of=of, url=repository.address))

    assert maven.repository() == repository.address
    assert maven.local_repository() == tmp_path / "kept"
    jars.fetch(BOTH, folder)
    assert held(folder) == WHOLE


def test_without_settings_it_is_the_public_repository(place, monkeypatch):
    """Which a variable replaces; settings that cannot be read are told."""
    monkeypatch.delenv(maven.REPOSITORY, raising=False)
    assert maven.repository() == maven.PUBLIC_REPOSITORY
    monkeypatch.setenv(maven.REPOSITORY, "http://other/")
    assert maven.repository() == "http://other"
    monkeypatch.delenv(maven.REPOSITORY)
    maven.settings_file().parent.mkdir()
    maven.settings_file().write_text("<settings>")
    with pytest.raises(SettingsError, match="cannot be read"):
        maven.repository()


# It reads the project file, and copies what that asks for out of a folder.
MVN = """#!/usr/bin/env python3
import pathlib, re, shutil, sys
arguments = dict(part[2:].split("=", 1) for part in sys.argv if part.startswith("-D"))
pom = pathlib.Path(sys.argv[sys.argv.index("-f") + 1]).read_text()
if "dependency:copy-dependencies" not in sys.argv or "<groupId>*</groupId>" not in pom:
    sys.exit("[ERROR] called wrongly")
for name in re.findall("<groupId>org.example.jars</groupId><artifactId>(.*?)</artifactId>", pom):
    found = next(pathlib.Path("REPOSITORY").rglob(name + "-1.0.jar"), None)
    if not found:
        print("[INFO] noise")
        print("[ERROR] Could not find artifact " + name)
        sys.exit(1)
    shutil.copy(found, arguments["outputDirectory"])
"""


@pytest.fixture
def mvn(repository, tmp_path, monkeypatch):
    """A Maven on PATH, and no variable that names a repository."""
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(MVN.replace("REPOSITORY", str(repository.root)))
    program.chmod(0o755)
    monkeypatch.setattr(maven.shutil, "which", lambda name: str(program) if name == "mvn" else None)
    monkeypatch.delenv(maven.REPOSITORY)
    return program


def test_maven_is_asked_when_it_is_there(mvn, repository, folder):
    """For exactly the jars of the lock, without what they depend on; its files are checked too."""
    jars.fetch(BOTH, folder)

    assert held(folder) == WHOLE
    assert repository.kind.asked == []
    (repository.root / BOTH[0].path).write_bytes(b"other")
    with pytest.raises(OutsideError, match=r"one:1\.0 from Maven is another file"):
        jars.fetch(BOTH, folder)


def test_mavens_own_words_are_told(mvn, repository, folder):
    """Without its noise, and with the way around it."""
    (repository.root / BOTH[1].path).unlink()

    with pytest.raises(OutsideError) as caught:
        jars.fetch(BOTH, folder)

    assert caught.value.finding.code == "DownloadFailed"
    assert caught.value.finding.what.endswith("[ERROR] Could not find artifact two")
    assert maven.REPOSITORY in caught.value.finding.fix


def test_a_repository_that_is_named_goes_before_maven(mvn, repository, folder, monkeypatch):
    """Who names one, means it."""
    monkeypatch.setenv(maven.REPOSITORY, repository.address)

    jars.fetch(BOTH, folder)

    assert len(repository.kind.asked) == 2


def test_passwords_in_addresses_are_not_told(folder, place, monkeypatch):
    """Nor is anything but HTTP followed."""
    monkeypatch.setenv(maven.REPOSITORY, "http://me:secret@127.0.0.1:1/x")
    with pytest.raises(OutsideError) as caught:
        jars.fetch(BOTH, folder)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv(maven.REPOSITORY, "file:///etc")
    with pytest.raises(SettingsError, match="not the address of a repository"):
        jars.fetch(BOTH, folder)


def test_lock_is_read_and_named_by_what_it_holds(tmp_path):
    """Comments and order do not count; a checksum does."""
    lines = [f"{one.sha256} {one.size_bytes:>9} {one}" for one in BOTH]
    (tmp_path / "a.lock").write_text("# people\n" + "\n".join(lines) + "\n")
    (tmp_path / "b.lock").write_text("\n".join(reversed(lines)) + "\n")
    (tmp_path / "c.lock").write_text(lines[0] + "\n" + lines[1].replace(BOTH[1].sha256, "0" * 64))
    a, b, c = (read_lock(tmp_path / f"{name}.lock") for name in "abc")

    assert a == BOTH
    assert lock_key(a) == lock_key(b) != lock_key(c)
