"""Rows on which an expression fails: found after an epoch has failed, and kept aside (contract V10).

Nothing is tested while all goes well. When a value made an epoch fail, its transaction is undone, the
expressions of each step are tried over all rows at once, and what fails still is cut in halves until
single rows are left. The epoch is then computed again without them: one bad row never stops a stream.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from mainstem.engines.embedded.compile import DuckdbPrinter, step_sql
from mainstem.engines.embedded.culprit import fallible
from mainstem.engines.embedded.failures import explained, is_data, row_words
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.judging import Judging
from mainstem.engines.embedded.stream.operators.operator import Operator
from mainstem.engines.embedded.types import quoted
from mainstem.plan import tree as t
from mainstem.plan.nodes import Step
from mainstem.plan.stream import DELTA, MAP, ROW_WATERMARK, StreamNode
from mainstem.plan.types import BIGINT
from mainstem.record import record
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.stream.parts import own_calls
from mainstem.sql.text import Printer

# The number of a row among those that a node got; the columns behind the row in its dead letter.
ROW, EXPRESSION, MESSAGE = "__row", "__expression", "__message"
# So many dead rows of an epoch are tried one by one, to hear what is said about each.
MOST_ASKED = 100


@record
class Repair:
    """What a node reads in place of its inputs, and the rows that were left out.

    Parameters
    ----------
    node : str
        Its name.
    step : str
        The step that it is a part of.
    good : dict
        Input to the name of the table without the rows that fail.
    letters : tuple of str
        Quoted names of tables with the rows that fail, the expression and the message.
    rows : int
        How many fail.
    """

    node: str
    step: str
    good: Mapping[str, str]
    letters: tuple[str, ...]
    rows: int


def over(query: t.Query, names: Mapping[str, str]) -> t.Query:
    """Give a query that reads other tables in place of those named."""

    def change(node: t.Node) -> t.Node:
        if isinstance(node, t.Table) and not node.is_cte and node.name in names:
            return replace(node, name=names[node.name], alias=node.alias or node.name)
        return t.rebuilt(node, change)

    made = change(query)
    assert isinstance(made, t.Query)  # noqa: S101 - it was one
    return made


def row_query(node: StreamNode, *, is_first: bool) -> t.Query:
    """Give what a node computes of single rows."""
    if is_first and node.first is not None:
        return node.first
    return node.query if node.rows is None else node.rows


class Search:
    """Looks for failing rows, node by node, outside of any transaction."""

    def __init__(self, session: Session, *, is_first: bool) -> None:
        self.session, self.is_first = session, is_first
        self.printer = DuckdbPrinter()
        self.repairs: dict[str, Repair] = {}
        # Takes out of the rows of a node what its expectations would stop.
        self.strip: Callable[[str, str], None] = lambda name, table: None

    def over_sources(self, nodes: tuple[StreamNode, ...]) -> None:
        """Look at the nodes that no stateful one and no Python function stands before."""
        self.nodes(nodes, {}, {n.name for n in nodes if n.kind != DELTA})

    def over_all(
        self, nodes: tuple[StreamNode, ...], folder: Path, compute: Callable[[], list[str]]
    ) -> None:
        """Look at the others too: `compute` gives those of them that have come to an end.

        What they gave is gone with the transaction, so it is put into files before.
        """
        with tempfile.TemporaryDirectory(dir=folder) as name:
            self.session.rows("BEGIN")
            try:
                done = compute()
                files = {node: Path(name) / f"{index}.parquet" for index, node in enumerate(done)}
                for node, path in files.items():
                    shown = str(path).replace("'", "''")
                    self.session.rows(
                        f"COPY (FROM temp.{quoted(node)}) TO '{shown}' (FORMAT parquet)"
                    )
            finally:
                self.session.rows("ROLLBACK")
            bases = {}
            for index, (node, path) in enumerate(files.items()):
                bases[node] = f"__base_{index}"
                shown = str(path).replace("'", "''")
                self.session.rows(
                    f"CREATE OR REPLACE TEMP TABLE {quoted(bases[node])} AS FROM read_parquet('{shown}')"
                )
        unknown = {n.name for n in nodes if n.kind != DELTA and n.name not in bases}
        self.nodes(nodes, bases, unknown)

    def nodes(
        self, nodes: tuple[StreamNode, ...], bases: Mapping[str, str], unknown: set[str]
    ) -> None:
        """Try each node over tables of its inputs; leave out those whose input is not known."""
        tables, unknown = dict(bases), set(unknown)
        for index, node in enumerate(nodes):
            if unknown & set(node.inputs):
                unknown.add(node.name)
                continue
            names = {name: tables.get(name, name) for name in node.inputs}
            query = row_query(node, is_first=self.is_first)
            if node.name not in self.repairs and self.error(step_sql(over(query, names))):
                self.repair(node, names, index)
            if node.kind == DELTA:
                made = f"__tried_{index}"
                names |= self.repairs[node.name].good if node.name in self.repairs else {}
                if self.error(step_sql(over(query, names)), made):
                    unknown.add(node.name)
                else:
                    self.strip(node.name, quoted(made))
                tables[node.name] = made

    def error(self, sql: str, table: str = "__tried") -> str:
        """Give what is said when a value makes a query fail; its rows are in the table else."""
        try:
            self.session.rows(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS {sql}")
        except duckdb.Error as error:
            if not is_data(error):
                raise
            return row_words(error)
        return ""

    def repair(self, node: StreamNode, names: Mapping[str, str], number: int) -> None:
        """Find the rows of each input that make a node fail."""
        query = row_query(node, is_first=self.is_first)
        good, letters, n_dead = dict(names), [], 0
        for index, name in enumerate(dict.fromkeys(node.inputs)):
            rows = f"__rows_{number}_{index}"
            empty = {other: f"__none_{other}" for other in names if other != name}
            for other, made in empty.items():
                self.session.rows(
                    f"CREATE OR REPLACE TEMP VIEW {quoted(made)} AS FROM {quoted(names[other])} LIMIT 0"
                )
            self.session.rows(
                f"CREATE OR REPLACE TEMP TABLE {quoted(rows)} AS SELECT *, row_number() OVER () AS "
                f"{ROW} FROM {quoted(names[name])}"
            )
            side = _Side(self, query, name, rows, empty)
            n_dead += side.find()
            good[name] = f"__good_{number}_{index}"
            letters.append(side.written(f"__letters_{number}_{index}", good[name]))
        if n_dead:
            self.repairs[node.name] = Repair(node.name, node.step, good, tuple(letters), n_dead)


class _Side:
    """The rows of one input of a node."""

    def __init__(
        self, search: Search, query: t.Query, name: str, rows: str, empty: Mapping[str, str]
    ) -> None:
        self.search, self.session = search, search.session
        self.query, self.name, self.rows = query, name, rows
        self.sql = step_sql(over(query, {**empty, name: "__some"}))

    def find(self) -> int:
        """Put the numbers of the failing rows into a table; give how many there are."""
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE __bad ({ROW} BIGINT, expression VARCHAR, said VARCHAR)"
        )
        self.by_expressions()
        ((n_rows,),) = self.session.rows(f"SELECT count(*) FROM {quoted(self.rows)}")
        for row, said in list(self.by_halves(0, n_rows)):
            self.session.rows("INSERT INTO __bad VALUES ($1, NULL, $2)", [row, said])
        self.named()
        ((n_dead,),) = self.session.rows("SELECT count(*) FROM __bad")
        return int(n_dead)

    def said(self, test: str) -> str:
        """Give what is said about some of the rows; "" when they do not fail."""
        self.session.rows(
            f"CREATE OR REPLACE TEMP VIEW __some AS SELECT * EXCLUDE ({ROW}) FROM {quoted(self.rows)} "
            f"WHERE {test}"
        )
        return self.search.error(self.sql)

    def by_halves(self, low: int, high: int) -> Iterator[tuple[int, str]]:
        """Give the rows in (low, high] that fail alone and are not known yet."""
        said = self.said(
            f"{ROW} > {low} AND {ROW} <= {high} AND {ROW} NOT IN (SELECT {ROW} FROM __bad)"
        )
        if not said or high <= low:
            return
        if high - low == 1:
            yield high, said
            return
        middle = (low + high) // 2
        yield from self.by_halves(low, middle)
        yield from self.by_halves(middle, high)

    def relation(self) -> tuple[t.Select, str, str] | None:
        """Give the SELECT that reads the rows directly, its FROM as SQL, and the alias of the rows."""
        reading = [one for one in _selects(self.query) if self.name in _tables(one)]
        body = reading[0] if len(reading) == 1 else None
        if body is None or body.source is None or self.query.ctes:
            return None
        found = [n for n in t.walk(body.source) if isinstance(n, t.Table) and n.name == self.name]
        source, alias = _numbered(body.source, self.name)
        if not alias or len(found) != 1:
            return None
        renamed = over(t.Query(t.Select((), source)), {self.name: self.rows}).body
        assert isinstance(renamed, t.Select)  # noqa: S101 - it was one
        assert renamed.source is not None  # noqa: S101 - it was there
        return body, self.search.printer.relation(renamed.source), alias

    def by_expressions(self) -> None:
        """Find the rows on which WHERE or an output fails, each as a whole, all rows at once."""
        found = self.relation()
        if found is None:
            return
        body, relation, alias = found
        if body.group or any(call.window or is_aggregate(call) for call in own_calls(body)):
            # Over complete windows: what is said of groups is no matter of single rows.
            return
        items = [item.expr for item in body.items if item.name != ROW_WATERMARK]
        if any(isinstance(n, t.Query) for e in (*items, body.where) if e for n in t.walk(e)):
            return
        failing = " OR ".join(f"TRY([{self.search.printer.expr(e)}]) IS NULL" for e in items)
        test = failing or "FALSE"
        if body.where is not None:
            where = self.search.printer.expr(body.where)
            test = f"TRY([{where}]) IS NULL OR (coalesce(TRY({where}), FALSE) AND ({test}))"
        sql = f"SELECT DISTINCT {quoted(alias)}.{ROW}, NULL, NULL FROM {relation} WHERE {test}"
        self.attempt(f"INSERT INTO __bad {sql}")

    def attempt(self, sql: str) -> None:
        """Run what may fail by itself, as where a join's own condition does: halves find those rows."""
        try:
            self.session.rows(sql)
        except duckdb.Error as error:
            if not is_data(error):
                raise

    def named(self) -> None:
        """Name the expression that fails on each row, innermost first, and what is said about it."""
        found = self.relation()
        if found is not None:
            body, relation, alias = found
            for select, expr in fallible(self.query):
                if select is body:
                    self.attempt(
                        f"UPDATE __bad SET expression = '{Printer().expr(expr).replace(chr(39), chr(39) * 2)}' "
                        f"WHERE expression IS NULL AND {ROW} IN (SELECT {quoted(alias)}.{ROW} FROM "
                        f"{relation} WHERE {quoted(alias)}.{ROW} IN (SELECT {ROW} FROM __bad) AND "
                        f"TRY([{self.search.printer.expr(expr)}]) IS NULL)"
                    )
        asked = self.session.rows(
            f"SELECT {ROW} FROM __bad WHERE said IS NULL ORDER BY {ROW} LIMIT {MOST_ASKED}"
        )
        for (row,) in asked:
            said = self.said(f"{ROW} = {row}")
            self.session.rows(f"UPDATE __bad SET said = $1 WHERE {ROW} = {row}", [said])

    def written(self, letters: str, good: str) -> str:
        """Make the tables of the rows that fail and of those that do not; give the first one's name."""
        rows = quoted(self.rows)
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {quoted(letters)} AS SELECT r.* EXCLUDE ({ROW}), "
            f"coalesce(b.expression, 'an expression') AS {EXPRESSION}, "
            f"coalesce(b.said, 'it failed') AS {MESSAGE} FROM {rows} AS r JOIN __bad AS b USING ({ROW}) "
            f"ORDER BY {ROW}"
        )
        columns = {row[0] for row in self.session.rows(f"DESCRIBE {quoted(letters)}")}
        if ROW_WATERMARK in columns:
            self.session.rows(f"ALTER TABLE {quoted(letters)} DROP {quoted(ROW_WATERMARK)}")
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {quoted(good)} AS SELECT * EXCLUDE ({ROW}) FROM {rows} "
            f"WHERE {ROW} NOT IN (SELECT {ROW} FROM __bad) ORDER BY {ROW}"
        )
        return quoted(letters)


