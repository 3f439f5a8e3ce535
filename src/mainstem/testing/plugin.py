"""The pytest plugin: pytest loads it by its entry point wherever mainstem is installed.

So it has to be cheap for those who do not use it: nothing of a pipeline, and no engine, is imported
before the first test asks for a fixture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from mainstem.definition.pipeline import Pipeline
    from mainstem.testing.arrivals import Sections
    from mainstem.testing.given import Given
    from mainstem.testing.ran import Ran
    from mainstem.testing.snapshot import Album

ENGINE = "mainstem_engine"
# Under this name a test says what it has written; processes of pytest-xdist send it along.
_WRITTEN = "mainstem_snapshot"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("mainstem")
    group.addoption(
        "--mainstem-update", action="store_true", help="write the snapshots of pipelines anew"
    )
    group.addoption(
        "--mainstem-engine", action="append", default=[], metavar="NAME",
        help="run pipelines on this engine only (may be repeated; all engines when absent)",
    )  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that runs a pipeline once on every engine."""
    if ENGINE in metafunc.fixturenames:
        from mainstem.testing.engines import engine_names

        names = metafunc.config.getoption("--mainstem-engine") or engine_names()
        metafunc.parametrize(ENGINE, names, indirect=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name the snapshots that were written: nobody has looked at them yet."""
    reports = [one for group in terminalreporter.stats.values() for one in group]
    said = [pair for one in reports for pair in getattr(one, "user_properties", ())]
    written = dict.fromkeys(value for name, value in said if name == _WRITTEN)
    if written:
        terminalreporter.section("snapshots written: read them, they are what is right from now on")
        for file in written:
            terminalreporter.line(file)


@pytest.fixture
def mainstem_engine(request: pytest.FixtureRequest) -> str:
    """Name of the engine that the test runs on; a test that asks for it runs on each."""
    from mainstem.errors import SettingsError
    from mainstem.runtime.run import load_engine

    name = str(request.param)
    try:
        load_engine(name)
    except SettingsError as error:
        _pass_over(f"engine {name}: {error.finding.what}")
    return name


def _pass_over(why: str) -> NoReturn:
    """Skip, by name; where everything is required, a test that did not run has failed."""
    if os.environ.get("MAINSTEM_REQUIRE") == "all":
        pytest.fail(f"{why} (and MAINSTEM_REQUIRE=all)", pytrace=False)
    pytest.skip(why)


@pytest.fixture
def mainstem_album(request: pytest.FixtureRequest) -> Album:
    """Snapshots of the test."""
    from mainstem.testing.snapshot import Album

    config = request.config
    is_strict = bool(os.environ.get("CI")) or os.environ.get("MAINSTEM_REQUIRE") == "all"
    return Album(
        request.path.parent / "snapshots" / request.path.stem, _name(request),
        bool(config.getoption("--mainstem-update")), is_strict,
        lambda file: request.node.user_properties.append((_WRITTEN, str(file))),
    )  # fmt: skip


def _name(request: pytest.FixtureRequest) -> str:
    """Give the test's name without that of the engine: the answer is the same on each of them."""
    item = request.node
    params = getattr(getattr(item, "callspec", None), "params", {})
    parts = item.name.split("[", 1)
    ids = parts[1].removesuffix("]").split("-") if len(parts) > 1 else []
    if params.get(ENGINE) in ids:
        ids.remove(params[ENGINE])
    name = parts[0] + (f"[{'-'.join(ids)}]" if ids else "")
    return f"{item.cls.__name__}.{name}" if item.cls else name


@pytest.fixture
def run_pipeline(
    request: pytest.FixtureRequest, mainstem_engine: str, mainstem_album: Album, tmp_path: Path
) -> Callable[..., Ran]:
    """Run a pipeline on given rows: ``run_pipeline("pipeline.py", {"orders": [{"id": 1}]})``.

    Of a stream they may have marks among them, such as ``"-- crash"`` (`mainstem.testing.case`).

    Words are those of `mainstem.testing.bench.Words`; the answer is a `mainstem.testing.ran.Ran`.
    """
    number = 0

    def run(
        pipeline: str | Path | Pipeline,
        given: Mapping[str, Given] | Sections | None = None,
        /,
        **words: Any,
    ) -> Ran:
        """Run a pipeline file, seen from the test's folder, or a `Pipeline`."""
        __tracebackhide__ = True
        nonlocal number
        number += 1
        from mainstem.errors import MainstemError
        from mainstem.testing.bench import Bench

        folder = tmp_path / f"mainstem-{number}"
        folder.mkdir()
        try:
            bench = Bench(pipeline, folder, request.path.parent)
            bench.album = mainstem_album
            return bench.run(given or {}, **{"engine": mainstem_engine, **words})
        except MainstemError as error:
            # The lines of mainstem below say nothing about the test.
            raise error.with_traceback(None) from None

    return run
