"""Rows kept aside, between runs: looked at, explained, exported, replayed, dropped."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mainstem.definition.pipeline import Pipeline
from mainstem.definition.resolve import Resolved, resolve
from mainstem.engines.spec import Event, Replay
from mainstem.errors import (
    MainstemError,
    OutsideError,
    Place,
    SettingsError,
    StateError,
    UnsupportedError,
    listing,
)
from mainstem.plan import tree as t
from mainstem.plan.nodes import Expectation, Plan, is_stream
from mainstem.runtime.aside import Chosen, Explained, Preview, chosen_rows
from mainstem.runtime.query import refuse_while_running
from mainstem.runtime.run import RunOptions, at_rest, load_engine, new_run_id, preview, run
from mainstem.runtime.scope import replay_tables
from mainstem.runtime.start import RunResult, run_options
from mainstem.runtime.status import runs
from mainstem.sql.replay import bind_set
from mainstem.storage.local.durable import replacing

if TYPE_CHECKING:
    from mainstem.engines.embedded.judging.aside import Counted

ENDINGS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet")


class Quarantine:
    """The rows that the runs of a pipeline have kept aside.

    Every method takes a relation, or the name of its table where it has rows of both kinds, and the
    filters of `Chosen`.
    """

    def __init__(self, resolved: Resolved, options: RunOptions) -> None:
        self._resolved = resolved
        self._options = options
        if options.state_dir is None:
            raise StateError("the state directory is not known")
        self._folder: Path = options.state_dir

    def ls(self) -> tuple[Counted, ...]:
        """Count them by relation, kind and rule or reason."""
        from mainstem.engines.embedded.judging.aside import counted
        from mainstem.engines.embedded.state_file import state_path

        refuse_while_running(self._folder)
        return counted(self._folder) if state_path(self._folder).exists() else ()

    def show(
        self, relation: str, *, limit: int = 20, **filters: Any
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Give columns and rows, oldest first; `limit` 0 gives all."""
        from mainstem.engines.embedded.judging.aside import shown

        chosen = chosen_rows(relation, filters)
        return shown(self._folder, self._meant(chosen), _status(chosen), limit)

    def explain(self, relation: str, id: str) -> Explained:
        """Say everything about one row, and what would happen to it now.

        Raises
        ------
        StateError
            When there is no such row.
        """  # noqa: DOC501 - built by a function
        chosen = Chosen(relation, ids=(id,), status="all")
        given = self._meant(chosen)
        names, rows = self.show(given.table, ids=(id,), status="all", limit=1)
        if not rows:
            raise _no_rows(given.table, f"with the id {id!r}")
        return self._explained(given, dict(zip(names, rows[0], strict=True)))

    def export(self, relation: str, path: str | Path, *, raw: bool = False, **filters: Any) -> int:
        """Write rows to a CSV, JSON lines or Parquet file; give how many.

        Parameters
        ----------
        relation : str
            Whose rows.
        path : path
            The file; its ending says the format.
        raw : bool, optional
            Write the records of dead letters as they stood in their files, byte for byte, a line
            each; below the header of their CSV files when that is one and the same.
        **filters
            Those of `Chosen`.

        Raises
        ------
        SettingsError
            For another ending, or `raw` of rows that have no bytes.
        """
        from mainstem.engines.embedded.judging import aside

        chosen = chosen_rows(relation, filters)
        given, out = self._meant(chosen), Path(path)
        if raw:
            return self._export_raw(given, _status(chosen), out)
        if out.suffix.lower() not in ENDINGS:
            raise SettingsError(
                f"cannot tell the format of {out.name!r} (known endings: {listing(ENDINGS)})",
                code="FormatNotKnown", fix=f"write {out.stem}.csv",
            )  # fmt: skip
        return aside.exported(self._folder, given, _status(chosen), out)

    def preview(
        self, relation: str, *, set: str | Sequence[str] = (), **filters: Any
    ) -> Preview:  # fmt: skip
        """Judge the open rows by the present definition, and write nothing.

        Parameters
        ----------
        relation : str
            Whose rows.
        set : str or list of str, optional
            New values, as ``"amount = abs(amount)"``.
        **filters
            Those of `Chosen`.

        Raises
        ------
        CheckFailed
            When a table that is made of the relation would hold wrong rows after a replay.
        StateError
            When there are no such rows.
        """
        plan = self._resolved.checked_plan()
        chosen = chosen_rows(relation, filters)
        given = self._meant(replace(chosen, status="open"))
        self._refuse_unknown(plan, given.relation)
        tables = replay_tables(plan, given.relation)
        texts = (set,) if isinstance(set, str) else tuple(set)
        given = replace(given, texts=texts, sets=self._sets(plan, given, texts))
        facts = self._judged(given)[-1].facts
        return Preview(
            replace(given, digest=facts["digest"]), facts["taken"], facts["replayed"],
            facts["dropped"], facts["failing"], facts["staying"], tables=tuple(sorted(tables)),
        )  # fmt: skip

    def replay(
        self, relation: str = "", *, preview: Preview | None = None, **options: Any
    ) -> RunResult:
        """Run what is made of a relation over its open rows; each goes to its sinks exactly once.

        Parameters
        ----------
        relation : str, optional
            Whose rows; not with `preview`.
        preview : Preview, optional
            Replays just what this has shown, or nothing.
        **options
            As for `preview` the method.

        Returns
        -------
        RunResult
            Of the run; its ledger has a part ``replay``.

        Raises
        ------
        MainstemError
            Whatever ended the run; the rows are open then, as they were before.
        """
        shown = preview or self.preview(relation, **options)
        events: list[Event] = []
        given = replace(self._options, replay=shown.request)
        with closing(cast("Any", run(self._resolved.checked_plan(), given))) as stream:
            events += [event for event in stream if event.kind != "progress"]
        facts = events[-1].facts
        return RunResult(
            facts["run_id"], facts["status"], facts["seconds"], facts["ledger"], tuple(events)
        )

    def count(self, relation: str, **filters: Any) -> int:
        """Count chosen rows, the open ones if nothing else is said."""
        from mainstem.engines.embedded.judging import aside

        chosen = chosen_rows(relation, filters)
        return aside.count(self._folder, self._meant(chosen), _status(chosen))

    def drop(
        self, relation: str, *, everything: bool = False, expected: int | None = None,
        **filters: Any,
    ) -> int:  # fmt: skip
        """Mark open rows as dropped; they stay in their table. Give how many.

        Parameters
        ----------
        relation : str
            Whose rows.
        everything : bool, optional
            All open rows; without it a filter is needed.
        expected : int, optional
            How many were agreed to; another number is refused.
        **filters
            Those of `Chosen`.

        Raises
        ------
        SettingsError
            Without a filter.
        UnsupportedError
            For dead letters of a stream.
        StateError
            When there is nothing to drop.
        """  # noqa: DOC501 - built by a function
        from mainstem.engines.embedded.judging import aside

        chosen = replace(chosen_rows(relation, filters), status="open")
        if not (everything or chosen.rule or chosen.reason or chosen.run or chosen.ids):
            raise SettingsError(
                f"which rows of {relation} are to be dropped is not said", code="Usage",
                fix="name them with --rule, --reason, --run or --id, or write --all",
            )  # fmt: skip
        given = self._meant(chosen)
        if aside.is_of_stream(self._folder, given):
            raise UnsupportedError(
                f"the rows of {given.table} are dead letters of a stream, which have no status",
                code="StreamNotYet", fix="leave them: they are counted, and nothing waits for them",
            )  # fmt: skip
        wanted = aside.count(self._folder, given) if expected is None else expected
        if not wanted:
            raise _no_rows(given.table, "that are open and meant")
        by = new_run_id(datetime.now(UTC))
        engine = load_engine(self._options.engine)
        with at_rest(self._folder, engine, by) as journal:
            facts = {"drop_id": by, "rows": wanted, "which": given.to_dict()}
            # Said before and after: what was done is told by the rows themselves, in between.
            journal.append({"kind": "drop_started", "at": _now(), **facts})
            dropped = aside.drop(self._folder, given, wanted, by)
            journal.append({"kind": "drop_ended", "at": _now(), **facts})
        return dropped

    # Which rows

    def _meant(self, chosen: Chosen) -> Replay:
        from mainstem.engines.embedded.judging.aside import KINDS, kinds_of

        refuse_while_running(self._folder)
        name, _, kind = chosen.relation.rpartition("__")
        if not name or kind not in KINDS:
            name, kind = chosen.relation, ""
        name = self._spelled(name)
        kind = kind or ("quarantine" if chosen.rule else "dead" if chosen.reason else "")
        if (kind == "dead" and chosen.rule) or (kind == "quarantine" and chosen.reason):
            raise SettingsError(
                "rows of a quarantine have a rule, dead letters a reason", code="Usage",
                fix="give --rule for a quarantine, --reason for dead letters",
            )  # fmt: skip
        found = kinds_of(self._folder, name)
        if not kind and len(found) > 1:
            # Those of one kind may all be closed.
            found = kinds_of(self._folder, name, _status(chosen)) or found
        if not found or (kind and kind not in found):
            raise _no_rows(f"{name}__{kind}" if kind else name, "kept aside")
        if not kind and len(found) > 1:
            raise SettingsError(
                f"{name!r} has rows of both kinds", code="Usage",
                fix=f"write {name}__quarantine or {name}__dead",
            )  # fmt: skip
        return Replay(
            name, kind or found[0], chosen.rule, chosen.reason, chosen.run, tuple(chosen.ids)
        )

    def _spelled(self, name: str) -> str:
        plan = self._resolved.plan
        names: list[str] = []
        if plan is not None:
            names = [s.name for s in plan.sources] + [s.name for s in plan.steps]
        return {known.lower(): known for known in names}.get(name.lower(), name)

    @staticmethod
    def _refuse_unknown(plan: Plan, name: str) -> None:
        if plan.source(name) is None and plan.step(name) is None:
            raise StateError(
                f"the pipeline has no {name!r} any more", code="ReplayNowhere",
                fix="export its rows, or drop them",
            )  # fmt: skip

    @staticmethod
    def _sets(plan: Plan, given: Replay, texts: tuple[str, ...]) -> tuple[tuple[str, t.Query], ...]:
        if texts and given.kind == "dead":
            raise SettingsError(
                "a dead letter has no columns to give values to: its bytes are no row yet",
                code="Usage", fix="correct the schema; or export --raw, correct the lines, and put "
                "the file where the source finds it",
            )  # fmt: skip
        source, step = plan.source(given.relation), plan.step(given.relation)
        schema = source.schema if source is not None else cast("Any", step).schema
        return tuple(bind_set(text, given.relation, schema) for text in texts)

    def _judged(self, given: Replay) -> list[Event]:
        return preview(self._resolved.checked_plan(), replace(self._options, replay=given))

    # Explaining

    def _explained(self, given: Replay, row: Mapping[str, Any]) -> Explained:
        plan = self._resolved.plan
        source = plan.source(given.relation) if plan else None
        why = row.get("__rule") or row.get("__reason") or ""
        rule = (
            next((e for e in plan.expected_of(given.relation) if e.name == why), None)
            if plan
            else None
        )
        looks_at = tuple(filter(None, (row.get("__column"),)))
        if rule is not None:
            looks_at = _columns(rule)
        declared = rule or source
        step = plan.step(given.relation) if plan else None
        where = (declared or step).where if (declared or step) else Place()  # type: ignore[union-attr]
        values = {n: v for n, v in row.items() if not n.startswith("__")}
        if given.kind == "dead":
            names = ("__raw", "__function", "__arguments")
            values = {n[2:]: row[n] for n in names if row.get(n) is not None}
        return Explained(
            given.relation, given.kind, row["__id"], row["__status"], row["__run_id"],
            str(row["__at"]), row.get("__tries") or 0, row.get("__closed_by") or "", why,
            row.get("__message") or "", self._text_then(given, row["__run_id"], why),
            rule.text if rule else "", looks_at, where, row.get("__path"), row.get("__row"),
            row.get("__line"), row.get("__offset"), values, self._verdict(given, row["__status"]),
        )  # fmt: skip

    def _text_then(self, given: Replay, run_id: str, why: str) -> str:
        for one in runs(self._folder):
            if one.run_id == run_id:
                line = one.ledger.get("expectations", {}).get(f"{given.relation}.{why}", {})
                return str(line.get("text", ""))
        return ""

    def _verdict(self, given: Replay, status: str) -> str:
        """Say what a replay would do with one row; whether a replay is allowed is not asked."""
        if status != "open":
            return f"nothing: it is {status}"
        plan = self._resolved.plan
        if plan is None or (plan.source(given.relation) or plan.step(given.relation)) is None:
            return f"nothing: the pipeline has no {given.relation!r} any more"
        if is_stream(plan):
            return "nothing: rows of a stream are not replayed by this version"
        try:
            facts = self._judged(given)[-1].facts
        except MainstemError as error:
            return f"it could not be judged: {error.finding.what.splitlines()[0]}"
        if facts["replayed"]:
            return "it would pass"
        if facts["dropped"]:
            return f"it would be dropped by {next(iter(facts['by_rule']))}"
        return f"it would fail again: {next(iter(facts['by_rule']))}"

    def _export_raw(self, given: Replay, status: str, out: Path) -> int:
        from mainstem.engines.embedded.judging import aside

        plan = self._resolved.plan
        source = plan.source(given.relation) if plan else None
        if given.kind != "dead" or (plan is not None and source is None):
            raise SettingsError(
                f"the rows of {given.table} have no bytes of a record", code="Usage",
                fix="leave --raw out",
            )  # fmt: skip
        headers = aside.headers(self._folder, given, status)
        if len(headers) > 1:
            raise SettingsError(
                f"the letters of {given.table} come from files with {len(headers)} different "
                "headers", code="ExportHeaders", fix="choose those of one run with --run",
            )  # fmt: skip
        written = 0
        try:
            # Half of an export in a folder that a source reads would be taken for all of it.
            with replacing(out) as file:
                if headers and headers[0] is not None:
                    file.write(_header_line(headers[0], source))
                for raw in aside.raw_lines(self._folder, given, status):
                    file.write(raw + b"\n")
                    written += 1
        except OSError as error:
            raise OutsideError(
                f"cannot write {out}: {error.strerror}", code="FileRefused",
                fix="name a place where you may write and there is room",
            ) from error  # fmt: skip
        return written


