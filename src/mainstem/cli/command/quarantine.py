"""`mainstem quarantine`: rows that were kept aside, and what is done about them."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mainstem.cli import target
from mainstem.cli.kept import counted_text, explained_text, preview_text, shown_text
from mainstem.cli.ledger import ledger_text
from mainstem.cli.limit import check_limit, say_cut
from mainstem.cli.numbers import plural
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.terminal import is_interactive
from mainstem.errors import SettingsError
from mainstem.record import record
from mainstem.runtime.start import run_options

if TYPE_CHECKING:
    from mainstem.runtime.quarantine import Quarantine

Status = Literal["open", "replayed", "dropped", "all"]
# A setting has a dot in its name; a column is one word, or stands in quotes.
_ASSIGNS = re.compile(r'\s*("[^"]+"|[^.=\s]+)\s*=')


@Parameter(name="*")
@record
class Filters:
    """Which rows of a relation.

    Parameters
    ----------
    rule : str
        Only rows that broke this rule.
    reason : str
        Only dead letters with this reason.
    run : str
        Only rows that this run kept; a beginning of its name is enough.
    ids : tuple of str
        Only these rows, as in --id 12-3; may be repeated.
    """

    rule: str = ""
    reason: str = ""
    run: str = ""
    ids: Annotated[tuple[str, ...], Parameter(name="--id")] = ()

    def given(self) -> dict[str, Any]:
        """Give them by name."""
        return {"rule": self.rule, "reason": self.reason, "run": self.run, "ids": self.ids}


NO_FILTERS = Filters()


def ls(
    file: Path | None = None, /, *, chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS
) -> int:
    """Count the rows kept aside, by relation and by rule or reason.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    """
    lines = _of(file, chosen, common).ls()
    if common.is_json:
        say_json([line.to_dict() for line in lines])
    else:
        say(counted_text(lines) if lines else "nothing has been kept aside yet")
    return 0


def show(
    relation: str, file: Path | None = None, /, *, status: Status = "open",
    limit: Annotated[int, Parameter(alias="-n")] = 20, filters: Filters = NO_FILTERS,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Show rows kept aside, the oldest first.

    Parameters
    ----------
    relation : str
        Whose rows: orders; or orders__quarantine, orders__dead where it has both.
    file : Path
        Pipeline file, or its folder.
    status : str
        open, replayed, dropped or all.
    limit : int
        How many; 20 when not given, 0 for all.
    """
    check_limit(limit)
    kept = _of(file, chosen, common)
    names, rows = kept.show(relation, limit=limit, status=status, **filters.given())
    if common.is_json:
        say_json([dict(zip(names, row, strict=True)) for row in rows])
        return 0
    if not rows:
        say(f"no row is {status}" if status != "all" else "no row is meant")
        return 0
    say(shown_text(names, rows))
    n_all = kept.count(relation, status=status, **filters.given())
    say_cut(len(rows), n_all, quiet=common.quiet)
    return 0


