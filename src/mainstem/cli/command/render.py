"""`mainstem render`: the SQL of the steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.cli import target
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.errors import DefinitionError, SettingsError, listing, nearest

if TYPE_CHECKING:
    from mainstem.engines.spec import Statement
    from mainstem.sql.lift import Map


def render(
    *names: str, engine: str = "embedded", chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Print the SQL of the steps: as Mainstem understood it, and as the engine gets it.

    Parameters
    ----------
    names : str
        A pipeline file or its folder, a step, or both; all steps when none is named.
    engine : str
        Whose SQL: embedded or spark.
    """
    from mainstem.runtime.run import load_engine, refuse_gaps

    common.start_log()
    file, step = _file_and_step(names)
    plan = target.resolve(file, chosen).checked_plan()
    found = load_engine(engine)
    # To print it, nothing has to be installed.
    refuse_gaps(found, plan, but="PackageMissing")
    statements = found.compile(plan).statements
    if step:
        statements = _only(statements, step)
    if common.is_json:
        say_json({"pipeline": plan.name, "engine": found.name, "steps": [
            {"name": s.step.name, "mainstem": canonical(s), found.name: s.sql}
            | ({"maps": _maps(s)} if s.maps else {})
            | ({"functions": dict(s.helpers())} if s.helpers() else {})
            | ({"job": s.step.job.to_text()} if s.step.job else {})
            for s in statements
        ]})  # fmt: skip
        return 0
    say("\n\n".join(
        f"{_job(s)}-- {s.step.name}: Mainstem\n{canonical(s)}\n\n{_called(s)}"
        f"-- {s.step.name}: {found.name}\n{s.sql}{_helpers(s)}"
        for s in statements
    ))  # fmt: skip
    return 0


def _job(statement: Statement) -> str:
    """Give what a step does in Python with the rows of the SQL that follows."""
    job = statement.step.job
    return "" if job is None else f"-- {statement.step.name}: {job.to_text()}, over the rows of\n"


def _maps(statement: Statement) -> list[dict[str, object]]:
    """Give what comes before a step's SQL: the rows for its Python functions, and the calls."""
    return [
        {"name": made.name, "calls": [_call(made, i) for i in range(len(made.calls))], "rows": sql}
        for made, sql in zip(statement.maps, statement.map_sql, strict=True)
    ]


def _call(made: Map, number: int) -> str:
    call = made.calls[number]
    args = ", ".join(f"a{n}" if n >= 0 else f"r{-1 - n}" for n in call.args)
    where = f" where a{call.reach}" if call.reach >= 0 else ""
    return f"r{number} = {call.function}({args}){where}"


def _called(statement: Statement) -> str:
    return "".join(
        f"-- {statement.step.name}: {made['name']}, for each row {', '.join(made['calls'])}\n"  # type: ignore[arg-type]
        f"{made['rows']}\n\n"
        for made in _maps(statement)
    )


def _helpers(statement: Statement) -> str:
    return "".join(f"\n-- {name}: {sql}" for name, sql in statement.helpers())


def canonical(statement: Statement) -> str:
    """Give a step's SQL in the one way in which Mainstem writes it."""
    from mainstem.sql.text import to_text

    return to_text(statement.step.query)


def _file_and_step(names: tuple[str, ...]) -> tuple[Path | None, str]:
    """Tell a file from a step: a step's name has no dot and is no folder."""
    files = [n for n in names if Path(n).suffix or Path(n).is_dir()]
    steps = [n for n in names if n not in files]
    if len(files) > 1 or len(steps) > 1:
        raise SettingsError(
            f"render takes one pipeline file and one step (given: {listing(names)})",
            code="Usage", fix="see mainstem render --help",
        )  # fmt: skip
    return (Path(files[0]) if files else None), (steps[0] if steps else "")


def _only(statements: tuple[Statement, ...], name: str) -> tuple[Statement, ...]:
    found = tuple(s for s in statements if s.step.name.lower() == name.lower())
    if found:
        return found
    names = [s.step.name for s in statements]
    close = nearest(name, names)
    raise DefinitionError(
        f"no step {name!r} (steps: {listing(names)})", code="StepNotFound",
        fix=f"write {close}" if close else "leave it out to see every step",
    )  # fmt: skip
