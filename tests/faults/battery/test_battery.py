"""Every malformed input does exactly what the table says: by failing, and by dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import MainstemError
from mainstem.runtime.query import connect
from mainstem.runtime.start import RunResult
from tests.faults.battery import containers, texts
from tests.faults.battery.case import Case

CASES = (*texts.CASES, *containers.CASES)
LEAST = 36


def read(case: Case, folder: Path, on_bad: str) -> RunResult:
    """Run a pipeline that copies the input into the state file."""
    path = case.make(folder)
    p = Pipeline("battery")
    p.source("s", files(str(path), **case.options), schema=case.schema, on_bad=on_bad)
    p.table("t", "SELECT * FROM s")
    return p.run(state_dir=folder / "state")


def told(error: MainstemError) -> tuple[str, str]:
    """Give the code of an error and its whole text."""
    return error.findings[0].code, str(error)


def same(rows: list[tuple[Any, ...]]) -> list[str]:
    """Give rows so that equal means the same: NaN equals itself, and the order does not count."""
    return sorted(repr(row) for row in rows)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_fail(case: Case, tmp_path: Path) -> None:
    """By default the first bad row, or the file, is named, and there is no output."""
    if not case.bad and not case.refused:
        result = read(case, tmp_path, "fail")
        assert result.ledger["sources"]["s"]["read"] == len(case.expected())
        return
    with pytest.raises(MainstemError) as caught:
        read(case, tmp_path, "fail")
    code, text = told(caught.value)
    assert code == (case.refused or "BadRow"), text
    assert case.says in text
    assert caught.value.findings[0].fix or case.refused
    if case.bad:
        bad = caught.value.attributes["bad_rows"]
        assert [(b["line"], b["offset"], b["code"], b["column"]) for b in bad] == [
            (b.line, b.offset, b.reason, b.column) for b in case.bad
        ]
        assert caught.value.attributes["count"] == len(case.bad)
        assert f"{case.file}:{case.bad[0].line}:" in text


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_dead_letters(case: Case, tmp_path: Path) -> None:
    """With dead letters all other rows are read; only a whole file is still refused."""
    if case.refused:
        with pytest.raises(MainstemError) as caught:
            read(case, tmp_path, "dead_letter")
        assert told(caught.value)[0] == case.refused
        return
    result = read(case, tmp_path, "dead_letter")
    line = result.ledger["sources"]["s"]
    n_good, n_bad = len(case.expected()), len(case.bad)
    assert (line["read"], line["admitted"], line["dead"]) == (n_good + n_bad, n_good, n_bad)
    with connect(tmp_path / "state") as state:
        rows = state.query("FROM t").rows
        letters = state.query(
            "SELECT __path, __row, __line, __offset, __reason, coalesce(__column, ''), __raw "
            "FROM s__dead ORDER BY __row"
        ).rows
    assert same(rows) == same(case.expected())
    path = str(tmp_path / case.file)
    assert [letter[:-1] for letter in letters] == [
        (path, b.row, b.line, b.offset, b.reason, b.column) for b in case.bad
    ]
    if case.bad:
        check_raw(case, path, letters)


def check_raw(case: Case, path: str, letters: list[tuple[Any, ...]]) -> None:
    """The bytes of a dead letter stand in the file where it says."""
    data = Path(path).read_bytes()
    for *_, raw in letters:
        assert raw, "a bad record has bytes"
    for _, _, line, offset, *_, raw in letters:
        assert data[offset : offset + len(raw)] == raw
        assert data[:offset].count(b"\n") == line - 1
        after = data[offset + len(raw) :]
        assert after[:1] in (b"", b"\n", b"\r")


def test_size_of_the_battery() -> None:
    """Enough inputs, each once, and each reason that text files have is met."""
    assert len(CASES) >= LEAST
    assert len({case.name for case in CASES}) == len(CASES)
    reasons = {bad.reason for case in CASES for bad in case.bad}
    assert reasons == {
        "NotUtf8", "NotJson", "NotAnObject", "DuplicateKey", "FieldCount", "BadQuotes",
        "WrongValue", "OutOfRange", "NullValue",
    }  # fmt: skip
