"""Find uv, or install a private one: steps that the tasks of bootstrap.py share.

Standard library only, because it runs before anything is installed.
"""

from __future__ import annotations

import base64
import configparser
import functools
import hashlib
import html.parser
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRIVATE = ROOT / ".bootstrap"

# The interpreter itself, not the environment that it may run in: environments are rebuilt from it.
PYTHON: str = getattr(sys, "_base_executable", sys.executable)

# Older ones read neither this lock nor uv_build's range in pyproject.toml.
UV_OLDEST = (0, 9)
UV_REQUIREMENT = "uv>=0.9,<0.14"


class BootstrapError(Exception):
    """A step that failed: which, and why."""


# --------------------------------------------------------------------------------------------------
# Steps
# --------------------------------------------------------------------------------------------------
def say(text: str) -> None:
    """Print at once: our lines must not come after those of the programs that we start."""
    print(text, flush=True)


def run(
    name: str, command: Sequence[str], env: Mapping[str, str], *, timeout_s: float | None = None
) -> None:
    """Run one step, its output straight to the terminal; raise with its name when it fails."""
    say(f"== {name}")
    try:
        # No stdin: a program that asks a question fails in continuous integration, and never hangs.
        done = subprocess.run(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise BootstrapError(f"{name}: took longer than {timeout_s:g} s") from None
    except OSError as error:
        raise BootstrapError(f"{name}: cannot start {command[0]}: {error}") from error
    if done.returncode:
        raise BootstrapError(f"{name}: exit code {done.returncode} from: {' '.join(command)}")


def output(name: str, command: Sequence[str], env: Mapping[str, str]) -> str:
    """Give what a program prints; raise with its name and its complaint when it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise BootstrapError(f"{name}: cannot start {command[0]}: {error}") from error
    if done.returncode:
        raise BootstrapError(f"{name}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


# --------------------------------------------------------------------------------------------------
# The package index that pip and uv are configured for
# --------------------------------------------------------------------------------------------------
def pip_settings() -> dict[str, str]:
    """Give pip's own settings, read as pip reads them: files in order, then the environment."""
    config = configparser.RawConfigParser()
    home = Path.home()
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    if chosen := os.environ.get("PIP_CONFIG_FILE"):
        files = [] if chosen == os.devnull else [*files, Path(chosen)]
    try:
        config.read([str(file) for file in files], encoding="utf-8")
    except configparser.Error as error:
        raise BootstrapError(f"pip's settings: {error}") from error
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if config.has_section(section):
            found |= {key.replace("_", "-"): value for key, value in config.items(section)}
    for key in ("index-url", "cert"):
        if value := os.environ.get("PIP_" + key.upper().replace("-", "_")):
            found[key] = value
    return found


@functools.cache
def lock_index() -> str:
    """Give the address of the index that uv.lock was made with: the usual one."""
    for line in (ROOT / "uv.lock").read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r'source = \{ registry = "([^"]+)" \}', line):
            return found[1].rstrip("/")
    raise BootstrapError("uv.lock names no package index: run uv lock")


def configured_index() -> str:
    """Give the address of the package index, without a slash at its end.

    uv reads no pip.conf and pip reads no UV_DEFAULT_INDEX, so in a closed network one of the two is
    often missing: whichever is set holds for both.
    """
    index = (
        os.environ.get("UV_DEFAULT_INDEX")
        or os.environ.get("UV_INDEX_URL")
        or pip_settings().get("index-url")
        or lock_index()
    )
    return index.rstrip("/")


