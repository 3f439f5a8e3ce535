"""An error in SQL points at file, line and column of the user's own text, however it is written."""

import textwrap

import pytest

from mainstem.definition.load import load

# Each pipeline has the unknown column `oops`; the comment says at which line and column of the
# file, whose first line is a header and whose indentation is taken off.
FORMS = {
    "decorated function": '''
        @p.view
        def v():
            """Not the SQL: oops."""
            return """
                SELECT id,
                       oops
                FROM s"""
        # at 7:16
        ''',
    "one line": '''
        p.view("v", "SELECT oops FROM s")
        # at 2:21
        ''',
    "raw and stripped": '''
        p.view("v", r"""
            SELECT oops FROM s
        """.strip())
        # at 3:12
        ''',
    "line after a backslash": '''
        p.view("v", """\\
        SELECT oops FROM s""")
        # at 3:8
        ''',
    "letters outside of ASCII before it": '''
        p.view("v", "SELECT 'äöü€' AS x, oops FROM s") ; "ü"
        # at 2:34
        ''',
    "form feed above it, which ends no line": '''
        # page one \x0c page two
        ("ü", p.view("v", "SELECT oops FROM s"))
        # at 3:27
        ''',
    "constant at the top": '''
        SQL = """
          SELECT oops FROM s"""
        p.view("v", SQL)
        # at 3:10
        ''',
    "f-string": '''
        limit = 3
        p.view("v", f"""
            SELECT id FROM s WHERE id < {limit}
            AND oops = {limit}""")
        # at 5:9
        ''',
    "lambda": '''
        p.view("v")(lambda: "SELECT oops FROM s")
        # at 2:29
        ''',
    "dedented": '''
        import textwrap
        p.view("v", textwrap.dedent("""
            SELECT id,
                   oops
            FROM s"""))
        # at 5:0
        ''',
    "the second of two equal texts": '''
        def unused():
            return "SELECT oops FROM s"
        @p.view
        def v():
            return "SELECT oops FROM s"
        # at 6:20
        ''',
    "a function that gives it through another": '''
        def select(what):
            return f"SELECT {what} FROM s"
        p.view("v", select("oops"))
        # at 3:21
        ''',
    "computed": '''
        p.view("v", " ".join(["SELECT", "oops", "FROM", "s"]))
        # at 2:0
        ''',
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_unknown_column_is_found_at_its_place(tmp_path, form):
    """Line and column are those in the file; where a column cannot be known, none is told."""
    text = textwrap.dedent(FORMS[form]).lstrip("\n")
    body, _, mark = text.rpartition("# at ")
    line, column = map(int, mark.split(":"))
    header = (
        'import mainstem as ms; p = ms.Pipeline("p"); '
        'p.source("s", ms.files("s.csv"), schema="id bigint")\n'
    )
    file = tmp_path / "p.py"
    file.write_text(header + body)

    with pytest.raises(ValueError, match="oops") as caught:
        load(file).check()
    (found,) = [one for one in caught.value.findings if one.severity == "error"]
    assert (found.where.file, found.where.line, found.where.column) == (str(file), line, column)
    assert found.step == "v"
    assert "oops" in found.snippet


def test_pipeline_inside_of_the_package_has_its_own_places():
    """The demo's pipeline is a user of these words like any other."""
    code = compile('import mainstem as ms\np = ms.Pipeline("p")\n', "demo.py", "exec")
    module = {"__name__": "mainstem.demo.anything"}
    exec(code, module)

    assert str(module["p"].where) == "demo.py:2"
