"""Random pipelines over streams: each step as SQL, and as what the reference makes of its input.

Everything comes from one `random.Random`, so a seed repeats it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from mainstem.record import mutable, record
from mainstem.testing.reference_stream import (
    MINUTE,
    Flow,
    Ledger,
    Row,
    Window,
    first_rows,
    grouped,
    in_windows,
    latest_sessions,
    lowest,
)
from mainstem.testing.stream_aggregates import AGGREGATES, FILTERS, KEYS, Aggregate

COLUMNS = "id bigint, at timestamp, k string, v bigint, d decimal(10,2)"
BASE = 1_704_103_200_000_000  # 2024-01-01 10:00
NAMES = {"a": "rome", "b": "oslo", "c": "rome"}

Flows = dict[str, Flow]
Compute = Callable[[Flows, Ledger], Flow]


@record
class StepDraft:
    """One step: its text, and what it gives of the relations before it."""

    name: str
    sql: str
    compute: Compute
    is_table: bool = True
    words: tuple[tuple[str, str], ...] = ()
    # Columns of its answer, and those of its input that a late row has.
    columns: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    is_updating: bool = False


@record
class SourceDraft:
    """A source with its bound of disorder in microseconds and its partitions."""

    name: str
    bound: int
    partitions: tuple[str, ...]


@mutable
class PipelineDraft:
    """A pipeline.

    `has_names` when it looks into the lookup ``names``, `has_failing` when an expression fails on rows.
    """

    sources: list[SourceDraft]
    steps: list[StepDraft]
    has_names: bool = False
    has_failing: bool = False

    def __str__(self) -> str:
        """Give it as text, for whoever looks for a failure."""
        sources = [f"{s.name}: bound {s.bound} us, {list(s.partitions)}" for s in self.sources]
        return "\n".join([*sources, *(f"{s.name} {dict(s.words)}: {s.sql}" for s in self.steps)])


_SECOND = 1_000_000
_EVERY = ("id", "at", "k", "v", "d")


def random_pipeline(rng: random.Random) -> PipelineDraft:
    """Give a pipeline with one to seven steps."""
    return _Generator(rng).pipeline()


class _Generator:
    """Makes one pipeline."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.steps: list[StepDraft] = []
        self.has_names = self.has_failing = False

    def pipeline(self) -> PipelineDraft:
        rng = self.rng
        n_sources = rng.choice((1, 1, 1, 2))
        sources = [
            SourceDraft(f"s{n}", rng.choice((0, 5, 30, 120)) * _SECOND,
                        tuple(f"p{i}" for i in range(rng.choice((1, 1, 2, 3, 6)))))
            for n in range(n_sources)
        ]  # fmt: skip
        base = self.base([one.name for one in sources])
        kind = rng.choices(
            ("window", "rows", "running", "ttl", "top", "distinct"), (12, 2, 2, 3, 2, 1)
        )[0]
        getattr(self, f"add_{kind}")(base)
        if kind == "window":
            for _ in range(rng.choice((0, 1, 1, 2))):
                self.after_window(self.steps[-1].name if rng.random() < 0.7 else "w")
        return PipelineDraft(sources, self.steps, self.has_names, self.has_failing)

    def add(self, draft: StepDraft) -> None:
        self.steps.append(draft)

    # Steps that keep nothing

    def base(self, sources: Sequence[str]) -> str:
        """Give what the first stateful step reads: with id, at, k, v and d."""
        rng, name = self.rng, "base"
        if len(sources) == 2:
            filtered, test = rng.choice(FILTERS)
            sql = f"SELECT id, at, k, v, d FROM s0 UNION ALL SELECT id, at, k, v, d FROM s1 WHERE {filtered}"

            def both(flows: Flows, ledger: Ledger) -> Flow:
                right = (r for r in flows["s1"].rows if test(r))
                mark = lowest((flows["s0"].mark, flows["s1"].mark))
                return Flow((*flows["s0"].rows, *right), mark)

            self.add(StepDraft(name, sql, both, is_table=False, columns=_EVERY))
            return name
        source, kind = (
            sources[0],
            rng.choice(("none", "none", "filter", "lookup", "rename", "fails")),
        )
        if kind == "none":
            return source
        if kind == "filter":
            filtered, test = rng.choice(FILTERS)
            sql = f"SELECT * FROM {source} WHERE {filtered}"
            self.add(StepDraft(
                name, sql, lambda flows, _: Flow(tuple(filter(test, flows[source].rows)), flows[source].mark),
                is_table=rng.random() < 0.3, columns=_EVERY,
            ))  # fmt: skip
        elif kind == "fails":
            self.add(self.failing(name, source))
        elif kind == "lookup":
            self.add(self.looked_up(name, source, rng.choice(("JOIN", "LEFT JOIN"))))
        else:
            sql = f"WITH c AS (SELECT id, at, upper(k) AS k, v, d FROM {source}) SELECT * FROM c"
            self.add(StepDraft(
                name, sql, lambda flows, _: Flow(tuple(
                    Row({**r.values, "k": None if r["k"] is None else r["k"].upper()}, r.mark)
                    for r in flows[source].rows
                ), flows[source].mark), is_table=False, columns=_EVERY,
            ))  # fmt: skip
        return name

    def failing(self, name: str, source: str) -> StepDraft:
        """Give a step whose expression fails on some rows: they are lost here, and nowhere else."""
        self.has_failing = True
        sql = (
            "SELECT id, at, k, CASE WHEN id % 7 = 0 THEN CAST('x' || k AS bigint) ELSE v END AS v, d "
            f"FROM {source}"
        )

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            rows = [Row({**r.values, "v": None if r["id"] % 7 == 0 else r["v"]}, r.mark)
                    for r in flows[source].rows if r["id"] % 7 or r["k"] is None]  # fmt: skip
            return Flow(tuple(rows), flows[source].mark)

        is_table = self.rng.random() < 0.5
        return StepDraft(name, sql, compute, is_table=is_table, columns=_EVERY)

    def looked_up(self, name: str, source: str, join: str) -> StepDraft:
        self.has_names = True
        sql = f"SELECT s.id, s.at, n.city AS k, s.v, s.d FROM {source} AS s {join} names AS n ON s.k = n.key"

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            rows = [Row({**r.values, "k": NAMES.get(r["k"])}, r.mark) for r in flows[source].rows
                    if join == "LEFT JOIN" or r["k"] in NAMES]  # fmt: skip
            return Flow(tuple(rows), flows[source].mark)

        return StepDraft(name, sql, compute, is_table=False, columns=_EVERY)

    # Windows

    def window(self, kind: str, unit: int) -> Window:
        rng = self.rng
        step = rng.choice((1, 2, 3)) * unit
        offset = rng.choice((0, 0, unit // 3))
        if kind == "tumble":
            return Window(kind, step, offset=offset)
        if kind == "session":
            return Window(kind, step)
        return Window(kind, step * rng.choice((1, 2, 3, 4)), step, offset)

    def window_sql(self, window: Window, table: str, time: str) -> str:
        spans = (
            [window.size] if window.kind in ("tumble", "session") else [window.step, window.size]
        )
        if window.kind != "session" and window.offset:
            spans.append(window.offset)
        shown = "".join(f", INTERVAL '{span // _SECOND} seconds'" for span in spans)
        keys = "".join(f", {key}" for key in window.keys)
        return f"{window.kind.upper()}({table}, {time}{shown}{keys})"

    def lateness(self) -> int:
        return self.rng.choice((0, 0, 0, 20 * _SECOND, 90 * _SECOND))

    def add_window(self, base: str) -> None:
        """Add an aggregate over a window of rows, called ``w``, with ``n`` among its results."""
        rng = self.rng
        window = self.window(rng.choice(("tumble", "tumble", "hop", "cumulate", "session")), MINUTE)
        keys = rng.sample(KEYS, rng.choice((0, 1, 1, 2)))
        if window.kind == "session":
            keys = [key for key in keys if key[1] == "k"]
            window = Window("session", window.size, keys=tuple(key[1] for key in keys))
        calls = [Aggregate("count(*)", len), *rng.sample(AGGREGATES, rng.choice((0, 1, 2, 3)))]
        if window.kind != "session" and rng.random() < 0.15:
            calls.append(Aggregate(
                "count_if(at < window_start + INTERVAL '20 seconds')",
                lambda rows: sum(r["at"] < r["window_start"] + 20 * _SECOND for r in rows),
            ))  # fmt: skip
        filtered, test = rng.choice(FILTERS) if rng.random() < 0.3 else ("", lambda r: True)
        having = rng.random() < 0.2
        lateness = self.lateness()
        names = [f"r{i}" if i else "n" for i in range(len(calls))]
        bounds = ["window_start", "window_end", "window_time"]
        items = [*bounds, *(f"{sql} AS {name}" for sql, name, _ in keys),
                 *(f"{c.sql} AS {n}" for c, n in zip(calls, names, strict=True))]  # fmt: skip
        table = self.window_sql(window, base, "at")
        group = ", ".join([*bounds, *(sql for sql, _, _ in keys)])
        where = f" WHERE {filtered}" if filtered else ""
        is_named = rng.random() < 0.2
        if is_named:
            sql = f"WITH q AS (SELECT * FROM {table}) SELECT {', '.join(items)} FROM q{where} GROUP BY {group}"
        else:
            sql = f"SELECT {', '.join(items)} FROM {table}{where} GROUP BY {group}"
        sql += " HAVING count(*) > 1" if having else ""

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            ledger.is_by_window = is_named
            # Rows that a filter drops are of their session all the same.
            is_first = window.kind != "session"
            kept = flows[base].rows if not is_first else tuple(filter(test, flows[base].rows))
            placed = in_windows(Flow(kept, flows[base].mark), window, "at", lateness, ledger)
            if not is_first:
                placed = Flow(tuple(filter(test, placed.rows)), placed.mark)
            found = grouped(
                placed, lambda r: {**{b: r[b] for b in bounds}, **{n: of(r) for _, n, of in keys}},
                lambda rows: {n: c.of(rows) for n, c in zip(names, calls, strict=True)},
            )  # fmt: skip
            rows = tuple(r for r in found.rows if not having or r["n"] > 1)
            return Flow(rows, found.mark)

        words = (("allowed_lateness", f"{lateness // _SECOND} seconds"),) if lateness else ()
        columns = (*bounds, *(name for _, name, _ in keys), *names)
        self.add(StepDraft(
            "w", sql, compute, is_table=rng.random() < 0.5, words=words, columns=columns, late=_EVERY
        ))  # fmt: skip

    def add_rows(self, base: str) -> None:
        """Add a step that numbers the rows of each window."""
        rng = self.rng
        window = self.window(rng.choice(("tumble", "hop", "cumulate")), MINUTE)
        n, lateness = rng.choice((1, 2)), self.lateness()
        sql = (
            f"SELECT window_end, k, id, v FROM {self.window_sql(window, base, 'at')} QUALIFY row_number() "
            f"OVER (PARTITION BY window_end, k ORDER BY v DESC, id) <= {n}"
        )

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            placed = in_windows(flows[base], window, "at", lateness, ledger)
            return first_rows(placed, lambda r: (r["window_end"], r["k"]), _by_v, n)

        words = (("allowed_lateness", f"{lateness // _SECOND} seconds"),) if lateness else ()
        self.add(StepDraft(
            "w", sql, compute, words=words, columns=("window_end", "k", "id", "v"), late=_EVERY
        ))  # fmt: skip

    # What has no window

    def add_running(self, base: str) -> None:
        self.running(base, "agg")

    def add_ttl(self, base: str) -> None:
        self.running(base, "agg", ttl=self.rng.choice((10, 45, 100)) * _SECOND)

    def running(self, base: str, name: str, ttl: int = 0, time: str = "at") -> None:
        rng = self.rng
        keys = [] if rng.random() < 0.15 else ["k"]
        n = "sum(n)" if base == "w" else "count(*)"
        calls = [] if base == "w" else rng.sample(AGGREGATES, rng.choice((0, 1, 2)))
        having = rng.random() < 0.25 and bool(keys)
        names = [f"r{i}" for i in range(len(calls))]
        items = [
            *keys,
            f"{n} AS n",
            *(f"{c.sql} AS {x}" for c, x in zip(calls, names, strict=True)),
        ]
        sql = f"SELECT {', '.join(items)} FROM {base}" + (" GROUP BY k" if keys else "")
        sql += f" HAVING {n} % 2 = 0" if having else ""

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            flow = flows[base]
            if ttl:
                flow = latest_sessions(flow, keys, time, ttl, ledger)
            else:
                ledger.arrived += len(flow.rows)
            found = grouped(flow, lambda r: {x: r[x] for x in keys}, lambda rows: {
                "n": sum(r["n"] for r in rows) if base == "w" else len(rows),
                **{x: c.of(rows) for x, c in zip(names, calls, strict=True)},
            })  # fmt: skip
            rows = tuple(r for r in found.rows if not having or r["n"] % 2 == 0)
            if not rows and not keys:
                # One group, whatever comes.
                none = {x: c.of([]) for x, c in zip(names, calls, strict=True)}
                rows = (Row({"n": None if base == "w" else 0, **none}),)
            return Flow(rows, found.mark)

        words = (("ttl", f"{ttl // _SECOND} seconds"),) if ttl else (("state", "unbounded"),)
        self.add(StepDraft(
            name, sql, compute, words=words, columns=(*keys, "n", *names),
            late=_EVERY if ttl and base != "w" else (), is_updating=True,
        ))  # fmt: skip

    def add_top(self, base: str) -> None:
        n, ttl = self.rng.choice((1, 3)), self.rng.choice((0, 0, 10, 45, 100)) * _SECOND
        rank = "row_number() OVER (PARTITION BY k ORDER BY v DESC, id)"
        shown = ", place" if n > 1 else ""
        sql = self.rng.choice((
            f"SELECT k, id, v{shown and f', {rank} AS place'} FROM {base} QUALIFY {rank} <= {n}",
            f"SELECT k, id, v{shown} FROM (SELECT *, {rank} AS place FROM {base}) WHERE place <= {n}",
        ))  # fmt: skip

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            flow = flows[base]
            if ttl:
                flow = latest_sessions(flow, ("k",), "at", ttl, ledger)
            else:
                ledger.arrived += len(flow.rows)
            found = first_rows(flow, lambda r: r["k"], _by_v, n)
            rows, places = [], dict[Any, int]()
            for row in found.rows:
                places[row["k"]] = places.get(row["k"], 0) + 1
                rows.append(Row({**row.values, "place": places[row["k"]]}))
            return Flow(tuple(rows), found.mark)

        columns = ("k", "id", "v", *(["place"] if n > 1 else []))
        words = (("ttl", f"{ttl // _SECOND} seconds"),) if ttl else (("state", "unbounded"),)
        self.add(StepDraft(
            "top", sql, compute, words=words, columns=columns, late=_EVERY if ttl else (),
            is_updating=True,
        ))  # fmt: skip

    def add_distinct(self, base: str) -> None:
        def compute(flows: Flows, ledger: Ledger) -> Flow:
            ledger.arrived += len(flows[base].rows)
            return grouped(flows[base], lambda r: {"k": r["k"], "v": r["v"]}, lambda rows: {})

        self.add(StepDraft(
            "distinct_ones", f"SELECT DISTINCT k, v FROM {base}", compute,
            words=(("state", "unbounded"),), columns=("k", "v"), is_updating=True,
        ))  # fmt: skip

    # What reads the rows of complete windows

    def after_window(self, before: str) -> None:
        draft = next(step for step in self.steps if step.name == before)
        if draft.is_updating or "window_time" not in draft.columns:
            return
        kinds = ["again", "again", "filter"]
        if before == "w":
            kinds += ["best", "running" if "k" in draft.columns else "filter"]
        kind = self.rng.choice(kinds)
        name = f"x{len(self.steps)}"
        getattr(self, f"{kind}_after")(name, draft)

    def filter_after(self, name: str, draft: StepDraft) -> None:
        before = draft.name

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            return Flow(tuple(r for r in flows[before].rows if r["n"] > 1), flows[before].mark)

        sql = f"SELECT * FROM {before} WHERE n > 1"
        self.add(StepDraft(name, sql, compute, columns=draft.columns))

    def best_after(self, name: str, draft: StepDraft) -> None:
        """Give the first rows of each window; rows of a window are told apart by all of their keys."""
        order = [c for c in draft.columns if c in ("window_start", "k", "unknown", "odd")]
        sql = (
            f"SELECT * FROM {draft.name} QUALIFY row_number() OVER (PARTITION BY window_end "
            f"ORDER BY n DESC, {', '.join(order)}) <= 2"
        )

        def by(row: Row) -> Any:
            return (-row["n"], *((row[c] is None, row[c] or 0) if c != "k" else
                                 (row[c] is None, row[c] or "") for c in order))  # fmt: skip

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            return first_rows(flows[draft.name], lambda r: r["window_end"], by, 2)

        self.add(StepDraft(name, sql, compute, columns=draft.columns))

    def running_after(self, name: str, draft: StepDraft) -> None:
        ttl = self.rng.choice((0, 150 * _SECOND))
        self.running(draft.name, name, ttl, "window_time")

    def again_after(self, name: str, draft: StepDraft) -> None:
        """Add a window of windows."""
        rng, before = self.rng, draft.name
        window = self.window(rng.choice(("tumble", "hop", "cumulate", "session")), 3 * MINUTE)
        keys = ["k"] if "k" in draft.columns and rng.random() < 0.6 else []
        if window.kind == "session":
            window = Window("session", window.size, keys=tuple(keys))
        lateness = self.lateness()
        bounds = ["window_start", "window_end", "window_time"]
        sql = (
            f"SELECT {', '.join([*bounds, *keys])}, sum(n) AS n, count(*) AS c FROM "
            f"{self.window_sql(window, before, 'window_time')} GROUP BY {', '.join([*bounds, *keys])}"
        )
        # The names of the window before are there already: its input has no others.
        inner = [c for c in ("window_time", "k", "n") if c in draft.columns]
        renamed = ", ".join("window_time AS t" if c == "window_time" else c for c in inner)
        view = f"{name}_in"
        self.add(StepDraft(
            view, f"SELECT {renamed} FROM {before}", lambda flows, _: Flow(tuple(
                Row({**r.values, "t": r["window_time"]}) for r in flows[before].rows
            ), flows[before].mark), is_table=False,
            columns=tuple("t" if c == "window_time" else c for c in inner),
        ))  # fmt: skip
        sql = sql.replace(self.window_sql(window, before, "window_time"),
                          self.window_sql(window, view, "t"))  # fmt: skip

        def compute(flows: Flows, ledger: Ledger) -> Flow:
            placed = in_windows(flows[view], window, "t", lateness, ledger)
            return grouped(
                placed, lambda r: {b: r[b] for b in (*bounds, *keys)},
                lambda rows: {"n": sum(r["n"] for r in rows), "c": len(rows)},
            )  # fmt: skip

        words = (("allowed_lateness", f"{lateness // _SECOND} seconds"),) if lateness else ()
        self.add(StepDraft(name, sql, compute, words=words, columns=(*bounds, *keys, "n", "c")))


def _by_v(row: Row) -> Any:
    return (row["v"] is None, -(row["v"] or 0), row["id"])


def random_rows(
    rng: random.Random, source: SourceDraft, n_rows: int, *, beyond: bool, first_id: int
) -> list[tuple[str, dict[str, Any]]]:
    """Give rows (partition, values): with equal times and NULLs, disorder within or beyond the bound."""
    heads = dict.fromkeys(source.partitions, BASE + rng.randrange(0, 60) * _SECOND)
    made = []
    for number in range(n_rows):
        partition = rng.choice(source.partitions)
        heads[partition] += rng.choice((0, 0, 1, 7, 13, 40, 100)) * _SECOND
        heads[partition] += rng.choice((0, 0, 1000, 999_000))
        back = rng.choice((0, 0, source.bound // 2, source.bound))
        if beyond and rng.random() < 0.2:
            back = source.bound + rng.choice((1, 20, 200)) * _SECOND
        values = {
            "id": first_id + number, "at": heads[partition] - back, "k": rng.choice(("a", "b", "c", "é", "", None)),
            "v": rng.choice((None, 0, 1, 2, 3, 5, -4)),
            "d": rng.choice((None, Decimal("0.10"), Decimal("-3.25"), Decimal("12.00"))),
        }  # fmt: skip
        made.append((partition, values))
    return made