class Links(html.parser.HTMLParser):
    """The links of one page of a package index, withdrawn files left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "a" and given.get("href") and "data-yanked" not in given:
            self.found.append(given)


def fetch(url: str) -> tuple[bytes, str]:
    """Give the bytes at an address, and the address after redirects."""
    parts = urllib.parse.urlsplit(url)
    headers = {"User-Agent": "mainstem-bootstrap"}
    if parts.username:
        # urllib takes the user and password in an address for a part of the host's name.
        pair = ":".join(urllib.parse.unquote(x or "") for x in (parts.username, parts.password))
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    bare = without_secrets(url)
    context = None
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=pip_settings().get("cert"))
    try:
        request = urllib.request.Request(bare, headers=headers)
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            final = answer.geturl()
            # What lies beside it asks for the same password; another host must not see it.
            if parts.username and urllib.parse.urlsplit(final).netloc in parts.netloc.split("@"):
                final = urllib.parse.urlsplit(final)._replace(netloc=parts.netloc).geturl()
            return answer.read(), final
    except (OSError, ValueError) as error:
        raise BootstrapError(f"cannot read {bare}: {error}") from error


def without_secrets(url: str) -> str:
    """Give an address that may be printed."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def newest_pip(page: str, base: str) -> tuple[str, str]:
    """Give address and SHA-256 of the newest pip on its page of a package index.

    Links may be relative: most mirrors write them so.
    """
    links = Links()
    links.feed(page)
    best: tuple[tuple[int, ...], str, str] | None = None
    for link in links.found:
        address, _, fragment = urllib.parse.urljoin(base, link["href"]).partition("#")
        file = urllib.parse.unquote(address.rpartition("/")[2])
        name = re.fullmatch(r"pip-(\d+(?:\.\d+)*)-py3-none-any\.whl", file)
        digest = re.search(r"(?:^|&)sha256=([0-9a-f]{64})", fragment)
        if not name or not digest or not runs_here(link.get("data-requires-python", "")):
            continue
        version = tuple(map(int, name[1].split(".")))
        if best is None or version > best[0]:
            best = (version, address, digest[1])
    if best is None:
        raise BootstrapError(
            f"{without_secrets(base)}: no pip wheel with a SHA-256 for this Python among"
            f" {len(links.found)} links"
        )
    return best[1:]


def runs_here(requires: str) -> bool:
    """Tell whether this interpreter is new enough for a file of the index (``>=3.9``).

    Only lower bounds are read: pip sets no others, and a wrong yes fails loudly one step later.
    """
    lowest = re.search(r">=\s*(\d+)\.(\d+)", requires)
    return lowest is None or sys.version_info[:2] >= (int(lowest[1]), int(lowest[2]))


# --------------------------------------------------------------------------------------------------
# uv
# --------------------------------------------------------------------------------------------------
def uv_version(uv: str) -> tuple[int, ...] | None:
    """Give the version of a uv, or None when it does not run (a pyenv shim without its uv, say)."""
    try:
        text = output("uv --version", [uv, "--version"], os.environ)
    except BootstrapError:
        return None
    found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else None


def uv_of_the_machine() -> str | None:
    """Give the uv on PATH when it is new enough."""
    uv = shutil.which("uv")
    version = uv_version(uv) if uv else None
    if version and version < UV_OLDEST:
        say(f"uv {'.'.join(map(str, version))} on PATH is too old: a private one is used")
        return None
    return uv if version else None


def private_uv() -> str:
    """Give a uv of our own, installed once into .bootstrap/uv, without ensurepip."""
    home = PRIVATE / "uv"
    uv = home / "bin" / "uv"
    if uv.exists() and (uv_version(str(uv)) or (0,)) >= UV_OLDEST:
        return str(uv)
    shutil.rmtree(home, ignore_errors=True)
    index = configured_index()
    page, base = fetch(f"{index}/pip/")
    address, digest = newest_pip(page.decode("utf-8", "replace"), base)
    wheel, _ = fetch(address)
    if hashlib.sha256(wheel).hexdigest() != digest:
        raise BootstrapError(f"{without_secrets(address)}: its SHA-256 is not the index's {digest}")
    say(f"== no uv found: {address.rpartition('/')[2]} installs it into {home.relative_to(ROOT)}")
    env = os.environ | {"PIP_INDEX_URL": index, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # A wheel is a zip file, and Python runs a zip file: this pip is itself never installed.
    file = PRIVATE / address.rpartition("/")[2]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(wheel)
    run("empty environment", [PYTHON, "-m", "venv", "--without-pip", str(home)], env)
    python = str(home / "bin" / "python")
    install = ["install", "--quiet", "--no-input", "--only-binary=uv", UV_REQUIREMENT]
    run("install uv", [python, str(file / "pip"), *install], env)
    file.unlink()
    return str(uv)


@functools.cache
def uv_path() -> str:
    """Give the uv to use."""
    return uv_of_the_machine() or private_uv()


def uv_environment() -> dict[str, str]:
    """Give the environment variables under which uv, and all that it starts, run."""
    env = dict(os.environ)
    env.pop("VIRTUAL_ENV", None)  # uv warns of another active environment, into every output
    env["UV"] = uv_path()
    env["UV_PYTHON_DOWNLOADS"] = "never"
    env["UV_PYTHON"] = PYTHON
    # One spelling of the address: to uv, one more slash is another index, and the lock then is old.
    env.pop("UV_INDEX_URL", None)
    env.pop("UV_DEFAULT_INDEX", None)
    if (index := configured_index()) != lock_index():
        env["UV_DEFAULT_INDEX"] = index
    cert = pip_settings().get("cert")
    if cert:
        env.setdefault("SSL_CERT_FILE", cert)
    return env
