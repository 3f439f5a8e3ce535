"""From declared rules to bound expectations: names found, values checked, conditions bound."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

from mainstem.definition.declaration import Ref, StepDeclaration, checked_name
from mainstem.definition.graph import Reads, reads_of
from mainstem.definition.place import Located, Span
from mainstem.definition.rule import TABLE_KINDS, Rule, condition
from mainstem.errors import Finding, Findings, MainstemError, Place, listing, nearest
from mainstem.plan.duration import parse_duration
from mainstem.plan.nodes import Expectation
from mainstem.plan.tree import Query
from mainstem.plan.types import BOOL, Schema, Type, in_expressions
from mainstem.record import record
from mainstem.sql.predicate import bind_predicate, parse_predicate
from mainstem.sql.tokens import Text

ROW_ACTIONS = ("warn", "drop", "quarantine", "fail")
TABLE_ACTIONS = ("warn", "fail")


@record
class ExpectationDeclaration:
    """A rule as it was declared; a text is a condition in SQL, which begins at `text_at`."""

    on: str | Ref
    rule: str | Rule
    where: Place
    span: Span
    name: str = ""
    on_fail: str = "fail"
    max_bad: int | float | None = None
    text_at: Place | None = None

    @property
    def relation(self) -> str:
        """Give the name of the relation as it was written."""
        return str(self.on.name if isinstance(self.on, Ref) else self.on)


@record
class _Names:
    """What a condition may name: relations that are right, run parameters; and all that exists."""

    schemas: Mapping[str, Schema]
    params: Mapping[str, Type]
    known: Sequence[str]


class ExpectationWork:
    """Checks declared rules; what is wrong goes to `findings`."""

    def __init__(self, declared: Sequence[ExpectationDeclaration], findings: Findings) -> None:
        self.declared = declared
        self.findings = findings

    def reads(self, known: Sequence[str]) -> dict[str, Reads]:
        """Give what the rules of each relation read besides it, by the relation's name.

        Those have to be there before any of its rows can be judged.
        """
        found: dict[str, dict[str, None]] = {}
        spelled = {name.lower(): name for name in known}
        for declared in self.declared:
            on = spelled.get(declared.relation.lower())
            if on is None:
                continue
            found.setdefault(on, {})
            others = (spelled.get(n.lower()) for n in _reads(declared))
            found[on] |= {name: None for name in others if name is not None and name != on}
        return {on: Reads(tuple(names)) for on, names in found.items()}

    def expectations(
        self, schemas: Mapping[str, Schema], params: Mapping[str, Type], known: Sequence[str]
    ) -> tuple[Expectation, ...]:
        """Give the bound rules, as declared.

        Parameters
        ----------
        schemas : mapping of str to Schema
            The relations that are right, by name.
        params : mapping of str to Type
            Run parameters.
        known : sequence of str
            Every name of the pipeline: rules about a relation that is wrong itself are left out.
        """
        made: list[Expectation] = []
        names = _Names(schemas, params, known)
        spelled = {name.lower(): name for name in known}
        for declared in self.declared:
            on = spelled.get(declared.relation.lower())
            if on is None:
                close = nearest(declared.relation, known)
                self._add(
                    "TableNotFound", f"no source, view or table {declared.relation!r} (known: "
                    f"{listing(known)})", declared, f"write {close}" if close else "declare it",
                )  # fmt: skip
            elif on in schemas:
                found = self._expectation(declared, on, names)
                made += [] if found is None else [found]
        self._twice(made)
        return tuple(made)

    def _expectation(
        self, declared: ExpectationDeclaration, on: str, names: _Names
    ) -> Expectation | None:
        schemas, known = names.schemas, names.known
        before = len(self.findings.errors)
        self._hidden(declared, on, schemas[on])
        self._name(declared)
        self._action(declared)
        self._max_bad(declared)
        rule = self._rule(declared, on, schemas, known)
        if rule is None:
            return None
        made = Expectation(
            declared.name or (rule.label if isinstance(rule, Rule) else " ".join(rule.split())), on,
            rule.kind if isinstance(rule, Rule) else "predicate",
            declared.on_fail, max_bad=declared.max_bad, where=declared.where,
            text=rule if isinstance(rule, str) else _shown(rule),
        )  # fmt: skip
        if isinstance(rule, Rule):
            # Of a row rule the test says everything, however its values were written.
            bounds = () if rule.is_about_rows else rule.options
            made = dataclasses.replace(made, columns=rule.columns, options=bounds)
        if not isinstance(rule, Rule) or (rule.is_about_rows and rule.kind != "unique"):
            text = self._text(declared, rule, schemas[on])
            test = None if text is None else self._bound(declared, text, on, names)
            made = dataclasses.replace(made, test=test)
        return made if len(self.findings.errors) == before else None

    def _rule(
        self, declared: ExpectationDeclaration, on: str, schemas: Mapping[str, Schema],
        known: Sequence[str],
    ) -> str | Rule | None:  # fmt: skip
        given: object = declared.rule
        if isinstance(given, Rule):
            return self._checked(declared, given, schemas, on, known)
        if isinstance(given, str) and given.strip():
            return given
        shown = "empty" if isinstance(given, str) else f"of type {type(given).__name__}"
        self._add(
            "SqlMissing", f"the rule of an expectation on {on!r} is {shown}", declared,
            'write a condition such as "amount > 0", or a rule such as ms.not_null("id")',
        )  # fmt: skip
        return None

    # The words around a rule

    def _name(self, declared: ExpectationDeclaration) -> None:
        if declared.name:
            self._attempt(
                declared, lambda: checked_name(declared.name, "expectation", declared.where)
            )

    def _hidden(self, declared: ExpectationDeclaration, on: str, schema: Schema) -> None:
        taken = [name for name in schema.names if name.startswith("__")]
        if taken:
            self._add(
                "NameNotValid", f"column {taken[0]!r} of {on!r} begins with two underscores, as "
                "the columns of its quarantine do", declared, "rename it, or judge a view of it",
            )  # fmt: skip

    def _action(self, declared: ExpectationDeclaration) -> None:
        is_table = isinstance(declared.rule, Rule) and declared.rule.kind in TABLE_KINDS
        actions = TABLE_ACTIONS if is_table else ROW_ACTIONS
        if declared.on_fail in actions:
            return
        about = f" of {declared.rule.kind}" if isinstance(declared.rule, Rule) and is_table else ""
        close = nearest(str(declared.on_fail), actions)
        self._add(
            "OptionType", f"on_fail{about} is {declared.on_fail!r} (words: {listing(actions)})",
            declared, f'write on_fail="{close or actions[0]}"',
        )  # fmt: skip

    def _max_bad(self, declared: ExpectationDeclaration) -> None:
        if declared.max_bad is None:
            return
        wrong = wrong_max_bad(declared.max_bad)
        if wrong:
            self._add("OptionType", wrong, declared, MAX_BAD_FIX)
        elif declared.on_fail == "fail":
            self._add(
                "OptionType", "max_bad has no meaning beside on_fail='fail': the first failing row "
                "stops the run", declared, 'write on_fail="quarantine", or remove max_bad',
            )  # fmt: skip
        elif isinstance(declared.rule, Rule) and declared.rule.kind in TABLE_KINDS:
            self._add(
                "OptionType", f"max_bad has no meaning for {declared.rule.kind}: it judges the "
                "table, not rows", declared, "remove max_bad",
            )  # fmt: skip

    def _twice(self, made: Sequence[Expectation]) -> None:
        first: dict[tuple[str, str], Place] = {}
        for one in made:
            key = (one.on, one.name.lower())
            if key in first:
                self.findings.add(Finding(
                    "DuplicateName", f"{one.on!r} has two expectations {one.name!r}, the first at "
                    f"{first[key]}", one.where, 'name one of them: name="…"', step=one.on,
                ))  # fmt: skip
            first.setdefault(key, one.where)

    # The rule

    def _checked(
        self, declared: ExpectationDeclaration, rule: Rule, schemas: Mapping[str, Schema], on: str,
        known: Sequence[str],
    ) -> Rule | None:  # fmt: skip
        """Give a rule with its columns as they were declared, or None when it cannot be used."""
        before = len(self.findings.errors)
        if rule.kind in ("not_null", "unique", "foreign_key") and not rule.columns:
            self._add(
                "OptionMissing", f"{rule.kind} names no column", declared, "name at least one"
            )
        columns = self._columns(declared, rule.columns, schemas[on], on)
        options = dict(rule.options)
        if rule.kind == "foreign_key":
            self._foreign_key(declared, options, schemas, known)
        for name, what in _WRONG.get(rule.kind, lambda _: ())(options):
            self._add("OptionType", f"{rule.kind}: {name} {what}", declared, f"correct {name}")
        if rule.kind == "freshness" and columns:
            self._type(declared, schemas[on], columns[0], ("timestamp", "date"))
            options["within"] = self._attempt(
                declared, lambda: parse_duration(options["within"], "within")
            )
        if rule.kind == "matches" and columns:
            self._type(declared, schemas[on], columns[0], ("string",))
        if len(self.findings.errors) > before:
            return None
        return Rule(rule.kind, columns, tuple(sorted(options.items())))

    def _columns(
        self, declared: ExpectationDeclaration, names: Sequence[str], schema: Schema, of: str
    ) -> tuple[str, ...]:
        spelled = {name.lower(): name for name in schema.names}
        found = []
        for name in names:
            if str(name).lower() in spelled:
                found.append(spelled[str(name).lower()])
                continue
            close = nearest(str(name), schema.names)
            self._add(
                "ColumnNotFound", f"no column {name!r} in {of!r} (columns: "
                f"{listing(schema.names)})", declared,
                f"write {close}" if close else "see the columns",
            )  # fmt: skip
        return tuple(found)

    def _foreign_key(
        self, declared: ExpectationDeclaration, options: dict[str, Any],
        schemas: Mapping[str, Schema], known: Sequence[str],
    ) -> None:  # fmt: skip
        to = {name.lower(): name for name in known}.get(options["to"].lower())
        if to is None:
            close = nearest(options["to"], known)
            self._add(
                "TableNotFound", f"no source, view or table {options['to']!r} (known: "
                f"{listing(known)})", declared, f"write {close}" if close else "declare it",
            )  # fmt: skip
            return
        options["to"] = to
        rule = declared.rule
        if isinstance(rule, Rule) and len(rule.columns) != len(options["key"]):
            self._add(
                "ArgumentCount", f"foreign_key has {len(rule.columns)} columns and a key of "
                f"{len(options['key'])}", declared, "name as many of the one as of the other",
            )  # fmt: skip
        if to in schemas:
            options["key"] = self._columns(declared, options["key"], schemas[to], to)

    def _type(
        self, declared: ExpectationDeclaration, schema: Schema, column: str, kinds: tuple[str, ...]
    ) -> None:
        type_ = in_expressions(schema.fields[schema.names.index(column)].type)
        if type_.kind not in kinds:
            self._add(
                "TypeMismatch", f"column {column!r} is {type_}; {_kind(declared)} judges "
                f"{' and '.join(kinds)}", declared, "name another column, or cast in a view",
            )  # fmt: skip

    def _text(
        self, declared: ExpectationDeclaration, rule: Rule | str, schema: Schema
    ) -> Text | None:
        if isinstance(rule, str):
            return Text(rule, declared.text_at or Place(declared.where.file, 1, 1))
        fields = [f for f in schema.fields if f.name in rule.columns[:1]]
        type_ = in_expressions(fields[0].type) if fields else BOOL
        text = self._attempt(declared, lambda: condition(rule, type_))
        return None if text is None else Text(text, declared.where)

    def _bound(
        self, declared: ExpectationDeclaration, text: Text, on: str, names: _Names
    ) -> Query | None:
        own = Findings()
        is_own = isinstance(declared.rule, str)
        located = Located(declared.where, is_exact=False)
        for attempt in range(2):
            own = Findings()
            try:
                query = parse_predicate(text, on)
            except MainstemError as error:
                own.add(error.finding)
            else:
                bound = bind_predicate(
                    query,
                    text,
                    names.schemas,
                    params=names.params,
                    declared=names.known,
                    findings=own,
                )
                if bound is not None and not own.items:
                    return bound.query
            if attempt == 0 and is_own:
                # Finding the text in the user's file costs a reading of it, so only errors ask.
                text, located = _located(declared, text)
        for finding in own.items:
            self.findings.add(_placed(finding, declared, located, is_own=is_own))
        return None

    def _attempt(self, declared: ExpectationDeclaration, read: Any) -> Any:
        try:
            return read()
        except MainstemError as error:
            found = error.finding
            self._add(found.code, found.what, declared, found.fix)
            return None

    def _add(self, code: str, what: str, declared: ExpectationDeclaration, fix: str) -> None:
        self.findings.add(Finding(code, what, declared.where, fix, step=declared.relation))


MAX_BAD_FIX = "write a number of rows such as max_bad=100, or a share such as max_bad=0.01"


def wrong_max_bad(value: object) -> str:
    """Say what is wrong with a bound on bad rows; "" when nothing is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"max_bad is {value!r}, neither a number of rows nor a share"
    if isinstance(value, int) and value < 0:
        return f"max_bad is {value}, less than no row"
    if isinstance(value, float) and not 0 <= value <= 1:
        return f"max_bad is {value}, which is no share from 0.0 to 1.0"
    return ""


