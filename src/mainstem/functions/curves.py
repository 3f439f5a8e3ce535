"""Roots, powers, logarithms and angles, all in DOUBLE.

Outside of where a function is defined the answer is NULL, as with a division by zero (V2); NaN gives
NULL too. What is too large for DOUBLE is infinite. The last digits may differ by engine (V5).
"""

from __future__ import annotations

from mainstem.functions.spec import Example, Function, Sql, ex, overload

_NAN = Sql("CAST('nan' AS DOUBLE)")
_NULL = ex(None, gives=None, types="double")
# DuckDB gives NaN outside of the domain, and NaN = NaN is true there: one nullif covers it, and the argument is written once.
_DEFINED = "nullif({0}, CAST('nan' AS DOUBLE))"


def _curve(
    name: str,
    doc: str,
    call: str,
    *examples: Example,
    null: str = "",
    aliases: tuple[str, ...] = (),
) -> Function:
    return Function(
        name, doc, (overload("double", gives="double"),), family="number", aliases=aliases,
        null=null or "NULL and NaN give NULL", spelling={"duckdb": _DEFINED.format(call)},
        rules=("V2", "V5"), examples=(*examples, _NULL),
    )  # fmt: skip


def _beyond(domain: str) -> str:
    return f"NULL, NaN and {domain} give NULL"


POWERS = (
    _curve("sqrt", "The square root; NULL below zero.", "sqrt({0})",
           ex(9.0, gives=3.0), ex(0.0, gives=0.0), ex(2, gives=1.4142135623730951), ex(-1.0, gives=None), null=_beyond("numbers below zero")),
    _curve("cbrt", "The cube root, also of negative numbers.", "cbrt({0})",
           ex(8.0, gives=2.0), ex(-8.0, gives=-2.0), ex(0.0, gives=0.0), ex(_NAN, gives=None, types="double")),
    Function(
        "power", "The first number to the power of the second. NULL for zero to a negative power and for a negative number to a power that is not whole; "
        "anything to the power 0 is 1.",
        (overload("double", "double", gives="double",
                  duckdb=_DEFINED.format("CASE WHEN {0} = 0 AND {1} < 0 THEN NULL ELSE power({0}, {1}) END")),),
        family="number", aliases=("pow",), null="any NULL, or a power that is not defined, gives NULL", rules=("V2", "V5"),
        examples=(ex(2, 10, gives=1024.0), ex(4.0, 0.5, gives=2.0), ex(-2.0, 3.0, gives=-8.0), ex(2.0, -1.0, gives=0.5), ex(0.0, 0.0, gives=1.0),
                  ex(0.0, -1.0, gives=None), ex(-8.0, 0.5, gives=None), ex(None, 0.0, gives=None, types="double; double")),
    ),
    _curve("exp", "The number e to a power; infinite from about 709.8 on.", "exp({0})",
           ex(0.0, gives=1.0), ex(1.0, gives=2.718281828459045), ex(-1000.0, gives=0.0), ex(_NAN, gives=None, types="double")),
    _curve("ln", "The natural logarithm; NULL for zero and below.", "ln(nullif({0}, 0))",
           ex(1.0, gives=0.0), ex(2.718281828459045, gives=1.0), ex(0.0, gives=None), ex(-1.0, gives=None), null=_beyond("numbers not above zero")),
    _curve("log10", "The logarithm to base 10; NULL for zero and below.", "log10(nullif({0}, 0))",
           ex(1000.0, gives=3.0), ex(0.01, gives=-2.0), ex(0.0, gives=None), ex(-10.0, gives=None), null=_beyond("numbers not above zero")),
    _curve("log2", "The logarithm to base 2; NULL for zero and below.", "log2(nullif({0}, 0))",
           ex(8.0, gives=3.0), ex(0.25, gives=-2.0), ex(0.0, gives=None), ex(-8.0, gives=None), null=_beyond("numbers not above zero")),
)  # fmt: skip

_INFINITE = _beyond("infinite numbers")

