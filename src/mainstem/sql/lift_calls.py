"""The calls of Python functions in one SELECT: which arguments they take, and when they are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

from mainstem.plan import tree as t
from mainstem.plan.nodes import PythonFunction
from mainstem.plan.types import BOOL
from mainstem.record import record
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.python_calls import is_python_call, python_calls

# A row gets to a call when each of these is TRUE, or is not: condition, and which.
Guards = tuple[tuple[t.Expr, bool], ...]


class Refused(Exception):
    """A call stands where it cannot be taken out; never leaves `mainstem.sql.lift`."""

    def __init__(self, what: str, at: int, fix: str) -> None:
        super().__init__(what)
        self.what, self.at, self.fix = what, at, fix


@record
class MapCall:
    """One call for each row.

    `args` are numbers of arguments (``a0`` is 0), or -1, -2, … for the results of calls (-1 is
    ``r0``). `reach` is the number of the argument that says whether a row gets to the call; -1 for all rows.
    """

    function: str
    args: tuple[int, ...]
    reach: int = -1


class Calls:
    """Rewrites the expressions of a SELECT so that they read a map, and notes what it has to give.

    `kept` are the columns that the expressions need, `arguments` what the calls take.
    """

    def __init__(
        self, functions: Mapping[str, PythonFunction], name: str, aliases: set[str]
    ) -> None:
        self.functions = functions
        self.name = name
        self.aliases = aliases
        self.kept: list[t.Expr] = []
        self.arguments: list[t.Expr] = []
        self.calls: list[MapCall] = []
        self._found: dict[tuple[t.Call, Guards], int] = {}

    def whole(self, node: t.Expr) -> t.Expr:
        """Rewrite an expression that every row gets to."""
        return self.expr(node, ())

    def group(self, node: t.Expr | t.Grouping) -> t.Expr | t.Grouping:
        """Rewrite a key of GROUP BY, or several."""
        return cast("t.Expr | t.Grouping", self.node(node, ()))

    def expr(self, node: t.Expr, guards: Guards) -> t.Expr:
        """Rewrite an expression; rows get to it as `guards` say."""
        return cast("t.Expr", self.node(node, guards))

    def node(self, node: t.Node, guards: Guards) -> t.Node:
        if isinstance(node, t.Call) and node.name in self.functions:
            number = self.call(node, guards)
            if number is not None:
                return t.Column(self.name, f"r{number}", at=node.at, type=node.type)
        if isinstance(node, t.Column):
            return self.column(node)
        if isinstance(node, t.Lambda) and self._has_calls(node):
            call = next(python_calls(node, self.functions))
            raise Refused(
                f"the Python function {call.name} cannot be called in a lambda", call.at,
                f"give {call.name} the whole list, or UNNEST it first",
            )  # fmt: skip
        if self._has_calls(node):
            if isinstance(node, t.Case):
                return self.case(node, guards)
            if isinstance(node, t.Call) and not node.window:
                return self.chosen(node, guards)
        return t.rebuilt(node, lambda child: self.node(child, guards))

    def column(self, node: t.Column) -> t.Expr:
        """Keep a column of the SELECT; its subqueries may look at it from further in."""
        if node.relation not in self.aliases:
            return node
        plain = t.Column(node.relation, node.name, type=node.type)
        if plain not in self.kept:
            self.kept.append(plain)
        number = self.kept.index(plain)
        return t.Column(self.name, f"c{number}", node.depth, at=node.at, type=node.type)

    def case(self, node: t.Case, guards: Guards) -> t.Case:
        whens = []
        for condition, value in node.whens:
            changed = self.expr(condition, guards)
            whens.append((changed, self.expr(value, self._when(guards, condition, is_true=True))))
            guards = self._when(guards, condition, is_true=False)
        default = None if node.default is None else self.expr(node.default, guards)
        return t.Case(tuple(whens), default, at=node.at, type=node.type)

    def chosen(self, node: t.Call, guards: Guards) -> t.Node:
        """Rewrite a call whose arguments may not all be reached, as those of AND."""
        inner = [guards] * len(node.args)
        if node.name in ("and", "or"):
            word = "is false" if node.name == "and" else "is true"
            for i in range(len(node.args)):
                for j, other in enumerate(node.args):
                    if i != j:
                        inner[i] = self._when(inner[i], _asked(word, other), is_true=False)
        elif node.name == "coalesce":
            for i in range(1, len(node.args)):
                inner[i] = self._when(
                    inner[i - 1], _asked("is null", node.args[i - 1]), is_true=True
                )
        elif node.name == "if":
            inner[1] = self._when(guards, node.args[0], is_true=True)
            if len(inner) > 2:
                inner[2] = self._when(guards, node.args[0], is_true=False)
        elif node.where is not None and is_aggregate(node):
            inner = [self._when(guards, node.where, is_true=True)] * len(node.args)
        args = tuple(self.expr(a, g) for a, g in zip(node.args, inner, strict=True))
        order = tuple(t.rebuilt(key, lambda k: self.node(k, guards)) for key in node.order)
        where = None if node.where is None else self.expr(node.where, guards)
        return dataclasses.replace(node, args=args, order=order, where=where)

    def _when(self, guards: Guards, condition: t.Expr, *, is_true: bool) -> Guards:
        """Add a condition, unless only a map or a group could tell it."""
        for part in t.walk(condition):
            is_late = isinstance(part, t.Call) and part.window is not None
            if is_late or is_python_call(part, self.functions) or is_aggregate(part):
                return guards
        return (*guards, (condition, is_true))

    def call(self, node: t.Call, guards: Guards) -> int | None:
        """Note a call and give its number; None when a map has to come first for its arguments."""
        key = (node, guards)
        if self.functions[node.name].is_deterministic:
            # What is called for all rows anyway is not called again for some of them.
            for known in ((node, ()), key):
                if known in self._found:
                    return self._found[known]
        args = []
        for arg in node.args:
            if is_python_call(arg, self.functions):
                number = self.call(cast("t.Call", arg), guards)
                if number is None:
                    return None
                args.append(-1 - number)
            elif self._has_calls(arg):
                return None
            else:
                self._check_argument(arg, node)
                args.append(self.argument(_guarded(arg, guards)))
        reach = self.argument(_reached(guards)) if guards else -1
        self.calls.append(MapCall(node.name, tuple(args), reach))
        self._found[key] = len(self.calls) - 1
        return len(self.calls) - 1

    def argument(self, node: t.Expr) -> int:
        for number, known in enumerate(self.arguments):
            # Two NULLs are equal nodes, whatever their types.
            if known == node and known.type == node.type:
                return number
        self.arguments.append(node)
        return len(self.arguments) - 1

    def _check_argument(self, arg: t.Expr, call: t.Call) -> None:
        for part in t.walk(arg):
            if isinstance(part, t.Call) and part.window is not None:
                raise Refused(
                    f"the Python function {call.name} cannot be called with a window function",
                    call.at, "compute the window in a subquery, and call the function around it",
                )  # fmt: skip

    def _has_calls(self, node: t.Node) -> bool:
        return next(python_calls(node, self.functions), None) is not None


def _asked(word: str, node: t.Expr) -> t.Expr:
    return t.Call(word, (node,), overload=0, type=BOOL)


def _guarded(arg: t.Expr, guards: Guards) -> t.Expr:
    """Give an argument that is computed for the rows that reach its call, where that can matter."""
    if isinstance(arg, t.Column | t.Literal) or not guards:
        return arg
    nothing = t.Literal(None, "null", type=arg.type)
    return _branched(guards, arg, nothing)


def _reached(guards: Guards) -> t.Expr:
    yes, no = (t.Literal(value, "boolean", type=BOOL) for value in (True, False))
    return _branched(guards, yes, no)


def _branched(guards: Sequence[tuple[t.Expr, bool]], value: t.Expr, other: t.Expr) -> t.Expr:
    """Give `value` where every guard lets a row through, one asked after the other."""
    for condition, is_true in reversed(guards):
        whens = ((condition, value if is_true else other),)
        value = t.Case(whens, other if is_true else value, type=value.type)
    return value
