"""Profiles: what data looks like, of the sources and tables of a pipeline or of a file.

Reads, and writes nothing: no lock is taken, and nothing of an earlier run is changed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem import __version__
from mainstem.engines.profile import RelationProfile, from_plain, to_plain
from mainstem.engines.spec import RunSettings
from mainstem.errors import DataError, DefinitionError, OutsideError, SettingsError
from mainstem.plan.nodes import Binding, Source
from mainstem.record import record
from mainstem.runtime.profile_suggest import LANGUAGES, python_code, sql_code, suggestions
from mainstem.storage.local.durable import replacing

if TYPE_CHECKING:
    from mainstem.engines.embedded.profile.sources import Profiler
    from mainstem.plan.types import Schema
    from mainstem.runtime.profile_compare import Comparison

FORMAT = 1


@record
class Profile:
    """What the data of some relations looks like.

    Parameters
    ----------
    relations : tuple of RelationProfile
        Sources, tables or files, in the order in which they were asked for.
    foreign_keys : tuple of (relation, column, relation, column)
        Columns whose values are all in a key of another of the relations.
    made_at : str
        When, in UTC.
    has_values : bool
        Whether values of texts, and the most frequent values, are in it.
    """

    relations: tuple[RelationProfile, ...]
    foreign_keys: tuple[tuple[str, str, str, str], ...] = ()
    made_at: str = ""
    has_values: bool = True

    def __getitem__(self, name: str) -> RelationProfile:
        found = next((r for r in self.relations if r.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data, as it is saved."""
        facts: dict[str, Any] = to_plain(self)
        return {"format": FORMAT, "mainstem": __version__, **facts}

    def save(self, path: str | Path) -> None:
        """Write it as JSON, for a later comparison.

        Raises
        ------
        OutsideError
            When the file cannot be written.
        """
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1)
        write_text(Path(path), text + "\n")

    def suggest(self, language: str = "python") -> str:
        """Give expectations that hold for this data, as code for the pipeline.

        Parameters
        ----------
        language : str, optional
            ``python`` or ``sql``.

        Returns
        -------
        str
            ``p.expect(…)`` lines or ``CREATE EXPECTATION`` statements; "" when there are none.

        Raises
        ------
        SettingsError
            For another language.
        """
        if language not in LANGUAGES:
            raise SettingsError(
                f"no suggestions in {language!r}", code="Usage", fix="ask for python or sql"
            )
        found = suggestions(self.relations, self.foreign_keys, self.made_at)
        return python_code(found) if language == "python" else sql_code(found)

    def compare(self, before: Profile | str | Path) -> Comparison:
        """Say what is different from an earlier profile.

        Parameters
        ----------
        before : Profile or path
            The earlier one, or the file that `save` or ``-o json`` wrote.

        Returns
        -------
        Comparison
            Differences, those that matter first.
        """
        from mainstem.runtime.profile_compare import compare

        earlier = before if isinstance(before, Profile) else read_profile(before)
        return compare(self.relations, earlier.relations)

    def to_html(self) -> str:
        """Give it as one HTML page that loads nothing from anywhere."""
        from mainstem.runtime.profile_page import page

        return page(self.relations, self.made_at)

    def _repr_html_(self) -> str:
        from mainstem.runtime.profile_page import fragment

        return fragment(self.relations)


@record
class ProfileOptions:
    """How to profile.

    Parameters
    ----------
    sample : int
        How many rows of each relation are looked at; 0 for all.
    has_values : bool
        Whether values of texts, and the most frequent values, are told.
    memory_limit : str
        Such as ``"2GB"``; what does not fit goes to disk.
    threads : int
        0 for one a core.
    """

    sample: int = 0
    has_values: bool = True
    memory_limit: str = ""
    threads: int = 0


NO_OPTIONS = ProfileOptions()


def read_profile(path: str | Path) -> Profile:
    """Give a profile that was saved.

    Raises
    ------
    OutsideError
        When the file cannot be read.
    DataError
        When it is no profile, or one of another version.
    """  # noqa: DOC501 - built by a function
    try:
        fields = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise OutsideError(
            f"cannot read {path}: {error.strerror}", code="FileNotRead",
            fix="name a file that mainstem profile -o json wrote",
        ) from error  # fmt: skip
    except ValueError as error:
        raise _no_profile(path, "it is no JSON") from error
    if not isinstance(fields, dict) or "relations" not in fields:
        raise _no_profile(path, "it has no relations")
    if fields.get("format") != FORMAT:
        raise _no_profile(path, f"its format is {fields.get('format')!r}, not {FORMAT}")
    try:
        relations = tuple(from_plain(one) for one in fields["relations"])
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_profile(path, f"a part is missing or unknown ({error})") from error
    keys = tuple(tuple(one) for one in fields.get("foreign_keys", ()))
    return Profile(relations, keys, fields.get("made_at", ""), fields.get("has_values", True))