ANGLES = (
    _curve("sin", "The sine of an angle in radians.", "sin({0})",
           ex(0.0, gives=0.0), ex(0.5235987755982988, gives=0.5), ex(-1.5707963267948966, gives=-1.0), null=_INFINITE),
    _curve("cos", "The cosine of an angle in radians.", "cos({0})",
           ex(0.0, gives=1.0), ex(1.0471975511965976, gives=0.5), ex(3.141592653589793, gives=-1.0), null=_INFINITE),
    _curve("tan", "The tangent of an angle in radians.", "tan({0})",
           ex(0.0, gives=0.0), ex(0.7853981633974483, gives=1.0), ex(-0.7853981633974483, gives=-1.0), null=_INFINITE),
    _curve("cot", "The cotangent of an angle in radians; NULL at zero.", "cot(nullif({0}, 0))",
           ex(0.7853981633974483, gives=1.0), ex(0.0, gives=None), ex(-0.7853981633974483, gives=-1.0), null=_beyond("zero and infinite numbers")),
    _curve("asin", "The angle in radians, -π/2 to π/2, that has this sine; NULL outside of -1 to 1.", "asin({0})",
           ex(1.0, gives=1.5707963267948966), ex(0.0, gives=0.0), ex(1.5, gives=None), null=_beyond("numbers outside of -1 to 1")),
    _curve("acos", "The angle in radians, 0 to π, that has this cosine; NULL outside of -1 to 1.", "acos({0})",
           ex(1.0, gives=0.0), ex(-1.0, gives=3.141592653589793), ex(-1.5, gives=None), null=_beyond("numbers outside of -1 to 1")),
    _curve("atan", "The angle in radians, -π/2 to π/2, that has this tangent.", "atan({0})",
           ex(1.0, gives=0.7853981633974483), ex(0.0, gives=0.0), ex(-1.0, gives=-0.7853981633974483)),
    Function(
        "atan2", "The angle in radians, -π to π, of the point with y first and x second; 0 for the origin.",
        (overload("double", "double", gives="double", duckdb=_DEFINED.format("atan2({0}, {1})")),),
        family="number", null="NULL and NaN give NULL", rules=("V5",),
        examples=(ex(1.0, 1.0, gives=0.7853981633974483), ex(1.0, -1.0, gives=2.356194490192345), ex(0.0, 0.0, gives=0.0),
                  ex(-1.0, 0.0, gives=-1.5707963267948966), ex(None, 1.0, gives=None, types="double; double")),
    ),
    _curve("degrees", "An angle in radians as degrees.", "degrees({0})",
           ex(3.141592653589793, gives=180.0), ex(0.0, gives=0.0), ex(-1.5707963267948966, gives=-90.0)),
    _curve("radians", "An angle in degrees as radians.", "radians({0})",
           ex(180.0, gives=3.141592653589793), ex(0.0, gives=0.0), ex(-90.0, gives=-1.5707963267948966)),
)  # fmt: skip

HYPERBOLIC = (
    _curve("sinh", "The hyperbolic sine.", "sinh({0})",
           ex(0.0, gives=0.0), ex(1.0, gives=1.1752011936438014), ex(-1.0, gives=-1.1752011936438014)),
    _curve("cosh", "The hyperbolic cosine.", "cosh({0})",
           ex(0.0, gives=1.0), ex(1.0, gives=1.543080634815244), ex(-1.0, gives=1.543080634815244)),
    _curve("tanh", "The hyperbolic tangent, -1 to 1.", "tanh({0})",
           ex(0.0, gives=0.0), ex(1.0, gives=0.7615941559557649), ex(-1000.0, gives=-1.0)),
    _curve("asinh", "The inverse of sinh.", "asinh({0})",
           ex(0.0, gives=0.0), ex(1.1752011936438014, gives=1.0), ex(-1.1752011936438014, gives=-1.0)),
    _curve("acosh", "The inverse of cosh; NULL below 1.", "acosh({0})",
           ex(1.0, gives=0.0), ex(1.543080634815244, gives=1.0), ex(0.5, gives=None), null=_beyond("numbers below 1")),
    # DuckDB gives an infinity at -1 and 1.
    _curve("atanh", "The inverse of tanh; NULL at -1 and 1 and outside of them.", "CASE WHEN abs({0}) < 1 THEN atanh({0}) END",
           ex(0.0, gives=0.0), ex(0.5, gives=0.5493061443340548), ex(1.0, gives=None), ex(-2.0, gives=None),
           null=_beyond("numbers not between -1 and 1")),
)  # fmt: skip

FUNCTIONS = (*POWERS, *ANGLES, *HYPERBOLIC)
