"""A growing folder: each record once, whatever comes, goes, changes or is cut."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

import mainstem as ms
from mainstem.engines.embedded.stream.readers.files import files_reader
from mainstem.engines.embedded.stream.run import run_stream
from mainstem.engines.spec import RunSettings, StreamSettings
from mainstem.errors import DataError, OutsideError
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema
from tests.unit.embedded_stream.messages import new_session

SCHEMA = "id bigint not null, v string"


@pytest.fixture
def folder(tmp_path):
    """The folder that grows."""
    made = tmp_path / "in"
    made.mkdir()
    return made


def reader_of(base, rows=7, settle="0 seconds", path="in", **words):
    """A reader over base/in with small epochs."""
    binding = ms.files(path, stream=True, settle=settle, **words)
    source = Source("g", binding, parse_schema(SCHEMA), bounded=False, on_bad="dead_letter")
    settings = RunSettings("r", base / "state", base, stream=StreamSettings(epoch_rows=rows))
    return files_reader(source, settings)


def write(path, ids, at, text=None):
    """Write JSON lines into a file of a time."""
    lines = text if text is not None else "".join(f'{{"id":{i},"v":"x"}}\n' for i in ids)
    data = lines.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    os.utime(path, (at, at))


class Reading:
    """A reader that is opened again for each slice, as after a crash at every position."""

    def __init__(self, base, rows=7, **words):
        self.base, self.rows, self.words = base, rows, words
        self.session = new_session()
        self.positions = {}
        self.dead = []

    def all(self):
        """Give the ids of everything that is there and was not read."""
        found = []
        while True:
            reader = reader_of(self.base, self.rows, **self.words)
            reader.open(json.loads(json.dumps(self.positions)))
            taken = reader.read(self.rows, 0)
            if taken is None or not taken.parts:
                reader.close()
                return found
            loaded = reader.load(self.session, taken, '"__in_g"')
            reader.close()
            assert loaded.rows == taken.rows == loaded.admitted + loaded.dead
            assert loaded.rows <= self.rows
            rows = self.session.rows('SELECT id, __part FROM "__in_g"')
            assert {part for _, part in rows} <= {0}
            found += [i for i, _ in rows]
            if loaded.dead:
                self.dead += self.session.rows(
                    f"SELECT path, row, line, byte_offset, raw FROM {loaded.dead_letters}"
                )
            self.positions = {"": taken.parts[0].end}


def test_files_are_read_by_time_and_then_by_name(tmp_path, folder):
    """Not by name alone; files of one time by their names; each once."""
    write(folder / "c.jsonl", [1, 2], 100)
    write(folder / "b.jsonl", [5], 200)
    write(folder / "a.jsonl", [3, 4], 200)
    reading = Reading(tmp_path)

    assert reading.all() == [1, 2, 3, 4, 5]
    assert reading.all() == []


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 50])
def test_every_cut_of_every_format_gives_each_record_once(tmp_path, folder, rows):
    """Plain and compressed, header and none of it lost, cut at every number of rows."""
    write(folder / "a.jsonl", range(10), 100)
    write(folder / "b.csv", [], 200, "v,id\n" + "".join(f"x,{i}\n" for i in range(10, 17)))
    write(folder / "c.csv.gz", [], 300, "id,v\n" + "".join(f"{i},x\n" for i in range(17, 23)))
    write(folder / "d.jsonl.gz", range(23, 30), 400)
    reading = Reading(tmp_path, rows)

    assert reading.all() == list(range(30))
    assert not list((tmp_path / "state").rglob("piece*"))


def test_parquet_is_cut_by_row_groups(tmp_path, folder):
    """A row group is never torn; rows keep their order."""
    session = new_session()
    session.rows(
        "COPY (SELECT range AS id, 'x' AS v FROM range(5000)) TO "
        f"'{folder / 'a.parquet'}' (ROW_GROUP_SIZE 2048)"
    )
    reading = Reading(tmp_path, 2100)

    assert reading.all() == list(range(5000))


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_dead_letters_have_their_place_in_the_file(tmp_path, folder, rows):
    """Path, line and byte offset are those of the file, also of a piece and of a compressed one."""
    text = '{"id":1}\n\n{"id":2}\nbroken\n{"id":3}\n{"id":"x"}\n'
    write(folder / "a.jsonl", [], 100, text)
    write(folder / "b.csv.gz", [], 200, "id,v\n1,a\n2,b,c\n3,d\n")
    reading = Reading(tmp_path, rows)

    assert reading.all() == [1, 2, 3, 1, 3]
    assert reading.dead == [
        (str(folder / "a.jsonl"), 2, 4, 19, b"broken"),
        (str(folder / "a.jsonl"), 4, 6, 35, b'{"id":"x"}'),
        (str(folder / "b.csv.gz"), 1, 3, 9, b"2,b,c"),
    ]


def test_half_written_files_wait(tmp_path, folder):
    """A file counts when it has been still; hidden and unfinished names never do."""
    write(folder / "old.jsonl", [1], 100)
    (folder / "new.jsonl").write_text('{"id":2}\n{"id"', "utf-8")
    for name in (".x.jsonl", "_x.jsonl", "x.jsonl.tmp", "x.jsonl.part"):
        write(folder / name, [9], 100)
    reader = reader_of(tmp_path, settle="1 hour", path="in/*")
    reader.open({})
    taken = reader.read(7, 0)

    assert taken.rows == 1
    assert not taken.is_end
    assert reader.silences() == {"": 0.0}
    reader.close()


def test_a_file_that_is_renamed_into_place_is_read_once(tmp_path, folder):
    """Also one whose time is older than that of everything that was read."""
    write(folder / "b.jsonl", [1], 1000)
    write(folder / "late.tmp", [2], 10)
    reading = Reading(tmp_path)

    assert reading.all() == [1]
    (folder / "late.tmp").rename(folder / "late.jsonl")
    write(folder / "same.jsonl", [3], 1000)
    assert reading.all() == [2, 3]
    assert reading.all() == []


def test_files_that_were_read_may_go(tmp_path, folder):
    """The position forgets them: it is never larger than the folder."""
    for i in range(40):
        write(folder / f"{i:02}.jsonl", [i], 100 + i)
    reading = Reading(tmp_path)
    assert reading.all() == list(range(40))
    size = len(reading.positions[""]["read"])
    for i in range(40):
        (folder / f"{i:02}.jsonl").unlink()
    write(folder / "x.jsonl", [77], 100)

    assert reading.all() == [77]
    assert size == 40 * 12
    assert len(reading.positions[""]["read"]) == 12


@pytest.mark.parametrize("change", ["grows", "shrinks", "touched"])
def test_a_file_that_changes_after_it_was_read_is_named(tmp_path, folder, change):
    """What was added would be lost, and what was read be another."""
    write(folder / "a.jsonl", [1, 2], 100)
    reading = Reading(tmp_path)
    assert reading.all() == [1, 2]
    write(folder / "a.jsonl", {"grows": [1, 2, 3], "shrinks": [1], "touched": [1, 2]}[change], 200)

    with pytest.raises(DataError, match=r"a\.jsonl changed after the stream had taken it"):
        reading.all()


@pytest.mark.parametrize("is_open", [True, False])
def test_a_file_that_goes_or_changes_in_its_middle_is_named(tmp_path, folder, is_open):
    """Half of it was read: the other half cannot be."""
    write(folder / "a.jsonl", range(20), 100)
    reader = reader_of(tmp_path)
    reader.open({})
    taken = reader.read(7, 0)
    session = new_session()
    reader.load(session, taken, '"__in_g"')
    if not is_open:
        reader.close()
        reader = reader_of(tmp_path)
    (folder / "a.jsonl").unlink()

    def go_on():
        return reader.read(7, 0) if is_open else reader.open({"": taken.parts[0].end})

    with pytest.raises(OutsideError, match=r"cannot read .*a\.jsonl"):
        go_on()
    reader.close()


def test_a_file_that_changes_between_reading_and_loading_is_named(tmp_path, folder):
    """The slice is refused before its epoch commits."""
    write(folder / "a.jsonl", range(3), 100)
    reader = reader_of(tmp_path)
    reader.open({})
    taken = reader.read(7, 0)
    write(folder / "a.jsonl", range(4), 100)

    with pytest.raises(DataError, match="changed"):
        reader.load(new_session(), taken, '"__in_g"')
    reader.close()


def test_it_reads_up_to_a_position(tmp_path, folder):
    """Exactly, in the middle of a file too, and then says that it is at its end."""
    write(folder / "a.jsonl", range(10), 100)
    write(folder / "b.jsonl", range(10, 20), 200)
    reader = reader_of(tmp_path)
    reader.open({})
    ends = [reader.read(7, 0).parts[0].end for _ in range(3)]
    reader.close()
    session = new_session()
    for end, wanted in zip(ends, (7, 10, 17), strict=True):
        again, found, is_end = reader_of(tmp_path, 100), [], False
        again.open({}, {"": end})
        while not is_end:
            taken = again.read(100, 0)
            again.load(session, taken, '"__in_g"')
            found += session.rows('SELECT id FROM "__in_g"')
            is_end = taken.is_end
        again.close()
        assert [i for (i,) in found] == list(range(wanted))


def test_the_project_may_move(tmp_path, folder):
    """Names are relative to the project: nothing is read twice from its new place."""
    write(folder / "a.jsonl", [1], 100)
    reading = Reading(tmp_path)
    assert reading.all() == [1]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.copytree(folder, moved / "in", copy_function=shutil.copy2)
    write(moved / "in" / "b.jsonl", [2], 200)
    reading.base = moved

    assert reading.all() == [2]


def test_lag_is_in_bytes(tmp_path, folder):
    """What waits, and what is left of the file that is being read."""
    write(folder / "a.jsonl", range(10), 100)
    reader = reader_of(tmp_path, 4)
    reader.open({})
    reader.read(4, 0)

    assert reader.lag() == {"": (folder / "a.jsonl").stat().st_size - 4 * len('{"id":1,"v":"x"}\n')}
    reader.close()


def stream(base: Path, ending: str, epochs: int = 0):
    """Run a count per ten seconds into the state file; leave after some epochs."""
    p = ms.Pipeline("counted")
    p.source("g", ms.files("in", stream=True, settle="0 seconds"), event_time="at",
             schema="id bigint not null, at timestamp not null", watermark="5 seconds")  # fmt: skip
    p.table(
        "t",
        """SELECT window_start, count(*) AS n, sum(id) AS s
        FROM TUMBLE(g, "at", INTERVAL '10 seconds') GROUP BY window_start, window_end""",
    )
    settings = RunSettings(
        "r", base / "state", base, stream=StreamSettings(ending=ending, epoch_rows=9)
    )
    (base / "state").mkdir(exist_ok=True)
    seen = 0
    events = run_stream(p.plan(), settings)
    for event in events:
        seen += event.kind == "epoch_committed"
        if epochs and seen == epochs:
            events.close()
            break
    return seen


def test_a_run_that_is_left_between_epochs_goes_on(tmp_path, folder):
    """Three runs of few epochs each and one to the end: the counts of plain Python."""
    rows = [(i, 3 * i - (i % 3)) for i in range(100)]
    for part in range(4):
        text = "".join(
            f'{{"id":{i},"at":"2025-01-01T00:{s // 60:02}:{max(s, 0) % 60:02}Z"}}\n'
            for i, s in rows[part * 25 : part * 25 + 25]
        )
        at = 1_800_000_000 + part
        write(folder / f"{part}.jsonl", [], at, text)
    for epochs in (1, 2, 3):
        assert stream(tmp_path, "", epochs) == epochs
    stream(tmp_path, "caught_up")
    expected: dict[int, list[int]] = {}
    for i, s in rows:
        expected.setdefault(s // 10, []).append(i)
    # The watermark is the last second less five.
    mark = max(s for _, s in rows) - 5
    closed = sorted((w * 10, len(v), sum(v)) for w, v in expected.items() if w * 10 + 10 <= mark)

    import duckdb

    with duckdb.connect(str(tmp_path / "state" / "state.duckdb"), read_only=True) as state:
        found = state.execute(
            "SELECT epoch(window_start)::BIGINT - epoch(TIMESTAMPTZ '2025-01-01 00:00:00+00')::BIGINT, n, s "
            "FROM t ORDER BY 1"
        ).fetchall()
    assert found == closed
