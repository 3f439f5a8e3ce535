"""Runs a page's code blocks in reading order, in an empty folder of its own.

What a block means is said by its language:

=========  =======================================================================================
python     run; one namespace for the whole page
sql        a pipeline file (``CREATE …``) is checked; any other statement or expression must parse
console    each line after ``$`` is run in a shell; what follows is its output, in which ``…`` is
           anything (when nothing follows, only the exit code counts: a terminal shows progress,
           a pipe gets JSON); ``exit 2`` at the end is the exit code, 0 otherwise
toml json  must parse
text csv   not run: what a reader sees, or a file
=========  =======================================================================================

A comment just before a block changes that: ``<!-- file: orders.csv -->`` writes the block to that
file instead, ``<!-- not run: why -->`` leaves it out. A block in any other language fails: nothing
on a page looks like code and is never run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

FENCE = FencedCodeBlockLexer(language=r".*", mapping={"language": "language", "source": "source"})
MARKER = re.compile(r"<!-- (?P<word>file|not run): (?P<value>[^\n]+?) -->\s*\Z")
COMMAND_S = 120


class Page(Document):
    """A Markdown file whose blocks are run in `folder`."""

    folder: Path

    def place(self, region: Region) -> str:
        """Give file and line of a block."""
        return f"{Path(self.path).name}:{self.text.count(chr(10), 0, region.start) + 1}"


def blocks(document: Document) -> list[Region]:
    """Give every fenced block with what runs it: the parser that sybil calls."""
    found = []
    for region in FENCE(document):
        marker = MARKER.search(document.text[: region.start])
        region.parsed = region.lexemes["source"]
        region.evaluator = _evaluator(marker, region.lexemes["language"].strip())
        found.append(region)
    return found


def _evaluator(marker, language):
    if marker and marker["word"] == "file":
        return lambda example: write(example, marker["value"])
    if marker:
        return lambda _: None
    return LANGUAGES.get(language) or (lambda _: f"no language of ours: {language!r}")


def write(example: Example, name: str) -> None:
    """Write the block to a file of the page's folder."""
    file = example.document.folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(example.parsed, "utf-8")


def run_python(example: Example) -> None:
    """Run the block as a file of the page's folder: a pipeline's relative paths start there."""
    file = example.document.folder / f"{Path(example.path).stem}_page.py"
    # Line numbers are those of the page, for whoever reads the traceback.
    source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
    file.write_text(source, "utf-8")
    exec(compile(source, str(file), "exec"), example.namespace)


def check_sql(example: Example) -> None:
    """Check a pipeline file, or parse a query."""
    if not re.match(r"(\s|--[^\n]*\n)*CREATE\b", example.parsed, re.IGNORECASE):
        for statement in re.split(r";\s*$", example.parsed, flags=re.MULTILINE):
            if statement.strip():
                parse_sql(statement)
        return
    file = example.document.folder / f"block_{example.line}.sql"
    file.write_text(example.parsed, "utf-8")
    run(f"mainstem check {file.name}", example.document.folder, 0)


def parse_sql(statement: str) -> None:
    """Parse a query, or an expression that a page talks about."""
    from mainstem.errors import DefinitionError
    from mainstem.sql.parse import parse
    from mainstem.sql.tokens import Text

    try:
        parse(Text(statement))
    except DefinitionError:
        if re.match(r"\s*(SELECT|WITH|FROM|VALUES)\b", statement, re.IGNORECASE):
            raise
        parse(Text(f"SELECT {statement}"))


def run_console(example: Example) -> str | None:
    """Run each command and compare what it prints with what the page shows."""
    for part in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        code = re.search(r"^exit (\d+)\n?\Z", shown, re.MULTILINE)
        if code:
            shown = shown[: code.start()]
        printed = run(command, example.document.folder, int(code[1]) if code else 0)
        if not is_like(shown, printed):
            return f"$ {command}\nshows\n{shown}\nand prints\n{printed}"
    return None


def run(command: str, folder: Path, code: int) -> str:
    """Run a command as a reader would, without a terminal; give what it prints."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"PATH": programs, "NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=os.environ | settings, text=True, timeout=COMMAND_S,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == code, f"$ {command}\nexit {done.returncode}\n{done.stdout}"
    return done.stdout


def is_like(shown: str, printed: str) -> bool:
    """Say whether the output is the one shown; trailing blanks do not count, ``…`` is anything."""
    pattern = r"[\s\S]*?".join(re.escape(part) for part in lines(shown).split("…"))
    return not shown.strip() or re.fullmatch(pattern, lines(printed)) is not None


def lines(text: str) -> str:
    """Give a text without blanks at the ends of its lines and of itself."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


LANGUAGES = {
    "python": run_python,
    "sql": check_sql,
    "console": run_console,
    "toml": lambda example: tomllib.loads(example.parsed) and None,
    "json": lambda example: (
        [json.loads(line) for line in example.parsed.splitlines() if line] and None
    ),
    "text": lambda _: None,
    "csv": lambda _: None,
}


def run_page(file: Path, folder: Path) -> int:
    """Run every block of a page; give how many there were."""
    page = Page.parse(str(file), blocks)
    page.folder = folder
    examples = list(page.examples())
    for example in examples:
        example.evaluate()
    return len(examples)
