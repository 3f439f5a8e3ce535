"""Window functions. Those that depend on the order of rows that tie need a total order (contract V6, T11)."""

from __future__ import annotations

from mainstem.functions.spec import Example, Function, overload, rows

_NUMBERING = "takes none"
_FRAME = "; IGNORE NULLS leaves them out"


def _rank(name: str, doc: str, gives: str, *examples: Example, order: str = "free") -> Function:
    return Function(
        name, doc, (overload(gives=gives),), kind="window", family="window", null=_NUMBERING, order=order,
        spelling={"*": name + "(){over}"}, rules=("V6", "T11") if order == "total" else ("V6",), examples=examples,
    )  # fmt: skip


def _neighbour(name: str, doc: str, *examples: Example) -> Function:
    return Function(
        name, doc,
        (overload("T", gives="T"), overload("T", "literal bigint:natural", gives="T"), overload("T", "literal bigint:natural", "T", gives="T")),
        kind="window", family="window", null="a NULL is a value like others; IGNORE NULLS leaves such rows out", order="total",
        spelling={"*": name + "({args}{nulls}){over}"}, rules=("V6", "T11"), examples=examples,
    )  # fmt: skip


def _of_frame(name: str, doc: str, *examples: Example) -> Function:
    return Function(
        name, doc, (overload("T", gives="T"),), kind="window", family="window", null="a NULL is a value like others" + _FRAME, order="total",
        spelling={"*": name + "({0}{nulls}){over}"}, rules=("V6", "T11"), examples=examples,
    )  # fmt: skip


_WHOLE = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"

