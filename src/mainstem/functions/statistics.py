"""Statistical aggregates. They are DOUBLE and agree between engines to 1e-9 (contract V5)."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt

from mainstem.functions.spec import Example, Function, overload, rows

_SKIPS = "NULLs are skipped; without any other value it is NULL"
_PAIRS = "pairs with a NULL are skipped; without any other pair it is NULL"
# DuckDB gives NaN where the divisor is zero.
_NOT_A_NUMBER = "CAST('NaN' AS DOUBLE)"


def _spread(name: str, doc: str, *examples: Example, aliases: tuple[str, ...] = ()) -> Function:
    return Function(
        name, doc, (overload("double", gives="double"),), kind="aggregate", family="aggregate", null=_SKIPS, aliases=aliases,
        spelling={"*": name + "({distinct}{0}){over}"}, rules=("V2", "V5"), examples=examples,
    )  # fmt: skip


def _paired(name: str, doc: str, *examples: Example, can_divide_by_zero: bool = False) -> Function:
    call = name + "({distinct}{0}, {1}){over}"
    return Function(
        name, doc, (overload("double", "double", gives="double"),), kind="aggregate", family="aggregate", null=_PAIRS,
        spelling={"duckdb": f"nullif({call}, {_NOT_A_NUMBER})" if can_divide_by_zero else call}, rules=("V2", "V5"),
        examples=examples,
    )  # fmt: skip


def _no_rows(name: str) -> Example:
    return rows(f"{name}(a)", gives=None, types="double")


def _no_pairs(name: str) -> Example:
    return rows(f"{name}(a, b)", gives=None, types="double; double")


SPREAD = (
    _spread(
        "stddev_samp", "The standard deviation of a sample, with n - 1; NULL for one value.",
        rows("stddev_samp(a)", 1, 3, None, gives=sqrt(2)), rows("stddev_samp(a)", 5, gives=None), _no_rows("stddev_samp"),
        rows("stddev_samp(a)", Decimal("1.5"), Decimal("1.5"), gives=0.0), aliases=("stddev",),
    ),
    _spread(
        "stddev_pop", "The standard deviation of all, with n; 0 for one value.",
        rows("stddev_pop(a)", 1, 3, None, gives=1.0), rows("stddev_pop(a)", 5, gives=0.0), _no_rows("stddev_pop"),
    ),
    _spread(
        "var_samp", "The variance of a sample, with n - 1; NULL for one value.",
        rows("var_samp(a)", 1, 3, None, gives=2.0), rows("var_samp(a)", 5, gives=None), _no_rows("var_samp"),
        aliases=("variance", "variance_samp"),
    ),
    _spread(
        "var_pop", "The variance of all, with n; 0 for one value.",
        rows("var_pop(a)", 1, 3, None, gives=1.0), rows("var_pop(a)", 5, gives=0.0), _no_rows("var_pop"),
        aliases=("variance_pop",),
    ),
    _spread(
        "skewness", "The skewness of a sample, G1 = sqrt(n(n-1)) / (n-2) × m3 / m2^1.5; NULL for fewer than three values or without spread.",
        rows("skewness(a)", 1, 2, 3, gives=0.0),
        # mean 4; m2 = 38/4, m3 = 90/4
        rows("skewness(a)", 1, 2, 4, 9, gives=sqrt(12) / 2 * 22.5 / 9.5**1.5),
        rows("skewness(a)", 1, 2, None, gives=None), rows("skewness(a)", 5, 5, 5, gives=None), _no_rows("skewness"),
    ),
    _spread(
        "kurtosis", "The excess kurtosis of a sample, G2 = (n-1) / ((n-2)(n-3)) × ((n+1)(m4 / m2² - 3) + 6); NULL for fewer than four "
        "values or without spread.",
        # mean 4; m2 = 38/4, m4 = 722/4, m4 / m2² = 2; G2 = 3/2 × (5 × -1 + 6)
        rows("kurtosis(a)", 1, 2, 4, 9, gives=1.5),
        rows("kurtosis(a)", 1, 2, 3, gives=None), rows("kurtosis(a)", 5, 5, 5, 5, None, gives=None), _no_rows("kurtosis"),
    ),
    _spread(
        "product", "The product of all values, as DOUBLE.",
        rows("product(a)", 3, None, 4, gives=12.0), rows("product(a)", 2, 0, gives=0.0), _no_rows("product"),
    ),
)  # fmt: skip

QUANTILES = (
    Function(
        "median", "The middle value as DOUBLE; the mean of the two in the middle where there is no one.",
        (overload("double", gives="double"),), kind="aggregate", family="aggregate", null=_SKIPS,
        spelling={"duckdb": "median({distinct}{0}){over}"}, rules=("V2", "V5"),
        examples=(rows("median(a)", 9, 1, None, 2, gives=2.0), rows("median(a)", 1, 2, gives=1.5), _no_rows("median"),
                  rows("median(a)", Decimal("0.10"), Decimal("0.30"), gives=0.2), rows("median(a)", None, gives=None, types="bigint")),
    ),
    Function(
        "quantile_cont", "The value below which the given part (a literal from 0 to 1) of the values lies, interpolated, as DOUBLE.",
        (overload("double", "literal double:fraction", gives="double"),), kind="aggregate", family="aggregate", null=_SKIPS,
        spelling={"duckdb": "quantile_cont({distinct}{0}, {1}){over}"}, rules=("V2", "V5"),
        examples=(rows("quantile_cont(a, 0.25)", 4, 1, None, 3, 2, gives=1.75), rows("quantile_cont(a, 1.0)", 1, 9, gives=9.0),
                  rows("quantile_cont(a, 0.0)", 5, 3, gives=3.0), rows("quantile_cont(a, 0.5)", gives=None, types="double")),
    ),
    Function(
        "quantile_disc", "The smallest value that has at least the given part (a literal from 0 to 1) of the values at or below it; any type.",
        (overload("T", "literal double:fraction", gives="T"),), kind="aggregate", family="aggregate", null=_SKIPS,
        spelling={"duckdb": "quantile_disc({distinct}{0}, {1}){over}"}, rules=("V6",),
        examples=(rows("quantile_disc(a, 0.5)", "d", "a", None, "c", "b", gives="b"), rows("quantile_disc(a, 0.51)", 1, 2, 3, 4, gives=3),
                  rows("quantile_disc(a, 0.0)", 7, 3, gives=3), rows("quantile_disc(a, 1.0)", 7, 3, gives=7),
                  rows("quantile_disc(a, 0.5)", gives=None, types="bigint")),
    ),
)  # fmt: skip

PAIRED = (
    _paired(
        "corr", "The correlation of two columns, -1 to 1; NULL for one pair or where a column does not vary.",
        rows("corr(a, b)", (1, 2), (2, 4), (3, 6), (None, 7), gives=1.0), rows("corr(a, b)", (1, 6), (2, 4), (3, 2), gives=-1.0),
        rows("corr(a, b)", (1, 5), (2, 5), gives=None), rows("corr(a, b)", (1, 5), gives=None), _no_pairs("corr"), can_divide_by_zero=True,
    ),
    _paired(
        "covar_samp", "The covariance of a sample, with n - 1; NULL for one pair.",
        rows("covar_samp(a, b)", (1, 2), (2, 4), (3, 6), gives=2.0), rows("covar_samp(a, b)", (1, 2), (2, None), gives=None, types="bigint; bigint"),
        _no_pairs("covar_samp"),
    ),
    _paired(
        "covar_pop", "The covariance of all, with n; 0 for one pair.",
        rows("covar_pop(a, b)", (1, 2), (3, 6), gives=2.0), rows("covar_pop(a, b)", (1, 2), (2, None), gives=0.0), _no_pairs("covar_pop"),
    ),
    _paired(
        "regr_slope", "The slope of the least-squares line of y (first) over x (second); NULL where x does not vary.",
        rows("regr_slope(a, b)", (3, 1), (5, 2), (7, 3), (None, 4), gives=2.0), rows("regr_slope(a, b)", (3, 1), (5, 1), gives=None),
        rows("regr_slope(a, b)", (3, 1), gives=None), rows("regr_slope(a, b)", (4, 1), (4, 2), gives=0.0), _no_pairs("regr_slope"),
        can_divide_by_zero=True,
    ),
    _paired(
        "regr_intercept", "Where the least-squares line of y (first) over x (second) meets x = 0; NULL where x does not vary.",
        rows("regr_intercept(a, b)", (3, 1), (5, 2), (7, 3), gives=1.0), rows("regr_intercept(a, b)", (3, 1), (5, 1), (None, 2), gives=None),
        _no_pairs("regr_intercept"), can_divide_by_zero=True,
    ),
    _paired(
        "regr_r2", "How much of y (first) the least-squares line over x (second) explains, 0 to 1; 1 where y does not vary, NULL where x does not.",
        rows("regr_r2(a, b)", (3, 1), (5, 2), (7, 3), (None, 9), gives=1.0), rows("regr_r2(a, b)", (4, 1), (4, 2), gives=1.0),
        # x deviates by -1, 0, 1 and y by -1, 1, 0: sxy = 1, sxx = syy = 2
        rows("regr_r2(a, b)", (0, 1), (2, 2), (1, 3), gives=0.25), rows("regr_r2(a, b)", (3, 1), (5, 1), gives=None), _no_pairs("regr_r2"),
        can_divide_by_zero=True,
    ),
)  # fmt: skip

FUNCTIONS = (*SPREAD, *QUANTILES, *PAIRED)
