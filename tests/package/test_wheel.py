"""What is published: the wheel, built from the source archive, and the lock."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import mainstem

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Left behind by editors, merges and tools.
STRAY = (".bak", ".orig", ".pyc", ".rej", ".swp", ".tmp", "~")

# uv.lock holds the exact version that an installation gets; this is what its files must run on.
PYTHONS = ["311", "312", "313", "314"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as it is for publishing: by way of the source archive."""
    out = tmp_path_factory.mktemp("dist")
    command = [os.environ.get("UV", "uv"), "build", "--quiet", "--out-dir", out, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_the_package_and_nothing_else(wheel):
    """No file is forgotten by the build, none slips in from the tree."""
    names = zipfile.ZipFile(wheel).namelist()
    files = {name for name in names if not name.endswith("/") and ".dist-info/" not in name}

    source = ROOT / "src"
    ours = {
        str(file.relative_to(source))
        for file in (source / "mainstem").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert files == ours
    assert [name for name in files if name.endswith(STRAY) or "/." in name] == []
    assert "mainstem/py.typed" in files


def test_wheel_says_who_made_it_and_what_it_needs(wheel):
    """Licence, notice, dependencies and command are in the metadata."""
    archive = zipfile.ZipFile(wheel)
    info = f"mainstem-{mainstem.__version__}.dist-info"
    metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())

    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    required = metadata.get_all("Requires-Dist")
    needs = {plain_name(text) for text in required if "extra ==" not in text}
    assert needs == {plain_name(text) for text in PROJECT["dependencies"]}
    extra = {plain_name(text) for text in required if "extra == 'arrow'" in text}
    assert extra == {plain_name(text) for text in PROJECT["optional-dependencies"]["arrow"]}
    assert {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= set(archive.namelist())
    entries = archive.read(f"{info}/entry_points.txt").decode()
    assert "mainstem = mainstem.cli.main:entry" in entries
    assert "[pytest11]\nmainstem = mainstem.testing.plugin" in entries


def test_wheel_imports_with_nothing_else_installed(wheel):
    """The package needs none of its dependencies to be imported, and no file outside the wheel."""
    code = f"import sys; sys.path[:0] = [{str(wheel)!r}]; import mainstem; print(mainstem.__file__)"
    # -S: without site-packages, where the tree itself is installed.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(wheel))


def test_version_is_the_same_everywhere():
    """The package, the project and the changelog speak of one version."""
    assert mainstem.__version__ == PROJECT["version"]
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def needed_by_users(packages: dict[str, dict]) -> set[str]:
    """Names of mainstem's dependencies, and theirs."""
    found: set[str] = set()
    todo = ["mainstem"]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [item["name"] for item in packages[name].get("dependencies", [])]
    return found - {"mainstem"}


def runs_on(wheel: str, python: str) -> bool:
    """Whether a Linux wheel, by its name, installs on a CPython."""
    tags, abi, platform = wheel.removesuffix(".whl").rsplit("-", 3)[1:]
    if platform != "any" and not ("manylinux" in platform and "x86_64" in platform):
        return False
    if abi == "abi3":
        return any(int(tag[2:]) <= int(python) for tag in tags.split(".") if tag[:2] == "cp")
    if abi == "none":
        return "py3" in tags.split(".")
    return abi == f"cp{python}"


def wanted_on(name: str) -> list[str]:
    """The Pythons that a dependency of ours is for, by its marker."""
    for text in PROJECT["dependencies"]:
        need, _, marker = text.partition(";")
        below = re.search(r"python_version < '3\.(\d+)'", marker)
        if plain_name(need) == name and below:
            return [python for python in PYTHONS if int(python[1:]) < int(below[1])]
    return list(PYTHONS)


def plain_name(need: str) -> str:
    """The name of a requirement as indexes write it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=;]", need)[0].strip())


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_has_a_wheel_of_each_dependency(python):
    """Nobody has to compile anything; 3.14 is not run by this suite but does install."""
    packages = {p["name"]: p for p in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    names = needed_by_users(packages)
    without = []
    for name in names:
        files = [wheel["url"].rpartition("/")[2] for wheel in packages[name].get("wheels", [])]
        if python not in wanted_on(name):
            continue
        if not any(runs_on(file, python) for file in files):
            without.append(name)

    assert "duckdb" in names
    assert without == []


def test_core_is_small():
    """At most twenty packages come with mainstem."""
    packages = {p["name"]: p for p in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}

    assert len(needed_by_users(packages)) <= 20
