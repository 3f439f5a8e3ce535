"""From what is asked to nodes that do their work: jars, Java, ports, files, processes, readiness."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from mainstem.dev import entry as entries
from mainstem.dev import folders, jars, java, ports, supervisor
from mainstem.dev.artifacts import Artifact, lock_key, read_lock
from mainstem.dev.entry import Entry
from mainstem.dev.process import Process, end_all
from mainstem.dev.servers import load, lock_file
from mainstem.dev.spec import Ask, ServerSpec
from mainstem.errors import BusyError, OutsideError, SettingsError
from mainstem.lazy import pattern
from mainstem.settings.java import Java
from mainstem.settings.log import logger

_log = logger("dev")

_TICK_S = 0.1
# How much longer than its nodes a supervisor may take to end.
_SLACK_S = 5.0
_ARCHIVE, _ARCHIVE_S = "classes.jsa", 120.0
# How much of a log an error shows.
_LAST_LINES = 15
_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def begin(kind: str, ask: Ask, *, name: str, data: Path | None, owner: Process | None) -> Entry:
    """Start the nodes of a server; they are not ready yet.

    Raises
    ------
    SettingsError
        For a wish that this kind of server does not know, a name with other characters, no Java.
    BusyError
        `DevServerUp`, `PortTaken`.
    """
    spec = load(kind)
    check(spec, ask, name)
    runtime = java.find(spec.least_java) if spec.least_java else None
    cache = prepared(spec, runtime)
    if runtime and spec.has_class_archive:
        runtime = _with_archive(spec, cache, runtime)
    entry = _enter(spec, ask, name=name, data=data, owner=owner, cache=cache, runtime=runtime)
    try:
        supervisor.spawn(entry, deadline_s=spec.deadline(is_kept=entry.is_kept))
    except BaseException:
        entry.forget()
        raise
    return entry


def check(spec: ServerSpec, ask: Ask, name: str) -> None:
    """Refuse what this kind of server does not know, before anything is fetched."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} cannot be the name of a server", code="Usage",
            fix="use letters, digits, '-', '_' and '.'",
        )  # fmt: skip
    if ask.nodes not in spec.node_counts:
        counts = " or ".join(map(str, spec.node_counts))
        raise SettingsError(
            f"{spec.name} cannot have {ask.nodes} nodes", code="Usage", fix=f"give {counts}"
        )
    if ask.security not in spec.securities:
        known = ", ".join(filter(None, spec.securities)) or "leave it out"
        raise SettingsError(
            f"{spec.name} does not know --security {ask.security}", code="Usage", fix=known
        )
    for setting in ask.settings:
        if spec.prefixes and not setting.startswith(spec.prefixes):
            raise SettingsError(
                f"{spec.name} does not know the setting {setting!r}", code="Usage",
                fix=f"give {spec.settings_are}",
            )  # fmt: skip
    spec.check(ask)


def is_prepared(kind: str) -> bool:
    """Say whether a start has no jars to fetch."""
    lock = lock_file(kind)
    return not lock.exists() or _cache(kind, read_lock(lock)).is_dir()


def prepared(spec: ServerSpec, runtime: Java | None) -> Path:
    """Give the cache folder of a server, filled when it is not there."""
    lock = lock_file(spec.name)
    artifacts = read_lock(lock) if lock.exists() else ()

    def make(folder: Path) -> None:
        _log.info("fetching jars", extra={"server": spec.name, "n_jars": len(artifacts)})
        (folder / "jars").mkdir()
        jars.fetch(artifacts, folder / "jars")
        spec.prepare(folder, runtime)

    return folders.made_once(_cache(spec.name, artifacts), make)


def _cache(kind: str, artifacts: Sequence[Artifact]) -> Path:
    return folders.place() / f"{kind}-{lock_key(artifacts)}"


def _with_archive(spec: ServerSpec, cache: Path, runtime: Java) -> Java:
    """Give the Java with the classes that a start needs, read and verified before.

    Loading classes is half of what a start computes (measured), and a fault test restarts nodes all
    day. A Java that keeps no archives leaves the folder empty, and starts as it does.
    """

    def make(folder: Path) -> None:
        keeping = replace(runtime, options=(f"-XX:ArchiveClassesAtExit={folder / _ARCHIVE}",))
        entry = _enter(
            spec, Ask(), name=f"{spec.name}-first-{Process.current().pid}", data=None,
            owner=Process.current(), cache=cache, runtime=keeping,
        )  # fmt: skip
        supervisor.spawn(entry, deadline_s=_ARCHIVE_S)
        names = [node.name for node in entry.layout.nodes]
        try:
            wait_ready(entry, spec, asked=names, ready_s=_ARCHIVE_S)
        finally:
            end(entry, _ARCHIVE_S)

    folder = folders.made_once(cache.with_name(f"{cache.name}-java-{runtime.key}"), make)
    archive = folder / _ARCHIVE
    if not archive.exists():
        return runtime
    return replace(runtime, options=(f"-XX:SharedArchiveFile={archive}",))