def _reads(declared: ExpectationDeclaration) -> Sequence[str]:
    """Give what a rule reads; the parser's complaints come when it is bound."""
    if isinstance(declared.rule, Rule):
        to = declared.rule.option("to")
        if declared.rule.kind != "predicate":
            return [] if to is None else [to]
    rule = declared.rule
    sql = rule.option("sql") if isinstance(rule, Rule) else rule
    try:
        return reads_of(parse_predicate(Text(str(sql)), declared.relation)).names
    except MainstemError:
        return []


def _kind(declared: ExpectationDeclaration) -> str:
    return declared.rule.kind if isinstance(declared.rule, Rule) else "the rule"


def _shown(rule: Rule) -> str:
    given = [*map(str, rule.columns), *(f"{k}={v!r}" for k, v in rule.options)]
    return f"{rule.kind}({', '.join(given)})"


def _located(declared: ExpectationDeclaration, text: Text) -> tuple[Text, Located]:
    step = StepDeclaration(
        declared.relation, text.text, declared.where, declared.span, text_at=declared.text_at
    )
    found, located = step.located(text)
    return Text(found.text, found.place), located


def _placed(
    finding: Finding, declared: ExpectationDeclaration, located: Located, *, is_own: bool
) -> Finding:
    where, what = finding.where, finding.what
    if not is_own:
        # The text is ours: its places and lines mean nothing to the user.
        return dataclasses.replace(
            finding, where=declared.where, step=declared.relation, snippet=""
        )
    if not located.is_exact:
        at = f" (line {where.line}, column {where.column} of the rule)" if where.line else ""
        where, what = declared.where, what + at
    elif not located.has_columns:
        where = Place(where.file, where.line)
    return dataclasses.replace(finding, where=where, what=what, step=declared.relation)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _wrong_row_count(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    wrong = [
        (name, f"is {value!r}, not a number of rows")
        for name, value in options.items()
        if not _is_count(value)
    ]
    if not options:
        return [("min", "and max are both missing")]
    if not wrong and options.get("min", 0) > options.get("max", options.get("min", 0)):
        return [("min", f"is {options['min']}, above max, which is {options['max']}")]
    return wrong


def _wrong_volume(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    within, of = options.get("within"), options.get("of")
    is_number = isinstance(within, int | float) and not isinstance(within, bool)
    found = [] if is_number and within > 0 else [("within", f"is {within!r}, not a share above 0")]  # type: ignore[operator]
    return found if _is_count(of) and of else [*found, ("of", f"is {of!r}, not a number of runs")]


def _wrong_completeness(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    share = options.get("at_least")
    return [] if _is_share(share) else [("at_least", f"is {share!r}, not a share from 0 to 1")]


def _wrong_accepted(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    values = options.get("values")
    if isinstance(values, tuple) and values:
        return []
    return [("values", f"is {values!r}, not a list of values")]


def _wrong_between(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not options:
        return [("low", "and high are both missing")]
    low, high = options.get("low"), options.get("high")
    if None in (low, high) or isinstance(low, str) or isinstance(high, str):
        return []  # texts may be instants of two zones
    try:
        is_empty = cast("Any", low) > high
    except TypeError:
        return []  # of two types: one of them is not the column's, and told as such
    return [("low", f"is {low}, above high, which is {high}")] if is_empty else []


def _wrong_matches(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    pattern = options.get("pattern")
    return [] if isinstance(pattern, str) else [("pattern", f"is {pattern!r}, not a text")]


_WRONG: dict[str, Any] = {
    "row_count": _wrong_row_count, "volume": _wrong_volume, "completeness": _wrong_completeness,
    "accepted": _wrong_accepted, "between": _wrong_between, "matches": _wrong_matches,
}  # fmt: skip
