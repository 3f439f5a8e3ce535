"""One run for each value of a parameter, as when a table is filled for days that are past.

Each run has a key of its own, made of the parameter and its value, so that a value that is done is
known to be done, whoever started it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from mainstem.definition.parameter import parse_value, unknown
from mainstem.engines.spec import Event
from mainstem.errors import NOWHERE, CheckFailed, MainstemError, SettingsError, listing
from mainstem.plan.nodes import Param, Plan
from mainstem.plan.selection import chosen_tables
from mainstem.record import record
from mainstem.runtime.fingerprints import described
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.status import runs
from mainstem.sql.delta import is_incremental

MOST = 10_000
EXAMPLE = "write --param day=2026-01-01..2026-01-31, or --param region=north,south"


@record
class Backfill:
    """The values of one parameter, in order, and the texts of the others."""

    param: Param
    values: tuple[Any, ...]
    others: tuple[tuple[str, str], ...] = ()

    def key(self, value: Any, given: str = "") -> str:
        """Give the run key of a value: the same one whenever it is run again."""
        others = "".join(f" {name}={text}" for name, text in self.others)
        return f"{given or 'backfill'} {self.param.name}={text_of(value)}{others}"


def text_of(value: Any) -> str:
    """Give a value as a command would be given it."""
    return value.isoformat() if isinstance(value, date) else str(value)


def backfill_of(plan: Plan, params: Mapping[str, str]) -> Backfill:
    """Read which parameter has several values, and which.

    Parameters
    ----------
    plan : Plan
        The whole plan.
    params : mapping
        Texts by name. ``a..b`` is a range of dates or whole numbers, both ends included; ``a,b,c`` a
        list. Exactly one parameter may have either.

    Raises
    ------
    CheckFailed
        For a parameter that the pipeline does not have.
    SettingsError
        When none or several have many values, or a range is empty or too long.
    DefinitionError
        When a value is not of the parameter's type.
    """
    known = {param.name.lower(): param for param in plan.params}
    for name in params:
        if name.lower() not in known:
            raise CheckFailed([unknown(name, plan.params, NOWHERE)])
    several = [name for name, text in params.items() if ".." in text or "," in text]
    if len(several) != 1:
        what = f"{listing(several)} each have" if several else "no parameter has"
        raise SettingsError(
            f"{what} several values, and a backfill is over one", code="BackfillValues",
            fix=EXAMPLE,
        )  # fmt: skip
    (name,) = several
    param = known[name.lower()]
    rest = tuple((known[n.lower()].name, text) for n, text in params.items() if n != name)
    return Backfill(param, _values(param, params[name]), rest)


def _values(param: Param, text: str) -> tuple[Any, ...]:
    found: list[Any] = []
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        start = parse_value(first, param.type, param.name)
        if dots:
            found += _range(param, start, parse_value(last, param.type, param.name), part)
        else:
            found.append(start)
    return tuple(dict.fromkeys(found))


def _range(param: Param, start: Any, end: Any, text: str) -> list[Any]:
    if isinstance(start, datetime) or not isinstance(start, date | int) or isinstance(start, bool):
        raise SettingsError(
            f"{param.name}={text} is a range, and {param.name} is a {param.type}",
            code="BackfillValues", fix="list the values: a,b,c; ranges are of dates and whole numbers",
        )  # fmt: skip
    n = (end - start).days if isinstance(start, date) else end - start
    if not 0 <= n < MOST:
        why = "ends before it begins" if n < 0 else f"has more than {MOST:,} values"
        raise SettingsError(
            f"{param.name}={text} {why}", code="BackfillValues", fix="give a range such as a..b"
        )
    step: Any = timedelta(days=1) if isinstance(start, date) else 1
    return [start + i * step for i in range(n + 1)]


def done_keys(plan: Plan, select: Sequence[str], state_dir: Path) -> frozenset[str]:
    """Give the run keys under which this very definition has written all that is chosen."""
    tables = chosen_tables(plan, select)
    print_ = described(plan)["fingerprint"]
    written: dict[str, set[str]] = {}
    for past in runs(state_dir):
        if past.is_committed and past.run_key and past.plan.get("fingerprint") == print_:
            written.setdefault(past.run_key, set()).update(past.tables)
    return frozenset(key for key, names in written.items() if tables <= names)


def backfill(
    plan: Plan, work: Backfill, options: RunOptions, *, skip: Container[str] = ()
) -> Iterator[tuple[str, Event]]:
    """Run the plan once for each value; give each event with the value it belongs to.

    A value whose key is in `skip` is told as ``value_skipped``. The first run that fails ends it.

    Raises
    ------
    SettingsError
        When a source is incremental: its new rows would all be of the first value.
    MainstemError
        Of the run that failed, the value named in its text.
    """
    _refuse_incremental(plan)
    for value in work.values:
        key, text = work.key(value, options.run_key), text_of(value)
        facts = {"value": text, "run_key": key}
        if key in skip:
            yield text, Event("value_skipped", work.param.name, facts)
            continue
        yield text, Event("value_started", work.param.name, facts)
        params = dict(work.others) | {work.param.name: value}
        try:
            with closing(
                cast("Any", run(plan, replace(options, params=params, run_key=key)))
            ) as it:
                for event in it:
                    yield text, event
        except MainstemError as error:
            what = f"{work.param.name}={text}: {error.finding.what}"
            error.finding = replace(error.finding, what=what)
            raise
        # Only the run that failed had left anything, and it was that of the first value to do.
        options = replace(options, resume=False)


def _refuse_incremental(plan: Plan) -> None:
    for source in plan.sources:
        if is_incremental(source):
            is_cursor = bool(source.binding.as_dict().get("cursor"))
            option = "cursor=" if is_cursor else "incremental=false"
            raise SettingsError(
                f"source {source.name!r} is incremental: the first value would get all that is new, "
                "and the others nothing", where=source.where, code="BackfillIncremental",
                fix=f"read it whole: --set sources.{source.name}.{option}",
            )  # fmt: skip
