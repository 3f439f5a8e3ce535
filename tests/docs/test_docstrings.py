"""The examples in docstrings run, and give what they show."""

import doctest
import importlib
import pkgutil

import pytest

import mainstem

# Importing it runs the command line.
NOT_IMPORTED = {"mainstem.__main__"}


def modules():
    """Every module of the package."""
    found = pkgutil.walk_packages(mainstem.__path__, "mainstem.")
    return sorted({info.name for info in found} - NOT_IMPORTED)


def examples():
    """Every docstring that has examples, by name."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in ["mainstem", *modules()]:
        module = importlib.import_module(name)
        for test in finder.find(module, name):
            if test.examples:
                yield pytest.param(test, id=test.name)


@pytest.mark.parametrize("test", list(examples()))
def test_docstring(test, tmp_path, monkeypatch):
    """Each in an empty folder: an example that writes leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)

    result = runner.run(test, out=said.append, clear_globs=False)

    assert result.attempted > 0
    assert result.failed == 0, "".join(said)
