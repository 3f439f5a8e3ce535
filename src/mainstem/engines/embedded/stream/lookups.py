"""The versions of lookups that a stream has met: an older state needs its own until it has caught up.

The rows of a lookup as the state saw it last are kept in the state file, so that a copy of the state has
them too. Only where a sink outside holds tokens: without one nothing can be ahead of the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.stream.cuts import cut_of
from mainstem.engines.embedded.stream.statefile import columns_of, lookup_table, write_state
from mainstem.engines.embedded.types import quoted
from mainstem.errors import StateError
from mainstem.plan.nodes import Source
from mainstem.sql.stream.parts import tables

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.job import Job
    from mainstem.engines.spec import Event


class Lookups:
    """The bounded sources that rows of a stream are joined with."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.sources = _met(job)

    def settle(self) -> None:
        """Take note of versions that rows have not met before; between two epochs."""
        job = self.job
        known, now = job.history.versions(), job.bounded.versions
        changed = [name for name in self.sources if known.get(name) != now[name]]
        gone = [name for name in known if name not in self.sources]
        if not changed and not gone:
            return
        cut = cut_of(job)
        job.session.rows("BEGIN")
        for name in changed:
            job.history.meets(name, now[name], job.epoch, cut)
            self._keep(name)
        for name in gone:
            del job.history.lookups[name]
            job.session.rows(f"DROP TABLE IF EXISTS {lookup_table(name)}")
        self._write()
        job.session.rows("COMMIT")

    def check(self, history: Mapping[str, Any]) -> None:
        """See whether every version can be had that rows have met from this state to a token.

        Raises
        ------
        StateError
            When a version is gone.
        """  # noqa: DOC501 - built by a function
        job = self.job
        for name, source in self.sources.items():
            own, then = job.history.lookups.get(name), history["lookups"].get(name)
            if own is None or then is None:
                raise _gone(source, "is not known to have been met")
            is_changed = own["number"] != then["number"]
            if is_changed and own["number"] != then["before"]:
                raise _gone(source, "has changed more than once")
            now = job.bounded.versions[name]
            if is_changed and now != then["version"]:
                raise _gone(source, "has changed again")
            if now != own["version"] and not self._is_kept(name):
                raise _gone(source, "has changed, and its rows of then were not kept")

    def changes(self, history: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Give the lookups that have changed between this state and a token, with what is known of it."""
        own = self.job.history.lookups
        return [
            (name, then) for name, then in history["lookups"].items()
            if name in self.sources and own[name]["number"] != then["number"]
        ]  # fmt: skip

    def pin(self) -> Iterator[Event]:
        """Let rows meet the versions that this state knows, and not those of now."""
        job = self.job
        old = {
            n for n in self.sources if job.bounded.versions[n] != job.history.lookups[n]["version"]
        }
        for name in old:
            job.bounded.put(name, f"SELECT * FROM {lookup_table(name)}")
        yield from job.bounded.again(old, frozenset(old))

    def switch(self, name: str, then: dict[str, Any]) -> Iterator[Event]:
        """Let rows meet the next version of a lookup, which is that of now."""
        job = self.job
        yield from job.bounded.again({name})
        if job.bounded.versions[name] != then["version"]:
            raise _gone(self.sources[name], "has changed again")
        job.session.rows("BEGIN")
        job.history.lookups[name] = then
        self._keep(name)
        self._write()
        job.session.rows("COMMIT")

    def now(self) -> Iterator[Event]:
        """Let rows meet the versions of now again."""
        job = self.job
        old = {
            n for n in self.sources if job.bounded.versions[n] != job.history.lookups[n]["version"]
        }
        yield from job.bounded.again(old)

    def _keep(self, name: str) -> None:
        """Keep the rows of a lookup as they are now; a plain source may be of any size, and is not kept."""
        if self.sources[name].is_lookup:
            rows = f"SELECT * FROM temp.{quoted(name)}"
            self.job.session.rows(f"CREATE OR REPLACE TABLE {lookup_table(name)} AS {rows}")

    def _is_kept(self, name: str) -> bool:
        return columns_of(self.job.session, lookup_table(name)) is not None

    def _write(self) -> None:
        job = self.job
        job.saved = replace(job.saved, history=job.history.to_dict())
        write_state(job.session, job.saved)


def _met(job: Job) -> dict[str, Source]:
    """Give the bounded sources that rows of later epochs meet, also through steps over them."""
    if not job.outputs.deliveries:
        return {}
    statics = set(job.compiled.stream.statics)
    found: set[str] = set()
    for node in job.compiled.stream.nodes:
        for query in (node.query, node.rows, node.keep, node.late):
            found |= statics & set(tables(query)) if query is not None else set()
    left = list(found)
    while left:
        new = [n for n in job.bounded.inputs(left.pop()) if n in statics and n not in found]
        found.update(new)
        left += new
    return {s.name: s for s in job.compiled.plan.sources if s.name in found}


def _gone(source: Source, how: str) -> StateError:
    return StateError(
        f"the state is older than a sink, and {source.name!r}, which its rows are joined with, {how} since: "
        "they would be answered otherwise than before", where=source.where, code="LookupGone",
        fix="put the files back as they were, with their times, until the stream has caught up; or "
        "restore a newer backup", source=source.name,
    )  # fmt: skip
