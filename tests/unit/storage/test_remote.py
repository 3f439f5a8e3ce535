"""Outputs on other machines, over a place that is a folder here and does what it is told."""

from pathlib import Path

import pytest

import mainstem.filesystems as places
from mainstem.errors import OutsideError, StateError
from mainstem.filesystems.hdfs import HdfsFiles
from mainstem.filesystems.local import LocalFiles
from mainstem.storage.commit import commit_target, is_waiting, send_target, undo_target
from mainstem.storage.local import points
from mainstem.storage.local.durable import sha256
from mainstem.storage.local.manifest import Manifest, WrittenFile, write_manifest
from mainstem.storage.local.record import Target
from mainstem.storage.remote.verify import verify_there

FAR = "hdfs://far:1"


class Far(LocalFiles):
    """Another machine: its root is a folder of this one, and of what is sent some may be lost."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lost = 0

    def _here(self, path: str) -> str:
        return f"{self.root}{path.removeprefix(FAR)}"

    def find(self, path):
        return [
            f"{FAR}{one.removeprefix(str(self.root))}" for one in super().find(self._here(path))
        ]

    def status(self, path):
        return super().status(self._here(path))

    def open(self, path):
        return super().open(self._here(path))

    def put(self, source, target):
        here = Path(self._here(target))
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(source.read_bytes()[self.lost :])

    def move(self, source, target):
        super().move(self._here(source), self._here(target))

    def remove(self, path):
        super().remove(self._here(path))

    def make_folder(self, path):
        super().make_folder(self._here(path))


@pytest.fixture
def far(tmp_path, monkeypatch):
    """The place behind the addresses of a test."""
    found = Far(tmp_path / "far")
    found.root.mkdir()
    monkeypatch.setattr(places, "_opened", lambda _scheme, _authority: found)
    return found


def staged(base: Path, kind: str, run: str, text: str) -> Target:
    """An output that waits here, of a run."""
    place = base / "staging" / run / "0"
    place.parent.mkdir(parents=True)
    if kind == "file":
        place.write_text(text)
        return Target("file", "t", f"{FAR}/out/t.csv", str(place), sha256=sha256(place))
    (place / "k=1").mkdir(parents=True)
    (place / "k=1" / f"part-{run}-0.csv").write_text(text)
    part = WrittenFile(f"k=1/part-{run}-0.csv", 1, len(text), sha256(next(place.rglob("*.csv"))))
    write_manifest(place, Manifest("p", "t", run, "token", "id bigint", ("k",), (part,), 1))
    return Target("folder", "t", f"{FAR}/out/t", str(place))


def found(far: Far) -> dict[str, str]:
    """What a reader of the place finds, by name; the manifest left out."""
    files = sorted(path for path in far.root.rglob("*") if path.is_file())
    return {
        path.relative_to(far.root).as_posix(): path.read_text()
        for path in files if path.name != "manifest"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"), [("file", "out/t.csv"), ("folder", "out/t/k=1/part-{}-0.csv")]
)
def test_an_output_is_sent_and_gets_its_place(far, tmp_path, kind, name):
    """The second one takes the place of the first; doing it again changes nothing."""
    for run, text in (("one", "1\n"), ("two", "22\n")):
        target = staged(tmp_path, kind, run, text)
        before = found(far)
        send_target(target)
        assert is_waiting(target)
        assert {n: t for n, t in found(far).items() if ".mainstem-" not in n} == before
        for _ in range(2):
            commit_target(target, run)
            assert found(far) == {name.format(run): text}
            assert not is_waiting(target)
    assert [path.name for path in (far.root / "out").iterdir()] == [Path(target.path).name]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_output_is_undone(far, tmp_path, kind):
    """Also when nothing of it was sent: the old one stays, and nothing else."""
    first = staged(tmp_path, kind, "one", "1\n")
    send_target(first)
    commit_target(first, "one")
    before = found(far)
    second = staged(tmp_path, kind, "two", "2\n")
    undo_target(second)
    third = staged(tmp_path, kind, "three", "3\n")
    send_target(third)
    undo_target(third)
    assert found(far) == before
    assert not list(tmp_path.rglob("staging/t*/0"))


def test_a_kill_between_the_renames_is_finished(far, tmp_path, monkeypatch):
    """The folder is absent until then, and what was there is removed at the end."""
    first, second = (staged(tmp_path, "folder", run, run) for run in ("one", "two"))
    send_target(first)
    commit_target(first, "one")
    send_target(second)

    def die(point: str) -> None:
        if point == points.BETWEEN_RENAMES:
            raise KeyboardInterrupt

    monkeypatch.setattr(points, "listeners", [die])
    with pytest.raises(KeyboardInterrupt):
        commit_target(second, "two")
    assert not (far.root / "out" / "t").exists()
    monkeypatch.setattr(points, "listeners", [])
    commit_target(second, "two")
    assert found(far) == {"out/t/k=1/part-two-0.csv": "two"}


def test_what_does_not_arrive_whole_is_not_committed(far, tmp_path):
    """Both sizes are named."""
    target = staged(tmp_path, "file", "one", "12345")
    far.lost = 2
    with pytest.raises(OutsideError, match="has 3 bytes after 5 were sent") as error:
        send_target(target)
    assert error.value.finding.code == "SentShort"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_somebody_removed_is_not_taken_for_done(far, tmp_path, kind):
    """Neither where nothing stands, nor where the output of an older run does."""
    gone = staged(tmp_path, kind, "two", "2\n")
    with pytest.raises(StateError) as error:
        commit_target(gone, "two")
    assert error.value.finding.code == "StagedOutputLost"
    older = staged(tmp_path, kind, "one", "1\n")
    send_target(older)
    commit_target(older, "one")
    with pytest.raises(StateError):
        commit_target(gone, "two")


def test_files_are_compared_with_their_manifest(far, tmp_path):
    """Missing, of another size, and not listed; of a single file only that one is looked at."""
    target = staged(tmp_path, "folder", "one", "1\n")
    send_target(target)
    commit_target(target, "one")
    folder, (part,) = target.path, far.find(target.path)
    (far.root / "other.csv").write_text("1")
    verify_there([part, f"{FAR}/other.csv"], [folder])

    for change, said in (
        (lambda here: here.write_text("1"), "has 1 bytes, the manifest says 2"),
        (lambda here: here.unlink(), "is not there"),
    ):
        change(Path(far._here(part)))
        with pytest.raises(OutsideError, match=said) as error:
            verify_there([part], [folder])
        assert error.value.finding.code == "ManifestMismatch"
    Path(far._here(part)).write_text("1\n")
    (far.root / "out/t/k=1/more.csv").write_text("x")
    with pytest.raises(OutsideError, match=r"does not name: k=1/more.csv"):
        verify_there([part, f"{folder}/k=1/more.csv"], [])


class Client:
    """An HDFS that fails as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.files: dict[str, list[bytes]] = {}

    def create(self, name):
        self.files[name] = []
        return self.Writer(self, name)

    class Writer:
        """A file that is being written."""

        def __init__(self, client, name) -> None:
            self.client, self.name = client, name

        def write(self, piece) -> None:
            if self.client.failures:
                raise self.client.failures.pop(0)
            self.client.files[self.name].append(piece)

        def close(self) -> None:
            pass

    def rename(self, source, target, *, overwrite) -> None:
        assert overwrite
        self.files[target] = self.files.pop(source)

    def delete(self, name) -> None:
        del self.files[name]