def quarantine_of(
    pipeline: Pipeline, *, params: Mapping[str, Any] | None = None, env: str = "",
    flags: Sequence[str] = (), base_dir: str | Path | None = None,
    state_dir: str | Path | None = None, memory_limit: str = "", threads: int = 0,
) -> Quarantine:  # fmt: skip
    """Give the rows that the runs of a pipeline have kept aside; the options are those of a run."""
    resolved = resolve(pipeline, env=env, flags=flags)
    return Quarantine(resolved, run_options(
        resolved, params=params or {}, engine="embedded", base_dir=base_dir, state_dir=state_dir,
        memory_limit=memory_limit, threads=threads,
    ))  # fmt: skip


def _status(chosen: Chosen) -> str:
    return "" if chosen.status == "all" else chosen.status


def _columns(rule: Expectation) -> tuple[str, ...]:
    if rule.test is None:
        return rule.columns
    alias = cast("t.Relation", cast("t.Select", rule.test.body).source).alias
    nodes = (n for n in t.walk(rule.test) if isinstance(n, t.Column) and n.relation == alias)
    return tuple(dict.fromkeys(node.name for node in nodes))


def _no_rows(table: str, which: str) -> StateError:
    return StateError(
        f"{table} has no rows {which}", code="ReplayNothing", fix="see mainstem quarantine ls"
    )


def _header_line(names: tuple[str, ...], source: Any) -> bytes:
    options = source.binding.as_dict() if source is not None else {}
    path = options.get("path", "")
    first = path if isinstance(path, str) else path[0]
    is_tabbed = options.get("format") == "tsv" or ".tsv" in Path(first).suffixes
    text = io.StringIO()
    delimiter = options.get("delimiter") or ("\t" if is_tabbed else ",")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(names)
    return text.getvalue().encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
