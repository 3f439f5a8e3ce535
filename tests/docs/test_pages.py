"""All code in the README and in docs runs, and shows what it prints."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import is_like, run_page

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(
    r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:)(?P<to>[^)\s]*)\)|!\[[^\]]*\]\((?P<picture>[^)\s]+)\)"
)


def names(pages):
    """How tests call the pages."""
    return [str(page.relative_to(ROOT)) for page in pages]


def without_code(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """How forges call a heading in an address."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", words))


def anchors(text: str) -> set[str]:
    """Every place of a page that an address can name."""
    found = re.findall(r"^#+ +(.+)$", without_code(text), re.MULTILINE)
    return {anchor(heading) for heading in found} | set(re.findall(r'<a id="([^"]+)"', text))


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_code_of_a_page_runs(page, tmp_path, monkeypatch):
    """Each block in reading order, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    run_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_of_a_page_lead_somewhere(page):
    """Files, pictures and headings that a page points to are there."""
    text = without_code(page.read_text("utf-8"))
    broken = []
    for match in LINK.finditer(text):
        target = match["to"] or match["picture"] or ""
        name, _, place = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (place and place not in anchors(file.read_text("utf-8"))):
            broken.append(target)

    assert broken == []


BAD = {
    "python that fails": "```python\n1 / 0\n```\n",
    "sql that does not parse": "```sql\nSELECT FROM WHERE\n```\n",
    "a command that fails": "```console\n$ false\n```\n",
    "other output": "```console\n$ echo one\ntwo\n```\n",
    "a failing code that is not the shown one": "```console\n$ exit 3\nexit 2\n```\n",
    "toml that does not parse": "```toml\n[a\n```\n",
    "json that does not parse": "```json\n{a}\n```\n",
    "a language that nobody runs": "```ruby\nputs 1\n```\n",
    "no language": "```\nSELECT 1\n```\n",
}
GOOD = {
    "names live on": "```python\na = 1\n```\n\n```python\nassert a == 1\n```\n",
    "files": "<!-- file: x/a.txt -->\n```text\none\n```\n\n```console\n$ cat x/a.txt\none\n```\n",
    "left out": "<!-- not run: it would never end -->\n```console\n$ false\n```\n",
    "anything": "```console\n$ echo one 17 two\none … two\n```\n",
    "exit code": "```console\n$ echo no; exit 2\nno\nexit 2\n```\n",
    "two commands": "```console\n$ echo one\none\n$ echo two\ntwo\n```\n",
    "sql": "```sql\nSELECT 1 AS a;\n\nSELECT 2 AS b;\n```\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_page_with_a_mistake_fails(text, tmp_path, monkeypatch):
    """What must be caught is caught."""
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}", "utf-8")

    with pytest.raises(Exception) as caught:  # noqa: PT011 - each has an error of its own
        run_page(page, tmp_path)

    assert not isinstance(caught.value, AttributeError | ImportError | TypeError)


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_page_without_a_mistake_passes(text, tmp_path, monkeypatch):
    """What a page may do works."""
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}", "utf-8")

    assert run_page(page, tmp_path) == text.count("```") // 2


def test_output_is_compared_from_end_to_end():
    """A page that shows the beginning only does not pass."""
    assert is_like("a …\nc\n", "a b\nc  \n")
    assert not is_like("a\n", "a\nb\n")
    assert not is_like("b\n", "a\nb\n")