def _no_profile(path: str | Path, why: str) -> DataError:
    return DataError(
        f"{path} is no profile that this version knows: {why}", code="ProfileFormat",
        fix="make one: mainstem profile … -o json > before.json",
    )  # fmt: skip


def profile_file(
    path: str | Path, name: str = "data", options: ProfileOptions = NO_OPTIONS
) -> Profile:
    """Profile a data file; its schema is taken from its content, as `mainstem init --from` does.

    Parameters
    ----------
    path : str or Path
        A CSV, JSON lines, Parquet or text file.
    name : str, optional
        What it is called in the profile.
    options : ProfileOptions, optional
        Sample, values, memory.

    Raises
    ------
    MainstemError
        When it cannot be read.
    """
    binding, schema, _ = inferred(Path(path).absolute())
    with _profiler(Path.cwd(), Path(), options) as profiler:
        made = profiler.source(Source(name, binding, schema), "file")
    return _profile([made], (), options)


def inferred(data: Path) -> tuple[Binding, Schema, str]:
    """Give binding and schema of a data file, and the delimiter when it is not the usual one.

    Raises
    ------
    DefinitionError
        When there is no such file.
    DataError
        When its content has no columns.
    """
    from mainstem.connectors.files import files
    from mainstem.engines.embedded.infer import infer_schema

    if not data.is_file():
        raise DefinitionError(
            f"there is no data file {str(data)!r}", code="DataFileMissing",
            fix="name a CSV, JSON lines, Parquet or text file",
        )  # fmt: skip
    binding = files(str(data))
    try:
        return binding, infer_schema(binding, data.parent), ""
    except DataError as error:
        delimiter = error.attributes.get("delimiter", "")
        if not delimiter:
            raise
        binding = files(str(data), delimiter=delimiter)
        return binding, infer_schema(binding, data.parent), delimiter


def profile_relations(
    sources: Sequence[Source], tables: Sequence[str], base_dir: Path, state_dir: Path,
    options: ProfileOptions = NO_OPTIONS,
) -> Profile:  # fmt: skip
    """Profile sources of a pipeline and tables of its state file.

    Raises
    ------
    MainstemError
        When one cannot be read.
    """
    with _profiler(base_dir, state_dir, options) as profiler:
        made = [profiler.source(source) for source in sources]
        made += [profiler.table(name) for name in tables]
        keys = tuple(_foreign_keys(made, profiler))
    return _profile(made, keys, options)


@contextmanager
def _profiler(base_dir: Path, state_dir: Path, options: ProfileOptions) -> Iterator[Profiler]:
    from mainstem.engines.embedded.profile.sources import open_profiler

    # Beside the state, when there is one: it is the disk that has room for such data.
    near = state_dir if state_dir.is_dir() and state_dir != Path() else None
    with tempfile.TemporaryDirectory(prefix="profile-", dir=near) as folder:
        settings = RunSettings(
            "profile", Path(folder), base_dir.absolute(), memory_limit=options.memory_limit,
            threads=options.threads,
        )  # fmt: skip
        with open_profiler(
            settings, state_dir, sample=options.sample, has_values=options.has_values
        ) as profiler:
            yield profiler


def _foreign_keys(
    made: Sequence[RelationProfile], profiler: Profiler
) -> Iterator[tuple[str, str, str, str]]:
    from mainstem.runtime.profile_suggest import may_refer

    for inner in made:
        for outer in made:
            for one, other in may_refer(inner, outer):
                if profiler.is_within((inner.name, one), (outer.name, other)):
                    yield (inner.name, one, outer.name, other)


def _profile(
    made: Sequence[RelationProfile], keys: tuple[tuple[str, str, str, str], ...],
    options: ProfileOptions,
) -> Profile:  # fmt: skip
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Profile(tuple(made), keys, now, options.has_values)


def write_text(path: Path, text: str) -> None:
    """Write a file for people or programs; one that is there stays when that fails.

    Raises
    ------
    OutsideError
        When it cannot be written.
    """
    try:
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise OutsideError(
            f"cannot write {path}: {error.strerror}", code="FileNotWritten",
            fix="name a file in a folder in which you may write",
        ) from error  # fmt: skip
