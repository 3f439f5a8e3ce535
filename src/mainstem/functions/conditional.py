"""Choices between values. Only what is chosen is computed (V10)."""

from __future__ import annotations

from decimal import Decimal

from mainstem.functions.spec import Function, ex, overload

FUNCTIONS = (
    Function(
        "coalesce", "The first argument that is not NULL; NULL when all are. Later arguments are not computed.",
        (overload("T...", gives="T"),), family="conditional", null="NULL arguments are passed over",
        aliases=("ifnull", "nvl"), rules=("V4", "V10"),
        examples=(ex(None, 2, 3, gives=2, types="bigint; bigint; bigint"), ex("a", None, gives="a", types="string; string"),
                  ex("", "b", gives=""), ex(None, None, gives=None, types="bigint; bigint"),
                  ex(None, Decimal("1.5"), gives=Decimal("1.5"), types="bigint; decimal(2,1)"), ex(7, gives=7)),
    ),
    Function(
        "nullif", "NULL when both arguments are equal, else the first.",
        (overload("T", "T", gives="T"),), family="conditional", compares=True, null="a NULL first gives NULL, a NULL second gives the first", rules=("V4",),
        examples=(ex(1, 1, gives=None), ex(1, 2, gives=1), ex("NA", "NA", gives=None), ex("na", "NA", gives="na"),
                  ex(1, None, gives=1, types="bigint; bigint"), ex(None, 1, gives=None, types="bigint; bigint")),
    ),
    Function(
        "if", "The second argument when the condition is true, else the third (so also when it is NULL). Only the chosen one is computed.",
        (overload("boolean", "T", "T", gives="T"),), family="conditional", null="a NULL condition chooses the third", aliases=("iff", "iif"),
        spelling={"*": "CASE WHEN {0} THEN {1} ELSE {2} END"}, rules=("V4", "V10"),
        examples=(ex(True, 1, 2, gives=1), ex(False, "a", "b", gives="b"), ex(None, 1, 2, gives=2, types="boolean; bigint; bigint"),
                  ex(True, None, 2, gives=None, types="boolean; bigint; bigint")),
    ),
    Function(
        "nvl2", "The second argument when the first is not NULL, else the third. Only the chosen one is computed.",
        (overload("T", "U", "U", gives="U"),), family="conditional", null="a NULL first chooses the third",
        spelling={"*": "CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END"}, rules=("V4", "V10"),
        examples=(ex("x", 1, 2, gives=1), ex(None, 1, 2, gives=2, types="string; bigint; bigint"), ex("", 1, 2, gives=1),
                  ex(0, None, "b", gives=None, types="bigint; string; string")),
    ),
    Function(
        "greatest", "The largest argument that is not NULL; NULL when all are. Text goes by its bytes.",
        (overload("T...", gives="T"),), family="conditional", compares=True, null="NULL arguments are left out", rules=("V4", "V6"),
        examples=(ex(3, 9, 4, gives=9), ex(1, None, 3, gives=3, types="bigint; bigint; bigint"), ex("B", "a", "Z", gives="a"), ex("z", "é", gives="é"),
                  ex(-1, Decimal("-0.5"), gives=Decimal("-0.5")), ex(None, None, gives=None, types="bigint; bigint"), ex(5, gives=5)),
    ),
    Function(
        "least", "The smallest argument that is not NULL; NULL when all are. Text goes by its bytes.",
        (overload("T...", gives="T"),), family="conditional", compares=True, null="NULL arguments are left out", rules=("V4", "V6"),
        examples=(ex(3, 9, 4, gives=3), ex(1, None, 3, gives=1, types="bigint; bigint; bigint"), ex("b", "A", "a", gives="A"), ex("z", "é", gives="z"),
                  ex(2.5, -1e300, gives=-1e300), ex(None, None, gives=None, types="string; string"), ex(5, gives=5)),
    ),
    Function(
        "choose", "The argument at a place, counted from 1 after the place itself; NULL when there is none. Only the chosen one is computed.",
        (overload("bigint", "T...", gives="T"),), family="conditional", null="a NULL place, or one with no argument, gives NULL", aliases=("elt",),
        spelling={"*": "CASE {0} {whens} END"}, rules=("V4", "V10"),
        examples=(ex(2, "a", "b", "c", gives="b"), ex(4, "a", "b", gives=None), ex(0, "a", "b", gives=None), ex(-1, "a", "b", gives=None),
                  ex(1, None, "b", gives=None, types="bigint; string; string"), ex(None, "a", gives=None, types="bigint; string")),
    ),
)  # fmt: skip
