"""Tables that a failed run had finished, kept until a run asks for them or does without.

While a run goes on, `resume.json` in the state directory says which of its tables are finished and
where they are staged. When the run fails, or the next start finds it killed, those move to `kept/`
there; everything else that was staged is removed as ever. Only the last failed run keeps anything,
and nothing is kept of one that filled the disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.engines.embedded.writing.stage import check_parts
from mainstem.engines.embedded.writing.staged import Staged, Staging
from mainstem.engines.embedded.writing.write import sink_select
from mainstem.engines.spec import Event, RunSettings
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan, fingerprint
from mainstem.plan.selection import above
from mainstem.record import mutable, record
from mainstem.storage.local.commit import part_prefix
from mainstem.storage.local.durable import remove, sha256, sync_tree
from mainstem.storage.local.manifest import WrittenFile, read_manifest, strangers, write_manifest

NAME = "resume.json"
FOLDER = "kept"
FORMAT = 1


@record
class Finished:
    """A table as it was staged.

    Parameters
    ----------
    step, run_id, print : str
        Whose it is, who made it, and what it is a function of.
    place : str
        The staged file or folder.
    rows, files, bytes : int
        What is in it.
    sha256 : str
        Of a file; a folder has a manifest with the checksums of its files.
    parts : tuple of str
        The partitions of a folder.
    """

    step: str
    run_id: str
    print: str
    place: str
    rows: int
    files: int
    bytes: int
    sha256: str = ""
    parts: tuple[str, ...] = ()


@mutable
class Resume:
    """What this run takes over from a failed one, and what it would leave itself."""

    settings: RunSettings
    plan: Plan
    found: dict[str, Finished] = field(default_factory=dict)
    finished: list[Finished] = field(default_factory=list)
    chosen: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: RunSettings, plan: Plan) -> Resume:
        """Read what is kept when it is asked for; else it is nobody's any more."""
        if not settings.is_resumed:
            forget(settings.state_dir)
            return cls(settings, plan)
        return cls(settings, plan, {f.step: f for f in _read(settings.state_dir)})

    def choose(
        self, outputs: Mapping[str, Output], positions: Mapping[str, str]
    ) -> Iterator[Event]:
        """Decide which tables are taken over; tell about each that was kept and cannot be."""
        chosen = []
        for name, found in self.found.items():
            why = self._unfit(name, found, outputs, positions)
            if why:
                yield Event("step_recomputed", name, {"run_id": found.run_id, "why": why})
            else:
                chosen.append(name)
        self.chosen = frozenset(chosen)
        for name, output in outputs.items():
            if self.found and name not in self.found and _is_grown(output):
                why = "what is added to a sink is not kept"
                yield Event("step_recomputed", name, {"run_id": "", "why": why})
        if not self.found:
            yield Event("nothing_kept", self.plan.name)

    def _unfit(
        self, name: str, found: Finished, outputs: Mapping[str, Output],
        positions: Mapping[str, str],
    ) -> str:  # fmt: skip
        output = outputs.get(name)
        if output is None:
            return "it is not computed by this run"
        if found.print != self.print_of(output, positions):
            return "its definition, parameters or sources are others now"
        if self.plan.readers(name) and not is_readable(output):
            return "another step reads it, and its file does not hold the rows exactly"
        if not _is_whole(found):
            return "its file is not as it was left"
        return ""

    def needed(self) -> frozenset[str]:
        """Give the sources and steps that have to be read or computed."""
        wanted = [s.name for s in self.plan.tables if s.name not in self.chosen]
        # Rules are judged whether or not a table is made of what they are about.
        for rule in self.plan.expectations:
            inside = t.walk(rule.test) if rule.test is not None else ()
            wanted += [
                rule.on,
                *(n.name for n in inside if isinstance(n, t.Table) and not n.is_cte),
            ]
        reached: set[str] = set(wanted)
        waiting = list(wanted)
        while waiting:
            step = self.plan.step(waiting.pop())
            # What stands above a table that is taken over is not needed for its sake.
            for name in () if step is None or step.name in self.chosen else step.inputs:
                if name not in reached:
                    reached.add(name)
                    waiting.append(name)
        return frozenset(reached)

    def print_of(self, output: Output, positions: Mapping[str, str]) -> str:
        """Give what a table is a function of, "" when it may not be taken over at all."""
        step = output.step
        if output.kind == "state" or _is_grown(output):
            return ""
        names = above(self.plan, [step.name]) | {step.name}
        sources = [s for s in self.plan.sources if s.name in names]
        steps = [s for s in self.plan.steps if s.name in names]
        has_rules = any(self.plan.expected_of(name) for name in names)
        # Bad rows are counted and kept by the run that reads them: it has to read them.
        if has_rules or any(s.on_bad != "fail" for s in sources):
            return ""
        if any(s.job is not None or not _is_repeatable(s.query) for s in steps):
            return ""
        read = [[s.name, positions.get(s.name, "")] for s in sources]
        options = step.sink.options if step.sink else ()
        own = self.settings.prints.get(step.name, "")
        return fingerprint([own, read, output.place, options])

    def adopt(self, staging: Staging, session: Session) -> Staged:
        """Make a kept table one that this run has staged."""
        found, output, root = self.found[staging.output.step.name], staging.output, staging.root
        remove(root)
        root.parent.mkdir(parents=True, exist_ok=True)
        Path(found.place).replace(root)
        target = replace(
            staging.target, rows=found.rows, parts=found.parts, token=staging.token,
            sha256=found.sha256 if output.kind == "file" else "",
        )  # fmt: skip
        if output.kind in ("folder", "partitions"):
            check_parts(output, found.parts)
            write_manifest(
                root, staging.manifest(_renamed(root, found.run_id, staging), found.rows)
            )
            sync_tree(root)
        if self.plan.readers(output.step.name):
            columns = ", ".join(quoted(c) for c in output.step.schema.names)
            place = root if root.is_file() else root / "**/*.parquet"
            session.rows(
                f"CREATE TEMP VIEW {quoted(output.step.name)} AS SELECT {columns} "
                f"FROM read_parquet({literal(str(place))}, hive_partitioning = false)"
            )
        staged = Staged(output, found.rows, staging.token, target, found.files, found.bytes)
        self.finished.append(replace(found, run_id=self.settings.run_id, place=str(root)))
        return staged

    def adopted(self) -> None:
        """Say that what was kept is this run's now."""
        if self.chosen or self.found:
            write(self.settings.state_dir, self.finished)
            remove(self.settings.state_dir / FOLDER)

    def note(self, staged: Staged, positions: Mapping[str, str], *, is_last: bool) -> None:
        """Remember that a table is finished; in the file too, while there are others to come."""
        target = staged.target
        own = self.print_of(staged.output, positions)
        if target is None or not own:
            return
        place = Path(target.staged)
        # The last one is written down when the run fails: a kill from here on costs one table.
        check = target.sha256 or ("" if is_last else _checksum(place))
        self.finished.append(Finished(
            staged.output.step.name, self.settings.run_id, own, str(place), staged.rows,
            staged.files, staged.bytes, check, target.parts,
        ))  # fmt: skip
        if not is_last:
            write(self.settings.state_dir, self.finished)

    def keep(self) -> None:
        """Keep what this run has finished, as it fails."""
        if self.finished:
            self.finished = [
                f if f.sha256 else replace(f, sha256=_checksum(Path(f.place)))
                for f in self.finished
            ]
            write(self.settings.state_dir, self.finished)
            keep_finished(self.settings.state_dir, self.settings.run_id)


