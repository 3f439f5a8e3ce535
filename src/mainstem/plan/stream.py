"""A plan over sources that never end: a list of nodes, each fed by the new rows of an epoch.

A node of kind ``delta`` keeps nothing: its query is asked of the new rows alone. The others keep
rows (or what they come down to) until the watermark says that a window is complete, or for as long
as a running aggregate lives. Nodes stand in dependency order, and an epoch is one walk over them.

Hidden columns: ``__w`` is the watermark against which a row is judged (T6), in microseconds since
1970, absent or NULL where a row can never be late (T3); ``__end`` the end of a window, ``__time`` a
row's event time.
"""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta

from mainstem.plan.tree import Call, Query, WindowTable
from mainstem.record import record

ROW_WATERMARK, END, TIME = "__w", "__end", "__time"
# What the closing query of a node reads: keys and results, or rows, of windows that are complete.
CLOSED = "__closed"
# Of the rows of a top-N with a TTL: the number of the session of its key, and its first and last time.
SESSION_NUMBER, FIRST_START, LAST_START = "__session", "__start", "__last"
# The columns that a window table adds.
WINDOW_COLUMNS = ("window_start", "window_end", "window_time")

DELTA, WINDOW, SESSION, RUNNING, TOP = "delta", "window", "session", "running", "top"
# Rows with the results of Python functions; the engine makes them of what the query gives.
MAP = "map"

# Kinds of relations, as a step over a stream sees them.
STATIC = "static"  # the same rows all the time
ROWS = "rows"  # new rows, each for itself
WINDOWED = "windowed"  # new rows, each in a window that is still open
PANES = "panes"  # rows of complete windows; all of a window come in one epoch
UPDATING = "updating"  # the latest row of each key


@record
class Shape:
    """What is known of a relation's rows.

    Parameters
    ----------
    kind : str
        One of the kinds above.
    times : frozenset of str
        Columns that are the row's event time.
    ids : frozenset of str
        Columns that alone say which window a row belongs to.
    together : frozenset of str
        Columns that only together say it: the start of a session, and what parts the sessions.
    end, time : str
        The columns with the end of the window and with its last instant; "" when there is none.
    key : tuple of str
        Of an updating relation.
    is_judged : bool
        Whether the rows have ``__w``.
    window : WindowTable or None
        Of rows in open windows.
    """

    kind: str = STATIC
    times: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    end: str = ""
    time: str = ""
    key: tuple[str, ...] = ()
    is_judged: bool = False
    window: WindowTable | None = None
    together: frozenset[str] = frozenset()


@record
class StreamNode:
    """One operator.

    Parameters
    ----------
    name : str
        The relation that it gives: a step's name, or a hidden one with a ``$``.
    step : str
        The step that it is a part of.
    kind : str
        ``delta``, ``map``, ``window``, ``session``, ``running`` or ``top``.
    shape : Shape
        Of what it gives.
    inputs : tuple of str
        Names of the stream relations that it reads.
    query : Query
        Of ``delta`` its rows. Of ``map`` the columns and arguments of the rows that functions are
        called for. Of the others what is asked of `CLOSED`.
    first : Query or None
        Of ``delta``: `query` for the first epoch of all, in which bounded inputs are read (T9).
    rows : Query or None
        Not of ``delta``: what is kept of each new row: ``k0 …`` (keys), ``x0 …`` (what aggregates
        are over), or all columns; then ``__end`` or ``__time``, and ``__w`` when rows are judged.
    keys : tuple of str
        Of a grouped node: its key columns in `rows`; of ``top`` the columns of its partitions.
    session_keys : tuple of str
        Of ``session``: columns in `rows` each of whose values has sessions of its own.
    calls : tuple of (name, Call)
        Of a grouped node: the aggregates ``a0 …`` over the columns of `rows`.
    keep : Query or None
        Of ``top``: which of the rows in `CLOSED` can still be among the first; with a `ttl` in each
        session, with its bounds.
    is_grouped : bool
        Whether `CLOSED` has keys and aggregates, and not rows.
    late : Query or None
        The step's input columns, then ``__end`` or ``__time``, and ``__w``, of each new row.
    window : WindowTable or None
        Of ``window`` and ``session``.
    is_assigned : bool
        Whether `rows` (and `late`) have ``__time``, and the engine puts each row into its windows: no
        expression about single rows asks for the window.
    lateness, ttl : timedelta or None
        Of the step.
    """

    name: str
    step: str
    kind: str
    shape: Shape
    inputs: tuple[str, ...]
    query: Query
    first: Query | None = None
    rows: Query | None = None
    keys: tuple[str, ...] = ()
    session_keys: tuple[str, ...] = ()
    calls: tuple[tuple[str, Call], ...] = ()
    keep: Query | None = None
    is_grouped: bool = False
    late: Query | None = None
    window: WindowTable | None = None
    is_assigned: bool = False
    lateness: timedelta = field(default=timedelta())
    ttl: timedelta | None = None

    @property
    def is_stateful(self) -> bool:
        """Say whether it keeps anything from epoch to epoch."""
        return self.kind not in (DELTA, MAP)


@record
class StreamPlan:
    """The nodes of a plan over streams, and the bounded relations beside them.

    Parameters
    ----------
    nodes : tuple of StreamNode
        In dependency order.
    streams : tuple of str
        Sources that never end.
    statics : tuple of str
        Bounded sources and the steps over them alone, in order: read as in a batch.
    shapes : dict
        By the name of a source or step.
    """

    nodes: tuple[StreamNode, ...]
    streams: tuple[str, ...]
    statics: tuple[str, ...]
    shapes: dict[str, Shape]

    def readers(self, name: str) -> int:
        """Give how many nodes read a relation."""
        return sum(node.inputs.count(name) for node in self.nodes)

    def node(self, name: str) -> StreamNode | None:
        """Give the node of a name, or None."""
        return next((node for node in self.nodes if node.name == name), None)
