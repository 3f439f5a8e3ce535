"""What needs no server: names, globs, and what HDFS says in its own words."""

import glob

import pytest

from mainstem.errors import UnsupportedError
from mainstem.filesystems import file_system, is_address, is_known, normal
from mainstem.filesystems.hdfs import HdfsFiles, _fits
from mainstem.filesystems.local import LOCAL

NAMES = [
    "a.csv", "b.txt", ".hidden.csv", "_under.csv", "x/a.csv", "x/.h/a.csv", "x/y/a.csv", "x/y/z/b.csv",
    ".d/a.csv", "[a].csv", "x/y.csv/c.csv",
]  # fmt: skip
PATTERNS = [
    "*", "*.csv", "**", "**/*.csv", "**/a.csv", "x/**", "x/**/*.csv", "*/a.csv", "?.csv", "[ab].*",
    ".*", ".d/*", "**/y/**/*.csv", "[[]a].csv", "x/*/a.csv", "**/.h/*", "_*", "nope/*",
]  # fmt: skip


@pytest.mark.parametrize("wanted", PATTERNS)
def test_globs_are_those_of_this_machine(tmp_path, wanted):
    """The same files as `glob.glob` finds, sign by sign."""
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    here = glob.glob(wanted, root_dir=tmp_path, recursive=True)  # noqa: PTH207 - the one to compare with

    expected = sorted(name for name in here if (tmp_path / name).is_file())
    assert sorted(n for n in NAMES if _fits(n.split("/"), wanted.split("/"))) == expected


def test_addresses_have_one_spelling():
    """A file under two names would be read twice."""
    assert normal("hdfs://h:1/a//b/./c/../d/") == "hdfs://h:1/a/b/d"
    assert normal("hdfs://h:1") == normal("hdfs://h:1/") == "hdfs://h:1/"
    assert normal("hdfs://h:1/../a") == "hdfs://h:1/a"


def test_file_systems_are_told_by_their_scheme():
    """One for each place, the same each time; others are refused by name."""
    assert file_system("a/b.csv") is LOCAL
    assert file_system("hdfs://h:1/a") is file_system("hdfs://h:1/b")
    assert file_system("hdfs://h:1/a") is not file_system("hdfs://h:2/a")
    assert is_address("s3://b/a")
    assert not is_known("s3://b/a")
    with pytest.raises(UnsupportedError, match="local paths and hdfs://") as error:
        file_system("s3://b/a")
    assert error.value.finding.code == "PathNotLocal"


# As hdfs-native gives them, with the beginning of what Java adds.
SAID = {
    'RPCError("org.apache.hadoop.security.AccessControlException", "Permission denied: user=alice, '
    'access=WRITE, inode=\\"/f1\\":root:supergroup:drwxr-xr-x\\n\\tat org.apache.hadoop.hdfs.X(Y.java:1)")':
        ("HdfsRights", 'hdfs://h:1/f1/u: Permission denied: user=alice, access=WRITE, '
         'inode="/f1":root:supergroup:drwxr-xr-x'),
    'RPCError("org.apache.hadoop.hdfs.protocol.NSQuotaExceededException", "The NameSpace quota '
    '(directories and files) of directory /q is exceeded: quota=3 file count=4\\n\\tat x")':
        ("HdfsQuota", "hdfs://h:1/f1/u: The NameSpace quota (directories and files) of directory /q "
         "is exceeded: quota=3 file count=4"),
    'RPCError("org.apache.hadoop.hdfs.server.namenode.SafeModeException", "Cannot create file/a. Name '
    'node is in safe mode.\\nIt was turned on manually. Use ...")':
        ("HdfsSafeMode", "hdfs://h:1/f1/u: Cannot create file/a. Name node is in safe mode."),
    'RPCError("org.apache.hadoop.hdfs.server.namenode.SafeModeException", "Cannot delete /a. Name node '
    'is in safe mode.\\nThe reported blocks 0 needs additional 2 blocks. Safe mode will be turned off '
    'automatically once the thresholds have been reached.")':
        ("HdfsFailed", "hdfs://h:1/f1/u: Cannot delete /a. Name node is in safe mode."),
    'OperationFailed("No new datanode found in updated block locations")':
        ("HdfsFailed", 'hdfs://h:1/f1/u: OperationFailed("No new datanode found in updated block locations")'),
}  # fmt: skip


@pytest.mark.parametrize("said", SAID)
def test_what_hdfs_says_becomes_an_error_with_a_fix(said):
    """Its class decides; what it says is kept, and what Java adds is not."""
    code, what = SAID[said]
    found = HdfsFiles("h:1")._refused("hdfs://h:1/f1/u", RuntimeError(said))
    assert (found.finding.code, found.finding.what) == (code, what)
    assert found.finding.fix


def test_local_files_keep_the_same_contract(tmp_path):
    """What the protocol promises, on a disk: new names only, moves in one step, removing twice."""
    source = tmp_path / "source"
    source.write_bytes(b"12")
    folder = f"{tmp_path}/in/deep"
    LOCAL.make_folder(folder)
    LOCAL.put(source, f"{folder}/a")
    with pytest.raises(FileExistsError):
        LOCAL.put(source, f"{folder}/a")
    LOCAL.move(f"{folder}/a", f"{folder}/b")
    assert LOCAL.find(folder) == LOCAL.find(f"{folder}/*") == [f"{folder}/b"]
    assert LOCAL.status(f"{folder}/b").size_bytes == 2
    assert LOCAL.status_or_none(f"{folder}/a") is None
    assert LOCAL.sha256(f"{folder}/b").startswith("6b51d431df5d7f14")
    LOCAL.remove(folder)
    LOCAL.remove(folder)
    assert not LOCAL.status_or_none(folder)