FUNCTIONS = (
    _rank(
        "row_number", "The number of the row in its partition, from 1.", "bigint",
        rows("row_number() OVER (ORDER BY a)", 30, 10, 20, gives=[3, 1, 2]),
        rows("row_number() OVER (ORDER BY a)", 5, None, gives=[1, 2]),
        rows("row_number() OVER (PARTITION BY a ORDER BY b)", ("x", 1), ("y", 1), ("x", 2), gives=[1, 1, 2]),
        order="total",
    ),
    _rank(
        "rank", "One more than the rows that come before; rows that tie have one rank, and leave a gap after them.", "bigint",
        rows("rank() OVER (ORDER BY a)", 10, 20, 10, 30, gives=[1, 3, 1, 4]),
        rows("rank() OVER (ORDER BY a DESC)", 10, None, None, gives=[1, 2, 2]),
        rows("rank() OVER (PARTITION BY a ORDER BY b)", ("x", 1), ("y", 1), ("x", 2), gives=[1, 1, 2]),
    ),
    _rank(
        "dense_rank", "The rank without gaps: how many different keys come before, plus one.", "bigint",
        rows("dense_rank() OVER (ORDER BY a)", 10, 20, 10, 30, gives=[1, 2, 1, 3]),
        rows("dense_rank() OVER (ORDER BY a)", None, 5, None, gives=[2, 1, 2]),
        rows("dense_rank() OVER (ORDER BY a)", 7, gives=[1]),
    ),
    _rank(
        "percent_rank", "(rank - 1) / (rows - 1), from 0 to 1; 0 for a single row.", "double",
        rows("percent_rank() OVER (ORDER BY a)", 10, 20, 10, gives=[0.0, 1.0, 0.0]),
        rows("percent_rank() OVER (ORDER BY a)", 7, gives=[0.0]),
        rows("percent_rank() OVER (ORDER BY a)", 1, 2, None, gives=[0.0, 0.5, 1.0]),
    ),
    _rank(
        "cume_dist", "The part of the rows that come before or tie with the row, over 0 up to 1.", "double",
        rows("cume_dist() OVER (ORDER BY a)", 10, 20, 10, 30, gives=[0.5, 0.75, 0.5, 1.0]),
        rows("cume_dist() OVER (ORDER BY a)", 7, gives=[1.0]),
        rows("cume_dist() OVER (ORDER BY a)", None, 1, gives=[1.0, 0.5]),
    ),
    Function(
        "ntile", "Which of so many groups of nearly one size the row falls into, from 1; the first groups have one row more.",
        (overload("literal bigint:positive", gives="bigint"),), kind="window", family="window", null="takes a literal", order="total",
        spelling={"*": "ntile({0}){over}"}, rules=("V6", "T11"),
        examples=(rows("ntile(2) OVER (ORDER BY a)", 1, 2, 3, gives=[1, 1, 2]), rows("ntile(5) OVER (ORDER BY a)", 2, None, gives=[1, 2]),
                  rows("ntile(1) OVER (ORDER BY a)", 2, 1, gives=[1, 1])),
    ),
    _neighbour(
        "lag", "The value of the row before, or of so many rows before (a literal); where there is none the default given, or NULL.",
        rows("lag(a) OVER (ORDER BY b)", ("x", 1), ("y", 2), ("z", 3), gives=[None, "x", "y"]),
        rows("lag(a, 2, 0) OVER (ORDER BY b)", (10, 1), (20, 2), (30, 3), gives=[0, 0, 10]),
        rows("lag(a) OVER (ORDER BY b)", (None, 1), (5, 2), (6, 3), gives=[None, None, 5]),
        rows("lag(a IGNORE NULLS) OVER (ORDER BY b)", (5, 1), (None, 2), (6, 3), gives=[None, 5, 5]),
        rows("lag(a, 0) OVER (ORDER BY b)", (5, 1), (6, 2), gives=[5, 6]),
    ),
    _neighbour(
        "lead", "The value of the row after, or of so many rows after (a literal); where there is none the default given, or NULL.",
        rows("lead(a) OVER (ORDER BY b)", ("x", 1), ("y", 2), ("z", 3), gives=["y", "z", None]),
        rows("lead(a, 1, -1) OVER (ORDER BY b)", (10, 1), (None, 2), gives=[None, -1]),
        rows("lead(a IGNORE NULLS) OVER (ORDER BY b)", (5, 1), (None, 2), (6, 3), gives=[6, 6, None]),
    ),
    _of_frame(
        "first_value", "The value of the first row of the frame.",
        rows("first_value(a) OVER (ORDER BY b)", ("x", 2), ("y", 1), gives=["y", "y"]),
        rows("first_value(a) OVER (ORDER BY b)", (None, 1), (5, 2), gives=[None, None]),
        rows("first_value(a IGNORE NULLS) OVER (ORDER BY b)", (None, 1), (5, 2), (6, 3), gives=[None, 5, 5]),
    ),
    _of_frame(
        "last_value", "The value of the last row of the frame, which ends at the current row unless the frame says otherwise.",
        rows("last_value(a) OVER (ORDER BY b)", ("x", 1), ("y", 2), gives=["x", "y"]),
        rows(f"last_value(a) OVER (ORDER BY b {_WHOLE})", ("x", 1), ("y", 2), (None, 3), gives=[None, None, None]),
        rows(f"last_value(a IGNORE NULLS) OVER (ORDER BY b {_WHOLE})", ("x", 1), ("y", 2), (None, 3), gives=["y", "y", "y"]),
    ),
    Function(
        "nth_value", "The value of the frame's row with a given number (a literal, from 1); NULL when the frame is shorter.",
        (overload("T", "literal bigint:positive", gives="T"),), kind="window", family="window",
        null="a NULL is a value like others" + _FRAME, order="total", spelling={"*": "nth_value({0}, {1}{nulls}){over}"}, rules=("V6", "T11"),
        examples=(rows("nth_value(a, 2) OVER (ORDER BY b)", ("x", 1), ("y", 2), ("z", 3), gives=[None, "y", "y"]),
                  rows(f"nth_value(a, 2 IGNORE NULLS) OVER (ORDER BY b {_WHOLE})", (1, 1), (None, 2), (3, 3), gives=[3, 3, 3]),
                  rows("nth_value(a, 9) OVER (ORDER BY b)", (1, 1), gives=[None])),
    ),
)  # fmt: skip
