"""`mainstem state`: what a stream keeps, copies of it, and what is different between two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mainstem.cli import target
from mainstem.cli.command.explain import watermark_text
from mainstem.cli.numbers import count, plural, size
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import aligned, table
from mainstem.cli.values import text
from mainstem.runtime.start import state_of


def ls(
    file: Path | None = None, /, *, chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS
) -> int:
    """List the tables of the state file: tables, rows kept aside, operators, outboxes.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    """
    from mainstem.runtime.saved import shown

    common.start_log()
    found = shown(state_of(target.resolve(file, chosen)))
    if common.is_json:
        say_json(found["tables"])
        return 0
    rows = [
        (one["table"], one["kind"], count(one["rows"]), count(one["columns"]))
        for one in found["tables"]
    ]
    say(table(("table", "kind", "rows", "columns"), rows, right=(2, 3)))
    if not common.quiet:
        say(f"{plural(len(rows), 'table')}, {size(found['bytes'])}, epoch {count(found['epoch'])}")
    return 0


def show(
    file: Path | None = None, /, *, chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS
) -> int:
    """Show epoch, watermarks and positions as the last epoch has committed them.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    """
    from mainstem.runtime.saved import shown

    common.start_log()
    found = shown(state_of(target.resolve(file, chosen)))
    if common.is_json:
        say_json(found)
        return 0
    lines = [("epoch", count(found["epoch"])), ("size", size(found["bytes"]))]
    rows = sum(one["rows"] for one in found["tables"] if one["kind"] == "operator")
    lines.append(("operators", f"{plural(rows, 'row')} kept"))
    waiting = sum(one["rows"] for one in found["tables"] if one["kind"] == "outbox")
    lines.append(("outboxes", f"{plural(waiting, 'row')} waiting or not yet cleared"))
    say(aligned(lines, indent=""))
    for name, source in found["sources"].items():
        say(f"\nsource {name}: watermark {watermark_text(source['watermark'])}")
        partitions = [
            (key or "(the only one)", text(one["position"]), watermark_text(one["latest"]),
             "idle" if one["is_idle"] else "")
            for key, one in sorted(source["partitions"].items())
        ]  # fmt: skip
        say(table(("partition", "position", "latest event", ""), partitions))
    return 0


def backup(
    folder: Path, file: Path | None = None, /, *, chosen: Chosen = NO_CHOICE,
    common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Copy the state at one epoch into a new folder; also while the stream runs.

    Parameters
    ----------
    folder : Path
        A folder that does not exist yet.
    file : Path
        Pipeline file, or its folder.
    """
    from mainstem.runtime.saved import backup as copy

    common.start_log()
    found = copy(state_of(target.resolve(file, chosen)), folder)
    _say_copied(found, "saved to", common)
    return 0


def restore(
    folder: Path, file: Path | None = None, /, *, chosen: Chosen = NO_CHOICE,
    common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Make the state of a backup; refused where there is one already.

    The next run brings it to sinks that have later epochs than the backup: nothing is lost or doubled.

    Parameters
    ----------
    folder : Path
        What `mainstem state backup` has made; of a folder of backups the newest.
    file : Path
        Pipeline file, or its folder.
    """
    from mainstem.runtime.saved import restore as put_back

    common.start_log()
    found = put_back(state_of(target.resolve(file, chosen)), folder)
    _say_copied(found, "restored to", common)
    return 0


def _say_copied(found: dict[str, Any], words: str, common: Common) -> None:
    if common.is_json:
        say_json(found)
    elif not common.quiet:
        say(f"epoch {count(found['epoch'])} {words} {found['path']} ({size(found['bytes'])})")


def diff(
    one: Path, other: Path | None = None, /, *, file: Path | None = None,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Compare two states, or a backup with the state of now: epoch, watermarks, positions, rows.

    Parameters
    ----------
    one : Path
        A backup or state directory.
    other : Path
        Another one; the pipeline's own state when not given, which no run may hold.
    file : Path
        Pipeline file, or its folder.
    """
    from mainstem.runtime.query import refuse_while_running
    from mainstem.runtime.saved import difference

    common.start_log()
    second = other or state_of(target.resolve(file, chosen))
    refuse_while_running(second)
    found = difference(one, second)
    if common.is_json:
        say_json(found)
        return 0
    say(_compared(found, str(one), str(second)))
    return 0


def _compared(found: dict[str, Any], one: str, other: str) -> str:
    left, right = found["one"], found["other"]
    rows: list[tuple[str, ...]] = [("epoch", count(left["epoch"]), count(right["epoch"]))]
    for name in sorted({*left["watermarks"], *right["watermarks"]}):
        marks = [watermark_text(side["watermarks"].get(name)) for side in (left, right)]
        rows.append((f"watermark of {name}", *marks))
        places = [side["positions"].get(name, {}) for side in (left, right)]
        rows += [
            (f"position of {name} {key}".rstrip(), *(text(at.get(key)) for at in places))
            for key in sorted({*places[0], *places[1]}) if places[0].get(key) != places[1].get(key)
        ]  # fmt: skip
    lines = [table(("", one, other), [row for row in rows if row[1] != row[2]])]
    if all(row[1] == row[2] for row in rows):
        lines = ["both are at the same epoch, watermarks and positions"]
    if not found["tables"]:
        return "\n".join([*lines, "the tables are the same"])
    return "\n".join([*lines, "", table(("table", "kind", "difference"), [
        (line["table"], line["kind"], _difference(line)) for line in found["tables"]
    ])])  # fmt: skip


def _difference(line: dict[str, Any]) -> str:
    if line["change"] != "rows":
        return str(line["change"])
    return (
        f"{line['only_in_one']:,} only in the first, {line['only_in_other']:,} only in the second"
    )
