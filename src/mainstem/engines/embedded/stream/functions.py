"""Python functions in a stream: when they are called in an epoch, and the rows that they fail for.

Only a pipeline with functions pays for any of it: what needs Arrow is in `python.streamed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.letters import keep_letters
from mainstem.engines.embedded.stream.operators.operator import Operator
from mainstem.engines.spec import RunSettings
from mainstem.plan.nodes import Plan
from mainstem.sql.stream.calls import Called

if TYPE_CHECKING:
    from mainstem.engines.embedded.python.streamed import CallRun
    from mainstem.engines.embedded.stream.ledger import Counts

_DEAD, _LETTERS = "__dead", '"__called_dead"'


class Functions:
    """The functions of a run; nothing when its pipeline has none.

    Parameters
    ----------
    session : Session
        The engine's; workers end with it.
    plan : Plan
        Whose functions are called.
    settings : RunSettings
        Those of the run.
    called : Called
        What is called, and where.
    operators : dict
        Those of the stateful nodes; some call functions for what they give.
    """

    def __init__(
        self, session: Session, plan: Plan, settings: RunSettings, called: Called,
        operators: Mapping[str, Operator],
    ) -> None:  # fmt: skip
        self.session = session
        self.runs: dict[str, CallRun] = {}
        # Those over bounded inputs: their rows may come again, and are dead once.
        self.bounded = frozenset(called.plan.statics)
        names = {one.function for calling in called.callings.values() for one in calling.made.calls}
        # Those whose results cannot be had a second time.
        self.undetermined = [
            one.name for one in plan.functions if one.name in names and not one.is_deterministic
        ]
        if not called.callings:
            return
        from mainstem.engines.embedded.python.caller import Caller, decided
        from mainstem.engines.embedded.python.streamed import CallRun

        functions = decided(plan, "dead_letter")
        for name, calling in called.callings.items():
            caller = Caller(session, plan, settings, calling.made, functions)
            self.runs[name] = CallRun(session, calling, caller, step_sql(calling.made.query))
        for name, maps in called.closing.items():
            operators[name].before = partial(self.fill_all, maps)

    def fill_all(self, names: tuple[str, ...]) -> None:
        """Call functions for what an operator is about to give."""
        for name in names:
            self.fill(name)

    def fill(self, name: str, sql: str = "") -> None:
        """Call functions for the rows of now; `sql` gives them when some of them fail before.

        Raises
        ------
        DataError
            When a function with ``on_error="fail"`` fails, or what it opens does.
        """
        self.runs[name].fill(sql)

    def keep_dead(self, counts: Counts, epoch: int) -> None:
        """Keep the rows that no function could be called for, in the epoch's transaction."""
        for name, run in self.runs.items():
            letters = run.dead_letters()
            if letters is None:
                continue
            self.session.connection.register(_LETTERS.strip('"'), letters)
            table = f"{run.calling.step}{_DEAD}"
            n_rows = keep_letters(
                self.session, table, _LETTERS, "__epoch", epoch, is_once=name in self.bounded
            )
            self.session.connection.unregister(_LETTERS.strip('"'))
            counts.dead(run.calling.step, n_rows)

    def done(self) -> None:
        """Forget what was known of an epoch that is committed."""
        for run in self.runs.values():
            run.done()
