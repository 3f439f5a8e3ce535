"""What people get wrong on their first day: each message says what would be right."""

import pytest

from tests.unit.cli.program import call

HEAD = 'import mainstem as ms\np = ms.Pipeline("p")\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder; the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "made", "rows"),
    [
        ("id;shop\n1;Oslo\n", 'ms.files("../o.csv", delimiter=";"),', "id,shop\n1,Oslo\n"),
        ("id\tshop\n1\tOslo\n", "ms.files(\"../o.csv\", delimiter='\\t'),", "id,shop\n1,Oslo\n"),
        ('"id"|"shop"\n1|Oslo\n', 'ms.files("../o.csv", delimiter="|"),', "id,shop\n1,Oslo\n"),
    ],
)
def test_first_pipeline_over_a_file_with_another_delimiter(folder, capsys, text, made, rows):
    """The delimiter stands in the file that is made, where it can be seen and changed."""
    (folder / "o.csv").write_text(text)

    assert call(capsys, "init", "new", "--from", "o.csv").code == 0
    assert made in (folder / "new" / "pipeline.py").read_text()
    set_ = "sinks.o_all.path=out.csv"
    assert call(capsys, "run", "new", "-q", "--set", set_).code == 0
    assert (folder / "new" / "out.csv").read_text() == rows


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ('p.source("s", ms.files("a.csv"), shema="id bigint")', "write schema="),
        ('p.source("s", ms.files("a.csv", delimeter=";"), schema="id bigint")', "delimiter="),
        ('p.source("s", ms.files("a.csv", zzz=1), schema="id bigint")', "it takes: path, format"),
        ("print(one=1)", "correct the line"),
    ],
)
def test_misspelt_argument_of_a_word_of_ours(folder, capsys, line, fix):
    """Older Pythons do not name the nearest one."""
    (folder / "p.py").write_text(f"{HEAD}{line}\n")
    said = call(capsys, "check", "p.py")

    assert said.code == 2
    assert fix in said.err.partition("  fix: ")[2]
    assert "  at:  p.py:3\n" in said.err


@pytest.mark.parametrize(
    ("name", "fix"),
    [("p.py", 'add p.table("name", "SELECT …")'), ("p.sql", "add CREATE TABLE name AS SELECT …")],
)
def test_pipeline_without_a_table_is_shown_one_in_its_own_language(folder, capsys, name, fix):
    """Python is of no help in a .sql file."""
    (folder / name).write_text(HEAD if name == "p.py" else "-- nothing yet\n")

    assert f"  fix: {fix}\n" in call(capsys, "check", name).out


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (("--threads", "0"), "not a whole number from 1 to 9999"),
        (("--memory-limit", "lots"), "not a number with its unit"),
    ],
)
def test_option_of_a_run_says_what_it_takes(folder, capsys, words, shape):
    """And not only one example."""
    (folder / "p.sql").write_text("CREATE TABLE t AS SELECT 1 AS x;\n")
    said = call(capsys, "run", *words)

    assert said.code == 2
    assert shape in said.err


@pytest.mark.parametrize("option", ["sources.s.path=", "sinks.t.path="])
def test_empty_path_is_no_path(folder, capsys, option):
    """It would mean the folder of the definition, and replacing that."""
    (folder / "p.sql").write_text(
        "CREATE SOURCE s (id bigint) FROM files('a.csv');\n"
        "CREATE TABLE t INTO files('out', format='csv') AS SELECT id FROM s;\n"
    )
    said = call(capsys, "check", "--set", option)

    assert said.code == 2
    assert said.out.startswith(f"OptionMissing: the path of {option.split('.')[1]!r} is empty\n")


def test_folder_without_files_is_not_a_missing_one(folder, capsys):
    """The path is right; nothing is in it yet."""
    (folder / "data").mkdir()
    (folder / "p.sql").write_text(
        "CREATE SOURCE s (id bigint) FROM files('data', format='csv');\n"
        "CREATE TABLE t AS SELECT id FROM s;\n"
    )
    said = call(capsys, "run")

    assert said.code == 4
    assert f"the folder {str(folder / 'data')!r} has no files" in said.err


def test_question_that_begins_with_a_comment_is_not_an_option(folder, capsys):
    """The command line cannot know; the message says how to tell it."""
    said = call(capsys, "query", "-- how many?\nSELECT 1")

    assert said.code == 2
    assert "put -- before it: mainstem query -- '-- how many? SELECT 1'\n" in said.err


def test_file_in_another_encoding_says_what_to_do(folder, capsys):
    """Both where a schema is inferred and where it is declared."""
    (folder / "a.csv").write_bytes("id,größe\n".encode("latin-1"))
    (folder / "p.sql").write_text(
        "CREATE SOURCE s (id bigint) FROM files('a.csv');\nCREATE TABLE t AS SELECT id FROM s;\n"
    )

    assert "fix: save it as UTF-8" in call(capsys, "run").err
    assert "fix: save it as UTF-8\n" in call(capsys, "init", "new", "--from", "a.csv").err
