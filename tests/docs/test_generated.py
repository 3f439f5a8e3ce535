"""The generated pages are those that the catalogue and the case files give."""

import docs as generator


def test_pages_are_up_to_date():
    """Run `python tools/docs.py` when this fails."""
    stale = [p.name for p, text in generator.pages().items() if p.read_text("utf-8") != text]

    assert stale == []


def test_check_sees_a_page_that_is_not(tmp_path, monkeypatch, capsys):
    """A check that cannot fail would keep an old page."""
    page = tmp_path / "functions.md"
    page.write_text("# Functions\n", "utf-8")
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    monkeypatch.setattr(generator, "pages", lambda: {page: "# Functions\n\nnew\n"})

    assert generator.main(["--check"]) == 1
    assert "functions.md is not up to date" in capsys.readouterr().out
    assert page.read_text("utf-8") == "# Functions\n"
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
