"""A worker process: loads functions, calls them for batches that come in, and ends with its run.

Started by the engine as ``python -m mainstem.runtime.worker``; it speaks on its standard input and output
with the run alone. What the functions print goes to standard error.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from mainstem.definition.load import load
from mainstem.engines.embedded.python.by_value import unpickled
from mainstem.engines.embedded.python.evaluate import CallFailed, Evaluator, Failure
from mainstem.engines.embedded.python.wire import packed, unpacked
from mainstem.errors import MainstemError
from mainstem.mapreduce.frames import send
from mainstem.mapreduce.serving import serving
from mainstem.plan.nodes import PythonFunction
from mainstem.sql.lift_calls import MapCall


def main() -> None:
    """Work until the run closes the pipe."""
    next_task, answers = serving()
    maps: dict[int, Evaluator] = {}
    functions: dict[str, PythonFunction] = {}
    opened: dict[str, Any] = {}
    while True:
        word, given = next_task()
        if word == "batch":
            number, task = given
            send(answers, _answer(maps[number], task))
            continue
        try:
            functions |= _functions(given, functions)
        except Exception as error:  # noqa: BLE001 - whatever loading the user's code raises
            send(answers, ("failed", _said(error)))
            continue
        calls = tuple(MapCall(*call) for call in given["calls"])
        maps[given["number"]] = Evaluator(functions, calls, opened)
        send(answers, ("ready", ""))


def _answer(evaluator: Evaluator, task: bytes) -> tuple[str, Any]:
    columns, rows = unpacked(task)
    try:
        found = evaluator.batch(columns, rows)
    except CallFailed as error:
        return "failed", _plain(error.failure)
    left = rows if found.rows is None else len(found.rows)
    body = packed(list(found.results), left)
    return "done", {"results": body, "dead": [_plain(d) for d in found.dead], "rows": found.rows}


def _plain(failure: Failure) -> dict[str, Any]:
    return {name: getattr(failure, name) for name in Failure.__dataclass_fields__}


def _said(error: Exception) -> str:
    what = str(error) if isinstance(error, MainstemError) else f"{type(error).__name__}: {error}"
    return f"a worker could not load the functions: {what}"


def _functions(
    setup: dict[str, Any], known: dict[str, PythonFunction]
) -> dict[str, PythonFunction]:
    """Load the functions of a map that no earlier map has brought."""
    sys.path[:] = setup["path"]
    wanted = [facts for facts in setup["functions"] if facts["name"] not in known]
    homes: dict[str, dict[str, PythonFunction]] = {}
    for home in dict.fromkeys(facts["home"] for facts in wanted if facts["home"]):
        pipeline = load(home, setup["pipeline"])
        homes[home] = {one.name: one for one in pipeline.functions}
    return {facts["name"]: _loaded(facts, homes.get(facts["home"], {})) for facts in wanted}


def _loaded(facts: dict[str, Any], declared: dict[str, PythonFunction]) -> PythonFunction:
    name = facts["name"]
    if facts["home"]:
        found = declared.get(name)
        if found is None or found.digest != facts["digest"]:
            raise RuntimeError(f"{facts['home']} has changed since the run began")
        # What the declaration leaves open is decided by the run.
        return replace(found, on_error=facts["on_error"])
    return unpickled(facts)


if __name__ == "__main__":
    main()
