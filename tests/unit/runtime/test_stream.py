"""Answers on their way to dataframe libraries, by the Arrow PyCapsule interface."""

from datetime import UTC, datetime
from types import SimpleNamespace

import duckdb
import pytest

import mainstem as ms
from mainstem.errors import DataError, SettingsError, StateError
from mainstem.runtime import stream as streaming
from mainstem.runtime.query import Answer


@pytest.fixture
def p(tmp_path):
    """A pipeline that has run: three rows with a NULL and an instant."""
    (tmp_path / "in.csv").write_text(
        "id,name,ts\n1,a,2026-01-01 10:00:00Z\n2,,2026-01-02 00:00:00Z\n3,<c>,2026-01-03 00:00:00Z\n"
    )
    p = ms.Pipeline("streamed")
    p.source("s", ms.files("in.csv"), schema="id bigint, name string, ts timestamp")
    p.table("kept", "SELECT * FROM s")
    p.run(base_dir=tmp_path)
    return p


def scanned(stream, sql="SELECT id, name, epoch_us(ts) FROM v ORDER BY id"):
    """Read a stream by another library, which happens to be DuckDB."""
    with duckdb.connect() as reader:
        reader.register("v", stream)
        return reader.execute(sql).fetchall()


MICROS = int(datetime(2026, 1, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000


def test_answer_is_an_arrow_stream_as_often_as_it_is_asked(p, tmp_path):
    """The rows are those of the answer; the instant is one in UTC."""
    with p.connect(base_dir=tmp_path) as tables:
        answer = tables.query("SELECT * FROM kept ORDER BY id")
        first, second = scanned(answer), scanned(answer)
        type_ = scanned(answer, "SELECT DISTINCT typeof(ts) FROM v")

        assert tables.query("SELECT count(*) FROM kept").rows == ((3,),)
    assert first == second
    assert first[0] == (1, "a", MICROS)
    assert [row[1] for row in first] == ["a", None, "<c>"]
    assert type_ == [("TIMESTAMP WITH TIME ZONE",)]


def test_stream_of_a_question_makes_no_python_rows(p, tmp_path):
    """`arrow` is for answers that are too large to be tuples."""
    with p.connect(base_dir=tmp_path) as tables:
        assert scanned(tables.arrow("SELECT * FROM kept WHERE id = 1")) == [(1, "a", MICROS)]
        with pytest.raises(DataError, match="no table 'kep'") as caught:
            tables.arrow("SELECT * FROM kep").__arrow_c_stream__()
    assert caught.value.finding.fix == "write kept"


def test_only_questions_are_streamed(p, tmp_path):
    """The tables are read here, not written."""
    with (
        p.connect(base_dir=tmp_path) as tables,
        pytest.raises(DataError, match="DELETE is no question"),
    ):
        tables.arrow("DELETE FROM kept").__arrow_c_stream__()


@pytest.mark.parametrize(
    ("method", "package", "wanted"),
    [
        ("to_arrow", "pyarrow", "'mainstem[arrow]'"),
        ("to_polars", "polars", "polars"),
        ("to_pandas", "pandas", "pandas"),
    ],
)
def test_missing_package_is_named_with_its_command(
    method, package, wanted, p, tmp_path, monkeypatch
):
    """The libraries are no dependency; who asks for one is told how to get it."""

    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(streaming, "importlib", SimpleNamespace(import_module=absent))
    with p.connect(base_dir=tmp_path) as tables:
        answer = tables.query("SELECT 1 AS a")
        with pytest.raises(
            SettingsError, match=f"the package {package} is not installed"
        ) as caught:
            getattr(answer, method)()
    assert caught.value.finding.code == "PackageMissing"
    assert caught.value.finding.fix == f"run: pip install {wanted}"


@pytest.mark.parametrize(("method", "package"), [("to_arrow", "table"), ("to_polars", "DataFrame")])
def test_library_is_given_the_answer_itself(method, package, p, tmp_path, monkeypatch):
    """No copy through Python: the library reads the stream."""
    library = SimpleNamespace(**{package: scanned})
    monkeypatch.setattr(streaming, "importlib", SimpleNamespace(import_module=lambda name: library))
    with p.connect(base_dir=tmp_path) as tables:
        assert len(getattr(tables.query("SELECT * FROM kept"), method)()) == 3


def test_closed_tables_give_no_stream(p, tmp_path):
    """The rows that are there already stay."""
    with p.connect(base_dir=tmp_path) as tables:
        answer = tables.query("SELECT id FROM kept ORDER BY id")

    assert answer.rows == ((1,), (2,), (3,))
    with pytest.raises(StateError, match="the tables are closed"):
        answer.__arrow_c_stream__()
    with pytest.raises(StateError, match="the tables are closed"):
        Answer(("a",), ("BIGINT",), ((1,),)).__arrow_c_stream__()


def test_notebook_shows_the_first_rows_and_the_count(p, tmp_path):
    """Text is escaped and NULL is no text."""
    with p.connect(base_dir=tmp_path) as tables:
        shown = tables.query("SELECT id, name FROM kept ORDER BY id")._repr_html_()
        many = tables.query("SELECT range AS n FROM range(50)")._repr_html_()

    assert "<th>id<br><small>bigint</small></th>" in shown
    assert "<tr><td>2</td><td><em>NULL</em></td></tr>" in shown
    assert "&lt;c&gt;" in shown
    assert shown.endswith("<p>3 rows</p>")
    assert many.count("<td>") == 20
    assert "50 rows, the first 20 shown" in many