def end(entry: Entry, deadline_s: float) -> None:
    """End all nodes of a server at once, wait until they are gone, and forget it.

    Raises
    ------
    OutsideError
        `DevServerFailed` when its supervisor does not end.
    """
    owner = entry.supervisor
    if owner and owner.send(signal.SIGTERM):
        wait_until(
            lambda: not owner.is_alive, deadline_s + _SLACK_S,
            f"server {entry.name!r} does not end",
        )  # fmt: skip
    # What outlived a supervisor that was killed.
    end_all([n.process for n in entry.nodes() if n.process], deadline_s=deadline_s)
    entry.forget()


def wait_until(is_done: Callable[[], bool], limit_s: float, otherwise: str) -> None:
    """Wait for something that is bound to happen soon.

    Raises
    ------
    OutsideError
        `DevServerFailed` when it does not.
    """
    until = time.monotonic() + limit_s
    while not is_done():
        if time.monotonic() > until:
            raise OutsideError(
                f"{otherwise} within {limit_s:.0f} s", code="DevServerFailed",
                fix="see mainstem dev ls",
            )  # fmt: skip
        time.sleep(_TICK_S / 2)


def _enter(
    spec: ServerSpec, ask: Ask, *, name: str, data: Path | None, owner: Process | None,
    cache: Path, runtime: Java | None,
) -> Entry:  # fmt: skip
    """Take name, data folder and ports, one starter at a time, and write everything down."""
    running = folders.running()
    with folders.alone(running / ".lock"):
        _free_name(running / name, data)
        place = data or folders.thrown_away(name)
        if data is None:
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        layout = spec.lay_out(ask, place, _ports(spec, ask), cache=cache, java=runtime)
        (running / name).mkdir(mode=0o700)
        entry = Entry(running / name, spec.name, place, data is not None, layout, owner,
                      Process.current())  # fmt: skip
        entry.save()
    return entry


def _free_name(folder: Path, data: Path | None) -> None:
    """Refuse a name or a data folder in use; dead entries make room."""
    for other in entries.every():
        is_up = other.is_alive or any(node.is_alive for node in other.nodes())
        if not is_up and (other.folder == folder or other.owner is not None):
            # Its supervisor was killed, or the machine: nobody else would ever remove it.
            other.forget()
        if is_up and (other.folder == folder or other.data == data):
            shared = f" with the data in {data}" if other.data == data else ""
            raise BusyError(
                f"server {other.name!r} is up at {other.layout.address}{shared}",
                code="DevServerUp", fix=f"mainstem dev down {other.name}, or give another --name",
            )  # fmt: skip
    # What a starter left that was killed before it had written anything.
    shutil.rmtree(folder, ignore_errors=True)


def _ports(spec: ServerSpec, ask: Ask) -> list[list[int]]:
    taken = {
        port
        for other in entries.every()
        for node in other.layout.nodes
        for port in node.ports.values()
    }
    n = ask.nodes
    first = ports.claim(ask.port, n, taken) if ask.port else ports.choose(n, taken)
    n_more = spec.n_ports(ask)
    more = ports.choose(ask.nodes * n_more, taken | set(first))
    return [[port, *more[at * n_more : (at + 1) * n_more]] for at, port in enumerate(first)]


def wait_ready(entry: Entry, spec: ServerSpec, *, asked: Sequence[str], ready_s: float) -> None:
    """Wait until nodes do their work; `DevServerFailed` when one ends, or time is up."""
    until = time.monotonic() + ready_s
    why = "its supervisor does not begin"
    while time.monotonic() < until:
        nodes = entry.nodes()
        for node in nodes:
            if node.name in asked and node.exit_code is not None:
                _fail(entry, node.name, f"ended with exit code {node.exit_code}")
        alive = [node.name for node in nodes if node.is_alive]
        if set(asked) <= set(alive):
            why = spec.not_ready(entry.layout, alive, asked)
            if not why:
                return
        elif entry.supervisor and not entry.supervisor.is_alive:
            _fail(entry, asked[0], "has lost its supervisor")
        time.sleep(_TICK_S)
    _fail(entry, asked[0], f"is not ready after {ready_s:.0f} s: {why}")


def _fail(entry: Entry, name: str, what: str) -> NoReturn:
    node = next(node for node in entry.layout.nodes if node.name == name)
    last = "\n".join(f"  | {line}" for line in _last_lines(node.log))
    raise OutsideError(
        f"node {name} of server {entry.name!r} {what}" + (f"; its log ends:\n{last}" if last else ""),
        code="DevServerFailed", fix=f"see its log with --data FOLDER: {node.log}",
    )  # fmt: skip


def _last_lines(file: Path) -> list[str]:
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line[:300] for line in lines if line.strip()][-_LAST_LINES:]