def _selects(query: t.Query) -> list[t.Select]:
    """Give the SELECTs of a query: one, or those of a union."""
    if isinstance(query.body, t.SetOperation):
        return [*_selects(query.body.left), *_selects(query.body.right)]
    return [query.body] if isinstance(query.body, t.Select) else []


def _numbered(node: t.Relation, name: str) -> tuple[t.Relation, str]:
    """Give a FROM that hands on the numbers of the rows of `name`, and by what alias; "" if it cannot."""
    if isinstance(node, t.Table):
        return node, (node.alias or node.name) if node.name == name else ""
    if isinstance(node, t.Join):
        left, of_left = _numbered(node.left, name)
        right, of_right = _numbered(node.right, name)
        return replace(node, left=left, right=right), of_left or of_right
    body = node.query.body if isinstance(node, t.Subquery) else None
    if not isinstance(node, t.Subquery) or not isinstance(body, t.Select) or body.group:
        return node, ""
    if not isinstance(body.source, t.Table) or body.source.name != name or body.is_distinct:
        return node, ""
    number = t.Item(t.Column(body.source.alias or name, ROW, type=BIGINT), ROW)
    query = replace(node.query, body=replace(body, items=(*body.items, number)))
    return replace(node, query=query, columns=(*node.columns, ROW)), node.alias