def explain(
    relation: str, id: str, file: Path | None = None, /, *,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Say everything about one row: what it broke, where it stood, what would happen to it now.

    Parameters
    ----------
    relation : str
        Whose row.
    id : str
        Its id, as show tells it.
    file : Path
        Pipeline file, or its folder.
    """
    found = _of(file, chosen, common).explain(relation, id)
    if common.is_json:
        say_json(found.to_dict())
    else:
        say(explained_text(found))
    return 0


def export(
    relation: str, out: Path, file: Path | None = None, /, *, status: Status = "open",
    raw: bool = False, filters: Filters = NO_FILTERS, chosen: Chosen = NO_CHOICE,
    common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Write rows kept aside to a file; they stay where they are.

    Parameters
    ----------
    relation : str
        Whose rows.
    out : Path
        A file that ends in .csv, .json or .parquet.
    file : Path
        Pipeline file, or its folder.
    status : str
        open, replayed, dropped or all.
    raw : bool
        Write the records of dead letters as they stood in their files, byte for byte, below the
        header of a CSV file.
    """
    kept = _of(file, chosen, common)
    n_rows = kept.export(relation, out, raw=raw, status=status, **filters.given())
    if common.is_json:
        say_json({"file": str(out), "rows": n_rows})
    elif not common.quiet:
        say(f"{plural(n_rows, 'row')} in {out}")
    return 0


def replay(
    relation: str, file: Path | None = None, /, *, yes: bool = False, dry_run: bool = False,
    param: tuple[str, ...] = (), filters: Filters = NO_FILTERS, chosen: Chosen = NO_CHOICE,
    common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Let open rows go through the pipeline again, judged by the present definition.

    Shows first what would become of them. --set "column = expression" gives them new values.

    Parameters
    ----------
    relation : str
        Whose rows.
    file : Path
        Pipeline file, or its folder.
    yes : bool
        Do not ask.
    dry_run : bool
        Only show what would become of the rows.
    param : tuple of str
        Value of a parameter, as in --param day=2024-01-31; may be repeated.
    """  # noqa: DOC501 - built by a function
    from mainstem.cli.command.run import params

    if any("=" not in text for text in chosen.set_):
        raise SettingsError(
            "a --set has no '='", code="SettingSyntax", fix='write --set "column = expression"'
        )
    values = tuple(text for text in chosen.set_ if _ASSIGNS.match(text))
    rest = replace(chosen, set_=tuple(text for text in chosen.set_ if text not in values))
    if common.is_json and not (yes or dry_run):
        raise _not_agreed("replayed")
    kept = _of(file, rest, common, params(param))
    shown = kept.preview(relation, set=values, **filters.given())
    if dry_run or not common.is_json:
        _say(shown.to_dict(), preview_text(shown), common)
    if dry_run:
        return 0
    if not yes and not _agreed(f"Replay {plural(shown.taken, 'row')}?"):
        raise _not_agreed("replayed")
    found = kept.replay(preview=shown)
    if common.is_json:
        say_json({"run_id": found.run_id, "status": found.status, "ledger": found.ledger})
    elif not common.quiet:
        say(ledger_text(found.ledger))
        say(f"replay {found.status} (run {found.run_id})")
    return 0


def drop(
    relation: str, file: Path | None = None, /, *, everything: Annotated[
        bool, Parameter(name="--all")] = False, yes: bool = False,
    filters: Filters = NO_FILTERS, chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Mark open rows as dropped; they stay in their table and are counted.

    Parameters
    ----------
    relation : str
        Whose rows.
    file : Path
        Pipeline file, or its folder.
    everything : bool
        All open rows; without it --rule, --reason, --run or --id says which.
    yes : bool
        Do not ask.
    """  # noqa: DOC501 - built by a function
    kept = _of(file, chosen, common)
    wanted = kept.count(relation, **filters.given())
    if not yes and not (
        not common.is_json and _agreed(f"Drop {plural(wanted, 'open row')} of {relation}?")
    ):
        raise _not_agreed("dropped")
    dropped = kept.drop(relation, everything=everything, expected=wanted, **filters.given())
    if common.is_json:
        say_json({"relation": relation, "dropped": dropped})
    elif not common.quiet:
        say(f"{plural(dropped, 'row')} of {relation} dropped")
    return 0


def _of(
    file: Path | None, chosen: Chosen, common: Common, given: dict[str, str] | None = None
) -> Quarantine:
    from mainstem.runtime.quarantine import Quarantine

    common.start_log()
    resolved = target.resolve(file, chosen)
    return Quarantine(resolved, run_options(resolved, params=given or {}, engine="embedded"))


def _say(document: dict[str, Any], text: str, common: Common) -> None:
    if common.is_json:
        say_json(document)
    elif not common.quiet:
        say(text)


def _agreed(question: str) -> bool:
    """Ask, where somebody is there to answer."""
    if not (is_interactive() and sys.stdin.isatty()):
        return False
    say(f"{question} [y/N] ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _not_agreed(done: str) -> SettingsError:
    return SettingsError(
        f"nothing was {done}: nobody agreed to it", code="NotConfirmed", fix="add --yes"
    )
