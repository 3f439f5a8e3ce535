"""`mainstem profile`: what data looks like, and what to expect of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mainstem.cli import target
from mainstem.cli.inference import identifier
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import fitted, table
from mainstem.cli.terminal import harmless
from mainstem.errors import SettingsError

if TYPE_CHECKING:
    from mainstem.engines.profile import ColumnProfile, RelationProfile
    from mainstem.runtime.profile import Profile, ProfileOptions
    from mainstem.runtime.profile_compare import Comparison

# How a difference that matters ends the command: that of data, as for a rule that is broken.
DIFFERENT = 6


def profile(
    file: Path | None = None, /, *names: str, sample: int = 0, details: bool = False,
    no_values: bool = False, suggest: Literal["python", "sql"] | None = None, html: Path | None = None,
    compare: Path | None = None, memory_limit: str = "", threads: int = 0,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Show what data looks like: NULLs, ranges, distinct and frequent values, histograms, keys.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder; or a CSV, JSON lines, Parquet or text file.
    names : str
        Sources, and tables of the last run that are kept in the state file; all when not given.
    sample : int
        How many rows of each are looked at; 0, all of them, when not given.
    details : bool
        Print everything that is known of each column.
    no_values : bool
        Tell no value of a text and no frequent value: they may be nobody's business.
    suggest : str
        Print expectations that hold for the data, as python or sql code.
    html : Path
        Write the profile as an HTML page.
    compare : Path
        Say what is different from an earlier profile, which -o json wrote.
    memory_limit : str
        What the engine may use before it spills to disk, such as 2GB.
    threads : int
        Threads of the engine; one a core when not given.
    """
    from mainstem.runtime.profile import ProfileOptions, read_profile, write_text

    common.start_log()
    earlier = None if compare is None else read_profile(compare)
    options = ProfileOptions(sample, not no_values, memory_limit, threads)
    found = _profiled(file, names, options, chosen)
    if html is not None:
        write_text(html, found.to_html())
    if earlier is not None:
        different = found.compare(earlier)
        _say_comparison(different, common)
        return DIFFERENT if different.has_changed else 0
    if suggest is not None:
        code = found.suggest(suggest)
        if common.is_json:
            say_json({"language": suggest, "code": code})
        else:
            say(code, end="")
    elif common.is_json:
        say_json(found.to_dict())
    elif html is None or details:
        _say_profile(found, details=details)
    if html is not None and not common.quiet and not common.is_json and suggest is None:
        say(f"written: {html}")
    return 0


def _profiled(
    file: Path | None, names: tuple[str, ...], options: ProfileOptions, chosen: Chosen
) -> Profile:
    from mainstem.runtime.profile import profile_file
    from mainstem.runtime.profile_target import profile_resolved, refuse_sample

    refuse_sample(options.sample)
    is_pipeline = file is None or file.is_dir() or file.suffix.lower() in (".py", ".sql")
    if file is not None and not is_pipeline:
        if names:
            raise SettingsError(
                f"a data file has no source {names[0]!r}", code="Usage", fix="name the file alone"
            )
        return profile_file(file, identifier(file), options)
    return profile_resolved(target.resolve(file, chosen), names, options)


def _say_profile(found: Profile, *, details: bool) -> None:
    width = shutil.get_terminal_size((100, 24)).columns
    for number, relation in enumerate(found.relations):
        if number:
            say("")
        _say_relation(relation, width)
        if details:
            for column in relation.columns:
                _say_details(column)


def _say_relation(relation: RelationProfile, width: int) -> None:
    from mainstem.runtime.profile_words import distinct, extent, share, spark, summary

    say(harmless(f"{relation.name}: {summary(relation)}"))
    _say_dead(relation)
    rows = [
        (
            column.name, column.type, share(column.nulls, column.rows), distinct(column),
            extent(column), spark(column, 20 if width >= 80 else 10),
        )
        for column in relation.columns
    ]  # fmt: skip
    heads = ("column", "type", "NULL", "distinct", "extent", "distribution")
    say(table(heads, fitted(heads, rows, width, (1, 0, 4)), right=(2, 3)))


def _say_dead(relation: RelationProfile) -> None:
    from mainstem.runtime.profile_words import place

    for reason, count in relation.dead.reasons:
        say(f"  bad: {reason} ({count:,})")
    for one in relation.dead.samples:
        say(harmless(f"    {place(one)}: {one.get('message') or one['reason']}"))


def _say_details(column: ColumnProfile) -> None:
    from mainstem.runtime.profile_words import details

    say("")
    say(harmless(f"{column.name} {column.type}"))
    for label, text in details(column):
        say(f"  {label:<14}{harmless(' '.join(text.split()))}")


def _say_comparison(found: Comparison, common: Common) -> None:
    if common.is_json:
        say_json(found.to_dict())
        return
    if not found.differences:
        say("nothing is different")
        return
    for one in found.differences:
        name = f"{one.relation}.{one.column}" if one.column else one.relation
        say(harmless(f"{'changed' if one.is_change else 'note   '}  {name}: {one.what}"))
