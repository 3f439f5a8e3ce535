"""`mainstem explain`: where event time stands, and what holds it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from mainstem.cli import target
from mainstem.cli.numbers import count
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.streaming import is_end_of_time
from mainstem.cli.table import table
from mainstem.cli.values import text
from mainstem.errors import SettingsError
from mainstem.plan.nodes import is_stream
from mainstem.runtime.start import state_of


def explain(
    file: Path | None = None, /, *, time: bool = False,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Say where event time stands: watermarks of partitions, sources and operators, open windows.

    Asks the stream that runs, also from another terminal; without one it reads what the last epoch
    left.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    time : bool
        Show event time; the only view of this version.

    Raises
    ------
    SettingsError
        Without --time, and for a pipeline that is no stream.
    """
    from mainstem.runtime.saved import event_times

    common.start_log()
    if not time:
        raise SettingsError(
            "what is to be explained?", code="Usage",
            fix="write mainstem explain --time; the SQL of the steps is in mainstem render",
        )  # fmt: skip
    resolved = target.resolve(file, chosen)
    plan = resolved.checked_plan()
    if not is_stream(plan):
        raise SettingsError(
            f"every source of {plan.name} ends: no event time is kept", code="Usage",
            fix="ask a pipeline with a stream",
        )  # fmt: skip
    found = event_times(plan, state_of(resolved))
    if common.is_json:
        say_json(found)
        return 0
    say(_text(found))
    return 0


def _text(found: dict[str, Any]) -> str:
    now = "the stream runs" if found["is_live"] else "as the last epoch left it"
    head = f"{found['pipeline']} at epoch {count(found['epoch'])} ({now})"
    return "\n\n".join([head, *map(_source, found["sources"]), _operators(found["operators"])])


def _source(line: dict[str, Any]) -> str:
    title = (
        f"source {line['source']}: watermark {watermark_text(line['watermark'])}, bound {line['bound_s']:g} s, "
        f"idle after {line['idle_s']:g} s"
    )
    heads = ("partition", "watermark", "position", "lag", "")
    rows = [
        (one["partition"] or "(the only one)", watermark_text(one["watermark"]), text(one["position"]),
         None if one["lag"] is None else count(one["lag"]), _state(one))
        for one in line["partitions"]
    ]  # fmt: skip
    if not rows:
        return f"{title}\nno record has come yet"
    return f"{title}\n{table(heads, rows, right=(3,), null='')}"


def _state(one: dict[str, Any]) -> str:
    if one["is_idle"]:
        return "idle: holds nothing"
    return "holds the watermark" if one["is_holding"] else ""


def _operators(lines: list[dict[str, Any]]) -> str:
    heads = ("operator", "kind", "input watermark", "output watermark", "rows kept", "open windows")
    rows = [
        (line["operator"], line["kind"], watermark_text(line["input_watermark"]),
         watermark_text(line["output_watermark"]), _count(line.get("rows")), _count(line.get("open_windows")))
        for line in lines
    ]  # fmt: skip
    shown = [table(heads, rows, right=(4, 5), null="")]
    shown += [f"\n{words}" for line in lines if (words := _held(line))]
    return "\n".join(shown)


def _held(line: dict[str, Any]) -> str:
    """Give what holds the first open window of an operator."""
    if "held_by" not in line:
        return ""
    by = line["held_by"]
    partition = f" partition {by['partition']}" if by.get("partition") else ""
    mark = watermark_text(by["watermark"]) if "watermark" in by else watermark_text(None)
    return (
        f"{line['operator']}: the window that ends {watermark_text(line['first_end'])} closes when the watermark "
        f"reaches {watermark_text(line['closes_at'])}; held by {by['source']}{partition} at {mark}"
        f" ({by.get('why', 'it is read whole first')})"
    )


def watermark_text(mark: datetime | None) -> str:
    """Give a watermark in words."""
    if mark is None:
        return "not known"
    return "the end of time" if is_end_of_time(mark) else text(mark)


def _count(number: int | None) -> str | None:
    return None if number is None else count(number)
