"""`mainstem doctor`: looks at the machine and the installation."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from mainstem.cli.numbers import plural, size
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import aligned
from mainstem.errors import DefinitionError, MainstemError, SettingsError
from mainstem.record import record

PYTHONS = ((3, 11), (3, 13))
LEAST_MEMORY, LEAST_DISK = 1_000_000_000, 1_000_000_000
# Shown as they are; of every other variable of ours only the name is shown.
HARMLESS = ("LANG", "LC_ALL", "TZ", "TERM", "NO_COLOR", "MAINSTEM_ENV")
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
MEMINFO = Path("/proc/meminfo")


@record
class Line:
    """One thing that was looked at; `fix` is empty when all is well."""

    name: str
    found: str
    fix: str = ""
    is_fatal: bool = False

    def to_dict(self) -> dict[str, object]:
        """Give the line as plain data for ``-o json``."""
        state = "failed" if self.is_fatal else "warning" if self.fix else "ok"
        return {"name": self.name, "found": self.found, "state": state, "fix": self.fix}


def doctor(
    file: Path | None = None, /, *, build: bool = False, engine: str = "", chosen: Chosen = NO_CHOICE,
    common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Check this machine and this installation; attach the answer to an issue, it has no secrets.

    Exits with 2 when something that a run needs is missing.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder: its state directory is looked at too.
    build : bool
        Compile the fast readers of Kafka and of JSON first, with the C compiler of this machine.
    engine : str
        Look also at what this engine needs: spark.
    """
    common.start_log()
    if build:
        _build()
    lines = [
        _mainstem(),
        _python(),
        _system(),
        _duckdb(),
        *_packages(),
        _kafka(),
        _json(),
        memory(),
        _cores(),
    ]
    lines += _engine(engine)
    lines += [_disk(Path()), *_state(file, chosen), *_environment()]
    if common.is_json:
        say_json({"ok": not any(line.is_fatal for line in lines),
                  "checks": [line.to_dict() for line in lines]})  # fmt: skip
    else:
        rows = [
            ("FAIL" if line.is_fatal else "warn" if line.fix else "ok", line.name, line.found)
            for line in lines
        ]
        say(aligned(rows, indent=""))
        for line in lines:
            if line.fix:
                say(f"fix {line.name}: {line.fix}")
    return SettingsError.exit_code if any(line.is_fatal for line in lines) else 0


def _mainstem() -> Line:
    from mainstem import __version__

    return Line("mainstem", f"{__version__} in {Path(__file__).parents[2]}")


def _python() -> Line:
    version = f"{platform.python_version()} ({platform.python_implementation()}) {sys.executable}"
    if sys.version_info[:2] < PYTHONS[0]:
        return Line("python", version, "use Python 3.11, 3.12 or 3.13", is_fatal=True)
    is_tested = sys.version_info[:2] <= PYTHONS[1]
    return Line("python", version, "" if is_tested else "tested are 3.11, 3.12 and 3.13")


def _system() -> Line:
    return Line("system", f"{platform.system()} {platform.release()} {platform.machine()}")


def _duckdb() -> Line:
    """Ask the engine itself: a package that is installed need not load."""
    from mainstem.runtime.run import load_engine

    fix = "install mainstem again: it brings a DuckDB of its line 2.0"
    try:
        version = load_engine("embedded").versions()["duckdb"]
    except ImportError as error:
        return Line("duckdb", f"cannot be loaded: {error}", fix, is_fatal=True)
    is_right = version.startswith("2.0.")
    return Line("duckdb", version, "" if is_right else fix, is_fatal=not is_right)


def _packages() -> list[Line]:
    lines = []
    for name in ("cyclopts", "rich"):
        try:
            lines.append(Line(name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            lines.append(Line(name, "not installed"))
    return lines


def _build() -> None:
    from mainstem.engines.embedded.native import build, columns
    from mainstem.engines.embedded.stream.readers.kafka import build as kafka

    build.build(columns.UNIT)
    if kafka.is_here():
        kafka.build()


def _engine(name: str) -> list[Line]:
    """Say what an engine needs, and has."""
    from mainstem.runtime.run import load_engine

    if not name or load_engine(name).name != "spark":
        return []
    from mainstem.engines.spark.installed import found

    return [Line(what, has, fix, is_fatal=bool(fix)) for what, has, fix in found()]


def _kafka() -> Line:
    """Say how topics would be read; that they cannot be is no fault of an installation without them."""
    from mainstem.engines.embedded.stream.readers.kafka import build

    return Line("kafka reader", build.state())


def _json() -> Line:
    """Say how messages of JSON are read."""
    from mainstem.engines.embedded.native import columns

    return Line("json reader", columns.state())


def memory() -> Line:
    """Give the memory of the machine, or of the container when that has less."""
    known = [n for n in (_number(MEMINFO, _meminfo), _number(CGROUP_LIMIT, int)) if n]
    if not known:
        return Line("memory", "not known on this system")
    n_bytes = min(known)
    fix = "" if n_bytes >= LEAST_MEMORY else 'set [run] memory_limit = "500MB" in mainstem.toml'
    return Line("memory", size(n_bytes), fix)


def _number(path: Path, read: Callable[[str], int]) -> int:
    try:
        return read(path.read_text().strip())
    except (OSError, ValueError, IndexError):
        # Not this system, or the word "max": no limit.
        return 0


def _meminfo(text: str) -> int:
    lines = [line for line in text.splitlines() if line.startswith("MemTotal:")]
    return int(lines[0].split()[1]) * 1024


def _cores() -> Line:
    # What this process may use: a container often has fewer than the machine.
    has_affinity = hasattr(os, "sched_getaffinity")
    n_cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return Line("cores", str(n_cores))


def _disk(folder: Path) -> Line:
    free = shutil.disk_usage(folder).free
    fix = "" if free >= LEAST_DISK else "free some space: outputs are staged beside the old ones"
    return Line("disk", f"{size(free)} free in {folder.absolute()}", fix)


def _state(file: Path | None, chosen: Chosen) -> list[Line]:
    """Look at the state directory of a pipeline; without a file, only where there is one here."""
    from mainstem.cli import target
    from mainstem.runtime.start import state_of
    from mainstem.runtime.status import status

    try:
        resolved = target.resolve(file, chosen)
        folder = state_of(resolved)
        found = status(folder)
    except DefinitionError as error:
        if file is None and error.finding.code == "PipelineFileMissing":
            return [Line("state", "no pipeline file in this folder")]
        return [Line("state", error.finding.what, error.finding.fix, is_fatal=True)]
    except MainstemError as error:
        return [Line("state", error.finding.what, error.finding.fix, is_fatal=True)]
    holder = f", held by pid {found.holder.pid}" if found.holder else ""
    line = Line("state", f"{folder}: {plural(found.n_runs, 'run')}{holder}")
    if not os.access(_existing(folder), os.W_OK):
        return [Line("state", line.found, "run where you may write, or name another --state-dir",
                     is_fatal=True)]  # fmt: skip
    return [line]


def _existing(folder: Path) -> Path:
    full = folder.absolute()
    return next(place for place in (full, *full.parents) if place.exists())


def _environment() -> list[Line]:
    lines = [Line(f"${name}", os.environ[name]) for name in HARMLESS if name in os.environ]
    ours = sorted(n for n in os.environ if n.startswith("MAINSTEM_") and n not in HARMLESS)
    return lines + [Line(f"${name}", "set (not shown)") for name in ours]
