"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from mainstem.record import record


@Parameter(name="*")
@record
class Speech:
    """How much is said besides the answer.

    Parameters
    ----------
    quiet : bool
        Print nothing but the answer and errors.
    debug : bool
        Print a traceback with an error, and log every detail.
    log_format : str
        Log to stderr, as text or as json lines; without it only warnings are logged.
    """

    quiet: Annotated[bool, Parameter(alias="-q")] = False
    debug: bool = False
    log_format: Literal["text", "json"] | None = None

    def start_log(self) -> None:
        """Send log records to stderr as asked for."""
        from mainstem.settings.log import configure

        level = "debug" if self.debug else "info" if self.log_format else "warning"
        configure(format=self.log_format or "text", level=level)


@Parameter(name="*")
@record
class Common(Speech):
    """What nearly every command takes.

    Parameters
    ----------
    output : str
        How the answer is written: text or json.
    """

    output: Annotated[Literal["text", "json"] | None, Parameter(alias="-o")] = None

    @property
    def is_json(self) -> bool:
        """Say whether the answer is JSON."""
        return self.output == "json"


@Parameter(name="*")
@record
class Chosen:
    """Which pipeline, with which settings.

    Parameters
    ----------
    pipeline : str
        Name of the pipeline, when the file has several.
    env : str
        Environment of mainstem.toml; MAINSTEM_ENV when not given.
    set_ : tuple of str
        Override a setting, as in --set sources.orders.path=other.csv; may be repeated.
    state_dir : str
        Where state, journal and lock are kept, from the pipeline's folder.
    """

    pipeline: str = ""
    env: str = ""
    set_: Annotated[tuple[str, ...], Parameter(name="--set")] = ()
    state_dir: str = ""

    def flags(self, **run: str) -> list[str]:
        """Give every override; options of the run have no way of their own into it."""
        given = {"state_dir": self.state_dir, **run}
        return [*self.set_, *(f"run.{name}={value}" for name, value in given.items() if value)]


NO_OPTIONS = Common()
NO_SPEECH = Speech()
NO_CHOICE = Chosen()