def writing_to(monkeypatch, tmp_path, *failures: Exception):
    """A place with a client of its own, and a file to put there."""
    (tmp_path / "source").write_bytes(b"content")
    files, pauses = HdfsFiles("h:1"), []
    monkeypatch.setitem(files.__dict__, "client", Client(*failures))
    monkeypatch.setattr("time.sleep", pauses.append)
    return files, pauses


def test_a_write_is_tried_again_until_the_lost_datanode_is_known(tmp_path, monkeypatch):
    """Under a new name each time, and nothing of the failed ones is left."""
    lost = RuntimeError('OperationFailed("No new datanode found in updated block locations")')
    files, pauses = writing_to(monkeypatch, tmp_path, lost, OSError(111, "Connection refused"))
    files.put(tmp_path / "source", "hdfs://h:1/out/a")
    assert files.client.files == {"/out/a": [b"content"]}
    assert pauses == [1.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("security.AccessControlException", "HdfsRights"),
        ("X.DSQuotaExceededException", "HdfsQuota"),
    ],
)
def test_what_stays_refused_is_not_tried_again(tmp_path, monkeypatch, kind, code):
    """It is said at once."""
    files, pauses = writing_to(
        monkeypatch, tmp_path, RuntimeError(f'RPCError("{kind}", "no\\n\\tat x")')
    )
    with pytest.raises(OutsideError) as error:
        files.put(tmp_path / "source", "hdfs://h:1/out/a")
    assert (error.value.finding.code, pauses, files.client.files) == (code, [], {})


def test_patience_ends(tmp_path, monkeypatch):
    """With what was said last."""
    files, pauses = writing_to(monkeypatch, tmp_path, *[OSError(111, "Connection refused")] * 500)
    clock = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    with pytest.raises(OutsideError, match="Connection refused") as error:
        files.put(tmp_path / "source", "hdfs://h:1/out/a")
    assert error.value.finding.code == "HdfsFailed"
    assert len(pauses) == 90