def is_readable(output: Output) -> bool:
    """Say whether the staged file gives back the very rows of the step."""
    if output.kind != "duckdb" and (output.format != "parquet" or output.partition_by):
        return False
    return output.schema == output.step.schema or sink_select("", output) == ""


def _is_grown(output: Output) -> bool:
    """Say whether the staged folder holds what earlier runs wrote: it fits to that moment only."""
    return output.kind != "duckdb" and output.mode != "overwrite"


def _is_repeatable(query: t.Query) -> bool:
    rows = catalogue()
    names = {n.name for n in t.walk(query) if isinstance(n, t.Call)} - {"grouping"}
    # A name without a row is a Python function, which may read what no fingerprint knows of.
    return all(name in rows and rows[name].is_deterministic for name in names)


def _checksum(place: Path) -> str:
    return sha256(place) if place.is_file() else ""


def _is_whole(found: Finished) -> bool:
    place = Path(found.place)
    if place.is_file():
        return sha256(place) == found.sha256
    manifest = read_manifest(place) if place.is_dir() else None
    if manifest is None or strangers(place, manifest):
        return False
    return all(
        (place / f.name).is_file() and sha256(place / f.name) == f.sha256 for f in manifest.files
    )


def _renamed(root: Path, run_id: str, staging: Staging) -> list[WrittenFile]:
    """Give the files of a folder this run's names: a repair tells by them what is new."""
    manifest = read_manifest(root)
    before, after = part_prefix(run_id), part_prefix(staging.settings.run_id)
    files = []
    for file in manifest.files if manifest else ():
        path = root / file.name
        fresh = path.with_name(after + path.name.removeprefix(before))
        path.rename(fresh)
        files.append(replace(file, name=fresh.relative_to(root).as_posix()))
    return files


def write(state_dir: Path, finished: list[Finished]) -> None:
    """Write down which tables are finished.

    Nobody waits for the disk: a kill takes nothing of it, and what a power cut does is seen by the
    checksums of the tables, or by a file that cannot be read.
    """
    entries = [{name: getattr(f, name) for name in f.__dataclass_fields__} for f in finished]
    beside = state_dir / f".{NAME}.new"
    beside.write_text(json.dumps({"format": FORMAT, "finished": entries}))
    beside.replace(state_dir / NAME)


def _read(state_dir: Path) -> list[Finished]:
    try:
        data = json.loads((state_dir / NAME).read_bytes())
        if data["format"] != FORMAT:
            return []
        return [Finished(**f | {"parts": tuple(f["parts"])}) for f in data["finished"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # Nothing depends on it: what cannot be read is computed again, and the run says so.
        return []


def keep_finished(state_dir: Path, run_id: str) -> None:
    """Move the finished tables of a run that came to nothing out of the way of its sinks."""
    found = _read(state_dir)
    if not found or any(f.run_id != run_id for f in found):
        return
    folder = state_dir / FOLDER
    remove(folder)
    folder.mkdir()
    kept = []
    for at, one in enumerate(found):
        place = folder / str(at)
        try:
            Path(one.place).rename(place)
        except OSError:
            # On another file system, or gone: it is computed again.
            continue
        kept.append(replace(one, place=str(place)))
    write(state_dir, kept)


def forget(state_dir: Path) -> None:
    """Remove what is kept."""
    remove(state_dir / NAME)
    remove(state_dir / FOLDER)
