"""`Pipeline`: the Python words in which a pipeline is written.

Declaring opens no file and no connection, starts no thread and reads no clock. What is wrong is
kept with its place, so that `Pipeline.check` can say everything at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, overload

from mainstem.definition.declaration import Ref, SourceDeclaration, StepDeclaration
from mainstem.definition.expectation import ExpectationDeclaration
from mainstem.definition.parameter import declared_param
from mainstem.definition.place import caller, function_place
from mainstem.definition.recorder import MODES, Declared, Duration, FunctionT, Recorder
from mainstem.definition.rule import Rule, computed
from mainstem.definition.verbs import Verbs
from mainstem.errors import Finding, UnsupportedError, nearest
from mainstem.plan.nodes import Binding, Param, Plan
from mainstem.plan.types import parse_schema

if TYPE_CHECKING:
    from mainstem.definition.expression import Expr

# Words that have a meaning in the design and nothing behind them yet.
RESERVED: dict[str, str] = {
    "iterate": "iteration arrives in a later version; a recursive WITH works today",
    "map": "Python steps arrive in a later version",
    "map_batches": "Python steps arrive in a later version",
    "process": "stateful Python steps arrive in a later version",
}


class Pipeline(Recorder):
    """A pipeline: sources, views and tables, each with the place where it was written.

    Parameters
    ----------
    name : str
        Letters, digits, ``_`` and ``-``; also the name of its state directory.
    where : Place, optional
        Where it is declared, when that is not the calling Python file.

    Examples
    --------
    >>> from mainstem.connectors.files import files
    >>> p = Pipeline("big_orders")
    >>> orders = p.source("orders", files("orders.csv"), schema="id bigint, amount decimal(12,2)")
    >>> @p.table(sink=files("big.parquet"))
    ... def big():
    ...     return "SELECT id, amount FROM orders WHERE amount > 1000"
    >>> [table.name for table in p.plan().tables]
    ['big']
    """

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, {len(self.sources)} sources, {len(self.steps)} steps)"

    def __getattr__(self, name: str) -> NoReturn:
        if name in RESERVED:
            raise UnsupportedError(
                f"p.{name} is a reserved word: {RESERVED[name]}", where=caller()[0],
                code="ReservedWord", fix="remove the call",
            )  # fmt: skip
        what = _no_attribute("a pipeline", name, dir(type(self)))
        raise AttributeError(what, name=name, obj=self)

    @property
    def file(self) -> Path | None:
        """Give the file that declares the pipeline, or None outside of a file."""
        name = self.where.file
        return None if not name or name.startswith("<") else Path(name)

    # Declaring

    def source(
        self, name: str, binding: Binding, *, schema: Declared | None = None, event_time: str = "",
        watermark: Duration | None = None, idle: Duration | None = None,
        max_ahead: Duration | None = None, on_bad: str = "", max_bad: float | None = None,
    ) -> Ref:  # fmt: skip
        """Declare an input.

        Parameters
        ----------
        name : str
            How SQL and `ref` call it.
        binding : Binding
            Where the rows come from, such as ``ms.files("in/*.csv")``.
        schema : str, dict or Schema
            Its columns: ``"id bigint not null, name string"``. `mainstem check --infer` writes it.
        event_time : str, optional
            Column of type TIMESTAMP that says when a row happened.
        watermark : str or timedelta, optional
            Bound on disorder in event time, such as ``"30 seconds"``; needs `event_time`.
        idle : str or timedelta, optional
            Silence after which the source no longer holds the watermark back; needs `event_time`.
        max_ahead : str or timedelta, optional
            How far ahead of its reading an event time may lie; needs `event_time`.
        on_bad : str, optional
            What becomes of a record that does not fit the schema: ``"fail"`` stops the run,
            ``"dead_letter"`` keeps it beside the table, with its position and reason. Where nothing
            is said, a source that ends fails and a stream keeps it: one bad row never stops that.
        max_bad : int or float, optional
            More dead letters than this stop the run; a float is a share of the records, 0 to 1.

        Returns
        -------
        Ref
            The source by name.
        """
        where, span = caller()
        read = self._reader(where, name)
        declaration = SourceDeclaration(
            name, self._binding(binding, where, name), self._schema(schema, where, name),
            where, span, event_time, read("watermark", watermark), read("idle", idle),
            read("max_ahead", max_ahead), on_bad=on_bad, max_bad=max_bad,
        )  # fmt: skip
        self.add_source(declaration)
        return Ref(name, where, self)

    def lookup(
        self, name: str, binding: Binding, *, schema: Declared | None = None,
        key: str | Sequence[str] = (), refresh: Duration | None = None,
    ) -> Ref:  # fmt: skip
        """Declare a small table that rows are completed from, found by its key.

        Parameters
        ----------
        name : str
            How SQL and `ref` call it.
        binding : Binding
            Where the rows come from.
        schema : str, dict or Schema
            Its columns.
        key : str or list of str
            Columns that find a row.
        refresh : str or timedelta, optional
            How often a stream loads it again; a bounded run loads it once.

        Returns
        -------
        Ref
            The lookup by name.
        """
        where, span = caller()
        declaration = SourceDeclaration(
            name, self._binding(binding, where, name), self._schema(schema, where, name), where,
            span, is_lookup=True, key=(key,) if isinstance(key, str) else tuple(key),
            refresh=self._reader(where, name)("refresh", refresh),
        )  # fmt: skip
        self.add_source(declaration)
        return Ref(name, where, self)

    def expect(
        self, on: str | Ref, rule: str | Rule | Expr, *, name: str = "", on_fail: str = "fail",
        max_bad: float | None = None,
    ) -> None:  # fmt: skip
        """Declare a rule about the rows of a source, view or table, or about the whole of it.

        Rules are judged in the order in which they are declared, each on the rows that the earlier
        ones let through; what reads the relation sees the rows that passed.

        Parameters
        ----------
        on : str or Ref
            What the rule is about.
        rule : str, Expr or Rule
            A condition in SQL, such as ``"amount > 0"``, or as an expression, such as
            ``ms.col("amount") > 0``, which a row passes when it is TRUE; or a rule such as
            ``ms.not_null("id")`` or ``ms.row_count(min=1)``.
        name : str, optional
            Its name in messages, counts and the quarantine; made from the rule when absent.
        on_fail : str, optional
            ``fail`` stops the run; ``warn`` counts the row and lets it pass; ``drop`` and
            ``quarantine`` take the row out, the latter keeps it. A rule about the whole knows
            ``warn`` and ``fail``.
        max_bad : int or float, optional
            More failing rows than this stop the run; a float is a share of the rows, 0 to 1.
        """
        where, span = caller()
        # By its attribute: most pipelines have no expressions, and need not load them.
        given = computed(str(rule)) if hasattr(rule, "node") else rule
        self.expectations.append(
            ExpectationDeclaration(on, given, where, span, name, on_fail, max_bad)
        )

    def param(self, name: str, type: str, *, default: Any = None) -> Param:
        """Declare a value given at the start of a run, used in SQL as ``:name``.

        Parameters
        ----------
        name : str
            Without the colon.
        type : str
            A plain type: boolean, bigint, double, decimal(p,s), string, date or timestamp.
        default : optional
            A value of that type or its text; without one every run has to give it.

        Returns
        -------
        Param
            The parameter.
        """
        where, _ = caller()
        found = self.attempt(where, "", lambda: declared_param(name, type, default, where))
        param = found or Param(str(name), parse_schema("p string").fields[0].type, where=where)
        if found is None:
            # So that its readers are not told to declare what is declared wrongly.
            self.broken.add(param.name)
        else:
            self.add_param(param)
        return param

    @overload
    def view(self, name: FunctionT) -> FunctionT: ...
    @overload
    def view(
        self, name: str, sql: str | Verbs, *, allowed_lateness: Duration | None = None,
        ttl: Duration | None = None, state: str = "",
    ) -> Ref: ...  # fmt: skip
    @overload
    def view(
        self, name: str | None = None, *, allowed_lateness: Duration | None = None,
        ttl: Duration | None = None, state: str = "",
    ) -> Callable[[FunctionT], FunctionT]: ...  # fmt: skip
    def view(
        self, name: Any = None, sql: str | Verbs | None = None, *,
        allowed_lateness: Duration | None = None, ttl: Duration | None = None, state: str = "",
    ) -> Any:  # fmt: skip
        """Declare a named query, in the direct form or as a decorator of a function that gives SQL.

        Parameters
        ----------
        name : str, optional
            Name of the view; the function's name when absent.
        sql : str, Ref or Frame, optional
            The query in SQL or in verbs; a reference means all of its rows.
        allowed_lateness : str or timedelta, optional
            On a stream: how long after the watermark has passed its end a window stays open.
        ttl : str or timedelta, optional
            On a stream: the gap in event time after which a key of a running aggregate begins anew.
        state : str, optional
            ``unbounded`` on a stream: state that grows for ever is meant.
        """
        where, span = caller()
        label = _label(name)
        return self._step(name, sql, self._streamed(
            StepDeclaration("", "", where, span), label, state, ttl=ttl,
            allowed_lateness=allowed_lateness,
        ))  # fmt: skip

    @overload
    def table(self, name: FunctionT) -> FunctionT: ...
    @overload
    def table(
        self, name: str, sql: str | Verbs, *, sink: Binding | None = None,
        schema: Declared | None = None, mode: str = "",
        allowed_lateness: Duration | None = None, ttl: Duration | None = None, state: str = "",
    ) -> Ref: ...  # fmt: skip
    @overload
    def table(
        self, name: str | None = None, *, sink: Binding | None = None,
        schema: Declared | None = None, mode: str = "",
        allowed_lateness: Duration | None = None, ttl: Duration | None = None, state: str = "",
    ) -> Callable[[FunctionT], FunctionT]: ...  # fmt: skip
    def table(
        self, name: Any = None, sql: str | Verbs | None = None, *, sink: Binding | None = None,
        schema: Declared | None = None, mode: str = "",
        allowed_lateness: Duration | None = None, ttl: Duration | None = None, state: str = "",
    ) -> Any:  # fmt: skip
        """Declare a query whose rows are kept, in the direct form or as a decorator.

        Parameters
        ----------
        name : str, optional
            Name of the table; the function's name when absent.
        sql : str, Ref or Frame, optional
            The query in SQL or in verbs; a reference means all of its rows.
        sink : Binding, optional
            Where the rows go; the pipeline's own state file when absent.
        schema : str, dict or Schema, optional
            Columns as the sink has them, when narrower than those of the query.
        mode : str, optional
            ``append`` or ``updating``: what the table must be; `check` fails when it is not.
        allowed_lateness, ttl, state : optional
            Words of streams; see `view`.
        """
        where, span = caller()
        label = _label(name)
        if sink is not None:
            sink = self._binding(sink, where, label)
        if mode and mode not in MODES:
            self._wrong_mode(mode, where, label)
            mode = ""
        declared = self._schema(schema, where, label)
        blank = StepDeclaration(
            "", "", where, span, is_table=True, sink=sink, sink_schema=declared, mode=mode
        )
        return self._step(name, sql, self._streamed(
            blank, label, state, allowed_lateness=allowed_lateness, ttl=ttl
        ))  # fmt: skip

    def function(
        self, function: Callable[..., Any] | None = None, /, *, name: str = "",
        returns: str | None = None, takes: str | Sequence[str] | None = None, batch: bool = False,
        open: Callable[[], Any] | None = None, deterministic: bool = True,
        on_error: str | None = None, null: str = "skip", workers: int | None = None,
        batch_size: int = 65_536,
    ) -> Any:  # fmt: skip
        """Make a Python function one that SQL and verbs call by its name; a decorator.

        Parameters
        ----------
        function : callable
            The function, when the decorator stands without options.
        name : str, optional
            How SQL calls it; the function's own name when absent.
        returns : str, optional
            Type of the result, such as ``"double"``; the annotation when absent.
        takes : str or list of str, optional
            Types of the arguments, such as ``"double, string"``; the annotations when absent.
        batch : bool, optional
            Whether it takes Arrow arrays, one for each argument, and gives an array or list as long.
        open : callable, optional
            Called once in each worker; what it gives is the function's first argument.
        deterministic : bool, optional
            False when equal arguments may give different results.
        on_error : str, optional
            ``fail``: an exception ends the run. ``dead_letter``: the row is kept aside. When absent,
            a run over inputs that end fails, and a stream goes on without the row (V10).
        null : str, optional
            ``skip``: a NULL among the arguments gives NULL without a call. ``call``: it is called.
        workers : int, optional
            Processes that call it, one a core when absent; 0 calls it in the run's own process.
        batch_size : int, optional
            Rows that are handed over at a time.
        """
        options = {
            "returns": returns, "takes": takes, "batch": batch, "open": open,
            "deterministic": deterministic, "on_error": on_error, "null": null, "workers": workers,
            "batch_size": batch_size,
        }  # fmt: skip

        # Only who declares a function pays for reading its code.
        from mainstem.definition.python_function import UserFunction, described

        def declare(given: Callable[..., Any]) -> UserFunction:
            label = name or getattr(given, "__name__", "function")
            place, file = function_place(given)[0], str(self.file or "")
            row = self.attempt(place, "", lambda: described(given, label, options, file))
            if row is None:
                self.broken.add(label)
            else:
                self.add_function(row)
            return UserFunction(given, label.lower())

        return declare if function is None else declare(function)

    def map_reduce(
        self, source: str | Verbs, *, name: str = "", key: str | Mapping[str, str] = "",
        value: str | Mapping[str, str] = "", returns: str | Mapping[str, str] | None = None,
        combine: Callable[..., Any] | None = None, reduce: Callable[..., Any] | str | None = None,
        partition: Callable[..., Any] | None = None, sort: str | Sequence[str] = (),
        sort_key: Callable[..., Any] | None = None, block: bool = False, on_error: str = "fail",
        files: str | Sequence[str] | Mapping[str, str] | None = None, reducers: int | None = None,
        workers: int | None = None, split_size: str = "", sink: Binding | None = None,
        schema: Declared | None = None,
    ) -> Callable[[Any], Any]:  # fmt: skip
        """Declare a table that Python makes by map and reduce; a decorator of a class or function.

        A class has ``map(self, row)`` or ``map_block(self, columns)``, and as it needs them ``combine``,
        ``reduce(self, key, values)``, ``partition(self, key, n)``, ``sort_key(self, key, value)``,
        ``setup(self, context)`` and ``teardown(self)``. A function is the map; the others are options.

        Parameters
        ----------
        source : str, Ref or Frame
            What is read: the name of a source, view or table, verbs, or SQL.
        name : str, optional
            Name of the table; that of the class or function when absent.
        key, value : str or dict
            Types of what map gives: ``"string"`` or, with names, ``"word string, day bigint"``, which
            is a tuple. Keys are boolean, bigint, string and bytes. Left out in a job that only maps.
        returns : str or dict, optional
            Columns of the rows that reduce gives, as tuples. When absent it gives pairs (key, value) as
            map does, and the columns are those of `key` and `value`.
        combine : callable, optional
            Of the function form: ``combine(key, values)`` gives pairs with the same key.
        reduce : callable or str, optional
            Of the function form: ``reduce(key, values)``. Or ``sum``, ``min``, ``max``, ``count``, which
            need no combiner, and whose sum of doubles is exact.
        partition : callable, optional
            Of the function form: ``partition(key, n)`` gives a number from 0 to n - 1.
        sort : str or list of str, optional
            Types of what `sort_key` gives: the values of a key then come in its order.
        sort_key : callable, optional
            Of the function form: ``sort_key(key, value)``.
        block : bool, optional
            Of the function form: it is called with many rows at a time, as a dict of lists.
        on_error : str, optional
            ``fail``: an exception ends the run. ``dead_letter``: the record or group is kept aside.
        files : str, list or dict, optional
            Side files, relative to the pipeline: ``context.file("stopwords.txt")`` is the path.
        reducers : int, optional
            Into how many parts the keys fall.
        workers : int, optional
            Processes; one a core when absent.
        split_size : str, optional
            How much of a text file one map task takes, such as ``"16 MB"``.
        sink, schema : optional
            As for `table`.
        """
        where, span = caller()
        options = {
            "key": key, "value": value, "returns": returns, "combine": combine, "reduce": reduce,
            "partition": partition, "sort": sort, "sort_key": sort_key, "block": block,
            "on_error": on_error, "files": files, "reducers": reducers, "workers": workers,
            "split_size": split_size,
        }  # fmt: skip
        label = name or _label(source)
        sink = None if sink is None else self._binding(sink, where, label)
        declared = self._schema(schema, where, label)
        read = (
            Ref(source, where, self)
            if isinstance(source, str) and source.isidentifier()
            else source
        )

        # Only who declares a job pays for reading its code.
        from mainstem.definition.map_reduce import described

        def declare(given: Any) -> Any:
            own = name or getattr(given, "__name__", "job")
            place = where if isinstance(given, type) else function_place(given)[0]
            job = self.attempt(place, own, lambda: described(given, options, place))
            if job is None:
                self.broken.add(own)
            else:
                self.add_step(StepDeclaration(
                    own, read, place, span, is_table=True, sink=sink, sink_schema=declared, job=job,
                ))  # fmt: skip
            return given

        return declare

    def ref(self, name: str) -> Ref:
        """Give a source, view or table by name, for f-strings and instead of SQL."""
        found = Ref(name, caller()[0], self)
        self.refs.append(found)
        return found

    # Using

    def check(
        self, *, env: str = "", flags: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> tuple[Finding, ...]:
        """Check everything that can be known without reading data.

        Parameters
        ----------
        env : str, optional
            Environment of mainstem.toml.
        flags : sequence of str, optional
            Overrides such as ``sources.orders.path=other.csv``.
        environ : mapping, optional
            Environment variables; those of the process when absent.

        Returns
        -------
        tuple of Finding
            The warnings; empty when there is nothing to say.

        Raises
        ------
        CheckFailed
            With all findings, when any of them is an error.
        UnsupportedError
            When the pipeline is right and this version cannot run it.
        """
        warnings: tuple[Finding, ...] = _runtime("check_pipeline")(
            self, env=env, flags=flags, environ=environ
        )
        return warnings

    def plan(
        self, *, env: str = "", flags: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> Plan:
        """Give the checked plan; the parameters and errors are those of `check`.

        Returns
        -------
        Plan
            Frozen; equal pipelines have equal plans.

        Raises
        ------
        CheckFailed
            With all findings, when any of them is an error.
        UnsupportedError
            When the pipeline is right and this version cannot run it.
        """
        plan: Plan = self._resolved(env, flags, environ).checked_plan()
        return plan

    def run(self, **options: Any) -> Any:
        """Run the pipeline; see `mainstem.runtime.start.run_pipeline` for the options."""
        return _runtime("run_pipeline")(self, **options)

    def connect(self, **options: Any) -> Any:
        """Open the tables of the last run for reading; see `mainstem.runtime.start`."""
        return _runtime("connect_pipeline")(self, **options)

    def quarantine(self, **options: Any) -> Any:
        """Give the rows that were kept aside; see `mainstem.runtime.quarantine`."""
        return _runtime("quarantine_of", "quarantine")(self, **options)

    def profile(self, *names: str, **options: Any) -> Any:
        """Show what sources and kept tables look like; see `mainstem.runtime.profile_target`."""
        return _runtime("profile_pipeline", "profile_target")(self, *names, **options)

    def verify(self, **options: Any) -> Any:
        """Run on several engines and compare; see `mainstem.runtime.verify.verify_pipeline`."""
        return _runtime("verify_pipeline", "verify")(self, **options)

    def _resolved(self, env: str, flags: Sequence[str], environ: Mapping[str, str] | None) -> Any:
        from mainstem.definition.resolve import resolve

        return resolve(self, env=env, flags=flags, environ=environ)


def _label(name: Any) -> str:
    """Give the name of a step for messages, also of a function that is decorated."""
    return name if isinstance(name, str) else getattr(name, "__name__", "")


def _runtime(name: str, module: str = "start") -> Callable[..., Any]:
    # The one place that reaches up: `p.run()` is what people type. By name, so that defining a
    # pipeline loads no runtime and no engine.
    home = importlib.import_module(f"mainstem.runtime.{module}")
    function: Callable[..., Any] = getattr(home, name)
    return function


def _no_attribute(what: str, name: str, names: Sequence[str]) -> str:
    close = nearest(name, [known for known in names if not known.startswith("_")])
    return f"{what} has no {name!r}" + (f"; did you mean {close!r}?" if close else "")
