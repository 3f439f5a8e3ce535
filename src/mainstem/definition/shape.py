"""What a frame would give: its columns and types, for notebooks and for people who ask."""

from __future__ import annotations

import html as markup
from typing import Any

from mainstem.definition.spot import VerbText
from mainstem.errors import Finding, Findings
from mainstem.plan.types import Schema


def shape(frame: Any) -> tuple[Schema | None, list[Finding]]:
    """Bind a frame against the sources and steps of its pipeline; no data is read.

    Parameters
    ----------
    frame : Frame
        As a verb gave it.

    Returns
    -------
    tuple
        Its columns, or None and what is wrong.
    """
    from mainstem.definition.resolve import resolve
    from mainstem.sql.bind import bind_tree

    findings = Findings()
    if frame.home is None:
        return None, []
    resolved = resolve(frame.home)
    text = VerbText(frame.to_sql(), frame.where, query=frame.tree)
    params = {param.name: param.type for param in frame.home.params}
    bound = bind_tree(
        frame.tree, resolved.schemas, source=text, params=params,
        functions=frame.home.functions, findings=findings,
    )  # fmt: skip
    return (None if bound is None else bound.schema), findings.errors


def html(frame: Any) -> str:
    """Give a frame as a notebook shows it: columns with their types, or what is wrong."""
    schema, errors = shape(frame)
    if schema is None:
        text = "\n\n".join(error.text() for error in errors) or frame.to_sql()
        return f"<pre>{markup.escape(text)}</pre>"
    heads = "".join(f"<th>{markup.escape(field.name)}</th>" for field in schema.fields)
    types = "".join(f"<td>{markup.escape(str(field.type))}</td>" for field in schema.fields)
    return (
        f"<table><thead><tr>{heads}</tr></thead><tbody><tr>{types}</tr></tbody></table>"
        "<p>Nothing is computed yet.</p>"
    )
