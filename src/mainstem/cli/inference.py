"""Schemas from data, for ``check --infer`` and ``init --from``; the only commands that infer."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.cli.target import load
from mainstem.errors import Findings, MainstemError

if TYPE_CHECKING:
    from mainstem.cli.options import Chosen
    from mainstem.plan.types import Schema


def write_schemas(file: Path, chosen: Chosen) -> tuple[dict[str, Schema], str]:
    """Write the missing schemas of a pipeline into its file; give them, and the change as a diff."""
    from mainstem.definition.binding import bound
    from mainstem.definition.infer import edit, sources_without_schema
    from mainstem.engines.embedded.infer import infer_schema
    from mainstem.runtime.start import base_of
    from mainstem.settings.file import read

    pipeline = load(file, chosen)
    missing = sources_without_schema(pipeline)
    if not missing:
        return {}, ""
    findings = Findings()
    settings = read(pipeline.file, env=chosen.env, flags=chosen.flags(), findings=findings)
    schemas: dict[str, Schema] = {}
    for source in missing:
        binding = bound(
            "sources", source.name, source.binding, settings, where=source.where, findings=findings
        )
        findings.raise_errors()
        if binding is not None:
            try:
                schemas[source.name] = infer_schema(binding, base_of(pipeline))
            except MainstemError as error:
                # The reader knows the file, and not who reads it.
                error.finding = dataclasses.replace(
                    error.finding, where=source.where, step=source.name
                )
                raise
    change = edit(file, schemas)
    change.write()
    return schemas, change.diff()


def first_pipeline(data: Path, folder: Path) -> str:
    """Give the text of a first pipeline over a data file, which will stand in `folder`."""
    from mainstem.definition.infer import first_pipeline as text_of
    from mainstem.runtime.profile import inferred

    # There is no file yet to edit; a delimiter that is taken instead stands in the new one.
    _, schema, delimiter = inferred(data.absolute())
    name = identifier(data)
    return text_of(f"{name}_all", name, _relative(data, folder), schema, delimiter=delimiter)


def identifier(data: Path) -> str:
    """Give a name for the source of a file: letters, digits and underscores, and no SQL word."""
    from mainstem.sql.cursor import RESERVED

    stem = data.name.split(".", maxsplit=1)[0]
    name = re.sub(r"_+", "_", re.sub(r"\W", "_", stem, flags=re.ASCII)).strip("_").lower()
    is_right = name and not name[0].isdigit() and name.upper() not in RESERVED
    return name if is_right else f"data_{name}".rstrip("_")


def _relative(data: Path, folder: Path) -> str:
    """Give a path as the pipeline names it: from its own folder, so that both can be moved."""
    return os.path.relpath(data, folder)
