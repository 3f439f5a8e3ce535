"""`mainstem check`: everything that can be known without reading data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.cli import target
from mainstem.cli.failure import findings_text
from mainstem.cli.numbers import plural
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.terminal import harmless
from mainstem.errors import CheckFailed, Finding, UnsupportedError

if TYPE_CHECKING:
    from mainstem.definition.resolve import Resolved


def check(
    file: Path | None = None, /, *, infer: bool = False, jobs: bool = False,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Check all that can be known without reading data: names, types, SQL, settings, engine.

    Findings are the answer and go to standard output. Exits with 2 when any is an error, with 3
    when the pipeline is right and this version cannot run it.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    infer : bool
        Write the schema of each source that has none into the file; this reads the data.
    jobs : bool
        Try map/reduce steps on a sample in ways that must not matter: other splits, orders, with and
        without the combiner. This reads the data; parameters have their defaults.
    """
    from mainstem.runtime.start import judged

    common.start_log()
    inferred = _infer(file, chosen, common) if infer else None
    resolved = target.resolve(file, chosen)
    faults, gaps = judged(resolved)
    own = resolved.findings.items
    if jobs and not resolved.findings.errors and not faults and not gaps:
        faults = _tried(resolved)
    findings = sorted(
        [*own, *faults, *(gap for gap in gaps if gap not in own)],
        key=lambda f: (f.severity != "error", f.where),
    )
    if common.is_json:
        document = _document(resolved, findings)
        say_json(document if inferred is None else {**document, "inferred": inferred})
    else:
        if findings:
            say(findings_text(findings, stream=sys.stdout))
        if not common.quiet:
            say(_summary(resolved, findings))
    return _exit_code([*resolved.findings.errors, *faults], gaps)


def _tried(resolved: Resolved) -> list[Finding]:
    """Run the map/reduce steps on a sample, and give what is found."""
    from mainstem.runtime.run import try_jobs
    from mainstem.runtime.start import run_options

    plan = resolved.checked_plan()
    return try_jobs(plan, run_options(resolved, params={}, engine="embedded"))


def _exit_code(errors: list[Finding], gaps: list[Finding]) -> int:
    if errors:
        return CheckFailed.exit_code
    return UnsupportedError.exit_code if gaps else 0


def _document(resolved: Resolved, findings: list[Finding]) -> dict[str, object]:
    return {
        "pipeline": resolved.pipeline.name, "file": str(resolved.pipeline.file or ""),
        "ok": not any(f.severity == "error" for f in findings),
        "findings": [f.to_dict() for f in findings],
    }  # fmt: skip


def _summary(resolved: Resolved, findings: list[Finding]) -> str:
    n_errors = sum(f.severity == "error" for f in findings)
    n_warnings = len(findings) - n_errors
    if n_errors:
        return f"{plural(n_errors, 'error')}, {plural(n_warnings, 'warning')}"
    pipeline = resolved.pipeline
    n_tables = sum(step.is_table for step in pipeline.steps)
    parts = [
        plural(len(pipeline.sources), "source"), plural(len(pipeline.steps) - n_tables, "view"),
        plural(n_tables, "table"), plural(n_warnings, "warning"),
    ]  # fmt: skip
    return f"{pipeline.name}: ok ({', '.join(parts)})"


def _infer(file: Path | None, chosen: Chosen, common: Common) -> dict[str, str]:
    """Write the missing schemas, and show what has been changed in the user's file."""
    from mainstem.cli.inference import write_schemas

    schemas, diff = write_schemas(target.find(file), chosen)
    if not common.quiet and not common.is_json:
        say(harmless(diff.rstrip("\n")) if diff else "every source has a schema")
    return {name: str(schema) for name, schema in schemas.items()}
