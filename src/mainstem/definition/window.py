"""Windows over event time as values: ``ms.tumble("ts", size="1 minute")`` and its like.

A window says how event time is cut. `over` gives the table function of the dialect, so that the
Python form and the SQL form are the same plan.
"""

from __future__ import annotations

from datetime import timedelta

from mainstem.errors import DefinitionError
from mainstem.plan.duration import duration_text, parse_duration
from mainstem.record import record


@record
class Window:
    """What all windows have: the column that says when a row happened."""

    ts: str

    def over(self, table: object) -> str:
        """Give the window over a table as a piece of SQL, for use after FROM.

        Parameters
        ----------
        table : str or Ref
            Name of a source or step, or what `Pipeline.ref` gave.

        Examples
        --------
        >>> print(tumble("ts", size="1 minute").over("views"))
        TUMBLE("views", "ts", INTERVAL '1 minute')
        """
        name = getattr(table, "name", table)
        spans = "".join(f", INTERVAL '{duration_text(span)}'" for span in self.spans())
        return f"{type(self).__name__.upper()}({_quoted(str(name))}, {_quoted(self.ts)}{spans})"

    def spans(self) -> tuple[timedelta, ...]:
        """Give the lengths in the order of the table function."""
        raise NotImplementedError


@record
class Tumble(Window):
    """Equal windows that do not overlap; they start at 1970-01-01T00:00Z (T4)."""

    size: timedelta

    def spans(self) -> tuple[timedelta, ...]:
        """Give the lengths in the order of the table function."""
        return (self.size,)


@record
class Hop(Window):
    """Windows of `size` that start every `every`."""

    size: timedelta
    every: timedelta

    def spans(self) -> tuple[timedelta, ...]:
        """Give the lengths in the order of the table function."""
        # The table function has the slide first, as in Flink and the SQL standard.
        return (self.every, self.size)


@record
class Session(Window):
    """Rows that are at most `gap` apart, exactly the gap included (T4)."""

    gap: timedelta

    def spans(self) -> tuple[timedelta, ...]:
        """Give the lengths in the order of the table function."""
        return (self.gap,)


@record
class Cumulate(Window):
    """Windows that begin together and grow by `step` up to `size`."""

    size: timedelta
    step: timedelta

    def spans(self) -> tuple[timedelta, ...]:
        """Give the lengths in the order of the table function."""
        return (self.step, self.size)


def tumble(ts: str, *, size: str | timedelta) -> Tumble:
    """Cut event time into equal windows that do not overlap.

    Parameters
    ----------
    ts : str
        Column of type TIMESTAMP.
    size : str or timedelta
        Length of a window, such as ``"1 minute"``; whole milliseconds.

    Raises
    ------
    DefinitionError
        When the size is zero, finer than a millisecond or cannot be read.
    """
    return Tumble(_column(ts), _span("size", size))


def hop(ts: str, *, size: str | timedelta, every: str | timedelta) -> Hop:
    """Cut event time into windows of `size` that start every `every`; they overlap.

    Parameters
    ----------
    ts : str
        Column of type TIMESTAMP.
    size : str or timedelta
        Length of a window; a whole multiple of `every`.
    every : str or timedelta
        From one start to the next, the slide.

    Raises
    ------
    DefinitionError
        When `size` is no whole multiple of `every` (T4), or a length cannot be read.
    """
    window = Hop(_column(ts), _span("size", size), _span("every", every))
    _whole_multiple("hop", "size", window.size, "every", window.every)
    return window


def session(ts: str, *, gap: str | timedelta) -> Session:
    """Cut event time where nothing happened for longer than `gap`.

    Parameters
    ----------
    ts : str
        Column of type TIMESTAMP.
    gap : str or timedelta
        Largest distance between two rows of one session.

    Raises
    ------
    DefinitionError
        When the gap is zero, finer than a millisecond or cannot be read.
    """
    return Session(_column(ts), _span("gap", gap))


def cumulate(ts: str, *, size: str | timedelta, step: str | timedelta) -> Cumulate:
    """Cut event time into windows that begin together and grow by `step` up to `size`.

    Parameters
    ----------
    ts : str
        Column of type TIMESTAMP.
    size : str or timedelta
        Length of the longest window; a whole multiple of `step`.
    step : str or timedelta
        By how much each is longer than the one before.

    Raises
    ------
    DefinitionError
        When `size` is no whole multiple of `step` (T4), or a length cannot be read.
    """
    window = Cumulate(_column(ts), _span("size", size), _span("step", step))
    _whole_multiple("cumulate", "size", window.size, "step", window.step)
    return window


def _column(ts: str) -> str:
    if not str(ts).strip():
        raise DefinitionError(
            f"a window needs the name of its time column, not {ts!r}", code="WindowSyntax",
            fix='write it first: ms.tumble("ts", size="1 minute")',
        )  # fmt: skip
    return ts


def _span(name: str, value: str | timedelta) -> timedelta:
    span = parse_duration(value, name)
    # Event time works at millisecond grain (V7); a finer window would differ between engines.
    if span < timedelta(milliseconds=1) or span % timedelta(milliseconds=1):
        raise DefinitionError(
            f"{name} is {value!r}: a window is whole milliseconds, at least one",
            code="WindowSyntax", fix=f'write {name}="1 minute"',
        )  # fmt: skip
    return span


def _whole_multiple(
    window: str, long_name: str, long: timedelta, short_name: str, short: timedelta
) -> None:
    if long % short:
        below = long // short * short or short
        raise DefinitionError(
            f"{window} has {long_name}={duration_text(long)!r}, no whole multiple of "
            f"{short_name}={duration_text(short)!r} (contract T4)", code="WindowSyntax",
            fix=f'write {long_name}="{duration_text(below)}" or another {short_name}',
        )  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