def _tables(node: t.Node) -> set[str]:
    return {n.name for n in t.walk(node) if isinstance(n, t.Table) and not n.is_cte}


class Mender:
    """Computes epochs; one that a value makes fail again, without the rows that fail."""

    def __init__(
        self, session: Session, nodes: tuple[StreamNode, ...], operators: Mapping[str, Operator],
        folder: Path, judging: Judging,
    ) -> None:  # fmt: skip
        self.session, self.nodes, self.operators = session, nodes, operators
        self.folder, self.judging = folder, judging
        self.repairs: dict[str, Repair] = {}

    def search(
        self, error: duckdb.Error, step: Step | None, compute: Callable[[], list[str]], *,
        is_first: bool,
    ) -> None:  # fmt: skip
        """Find the rows that made an epoch fail; its transaction is open and lost.

        Parameters
        ----------
        error : duckdb.Error
            What ended it.
        step : Step or None
            Where.
        compute : callable
            Computes the nodes before that once more, and gives the names of those that keep something
            or call Python functions.
        is_first : bool
            Whether bounded inputs are read.

        Raises
        ------
        MainstemError
            When a value was not the reason, or it stands in no row: an aggregate that overflows.
        """
        self.session.rows("ROLLBACK")
        if not is_data(error):
            raise error
        self.begin_again()
        search = Search(self.session, is_first=is_first)
        search.repairs, search.strip = dict(self.repairs), self.judging.strip
        search.over_sources(self.nodes)
        if search.repairs.keys() == self.repairs.keys():
            search.over_all(self.nodes, self.folder, compute)
            self.begin_again()
        if search.repairs.keys() == self.repairs.keys():
            told = explained(error, step, culprit="an aggregate, or a result of it,")
            if told.finding.code == "ExpressionFailed":
                fix = "sum as DECIMAL(38, 0), or filter out what is too large"
                told.finding = replace(told.finding, fix=fix)
            raise told
        self.repairs = search.repairs

    def begin_again(self) -> None:
        """Let operators forget what they knew of the epoch that was undone."""
        for operator in self.operators.values():
            operator.create(self.session)
            operator.give_nothing(self.session)

    def arrange(self, node: StreamNode, *, is_first: bool) -> None:
        """Let a node read its rows without those that fail."""
        repair = self.repairs.get(node.name)
        if repair is None or node.kind == MAP:
            return
        sql = step_sql(over(row_query(node, is_first=is_first), repair.good))
        operator = self.operators.get(node.name)
        if operator is None:
            name = self.judging.view(node.name)
            self.session.rows(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")
            return
        operator.rows_sql = sql
        operator.late_sql = "" if node.late is None else step_sql(over(node.late, repair.good))

    def good_sql(self, node: StreamNode) -> str:
        """Give the query of a node without the rows that fail; "" when none does."""
        repair = self.repairs.get(node.name)
        return "" if repair is None else step_sql(over(node.query, repair.good))

    def done(self) -> list[str]:
        """Let every node read its inputs again; give those whose views are to be made anew."""
        for name in self.repairs:
            operator = self.operators.get(name)
            if operator is not None and operator.node.rows is not None:
                node = operator.node
                operator.rows_sql = step_sql(operator.node.rows)
                operator.late_sql = "" if node.late is None else step_sql(node.late)
        views = [n.name for n in self.nodes if n.kind == DELTA and n.name in self.repairs]
        self.repairs = {}
        return views
