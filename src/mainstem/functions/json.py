"""JSON functions. JSON is a text column; a text that is not JSON gives NULL (V6), never an error.

A path is a literal: ``$``, then ``.name``, ``."any name"``, ``[0]`` from the front or ``[-1]`` from the
end. A text that does not start with ``$`` is one key. Of a key that stands twice the first counts.
"""

from __future__ import annotations

from mainstem.functions.spec import Function, Overload, ex, overload

_S = "string"
_PATH = "literal string:path"

# DuckDB's reader lets trailing commas, NaN and Infinity through; RFC 8259 and the other engines do not. This pattern walks
# over strings and the rest, and fits only where no comma stands before a closing bracket and no word but true, false and
# null stands outside of strings (only null has the letter n, none has an i). \x7D is a closing brace.
_STRING = r'"(?:[^"\\]|\\.)*"'
_STRICT = rf'(?s)(?:{_STRING}|null|[^",nNiI]|,\s*(?:{_STRING}|null|[^\s\]\x7D,"nNiI]))*'
# NULL where the text is not JSON. TRY_CAST catches its own errors only: a failing argument still fails (V10).
_JSON = "CASE WHEN regexp_full_match({0}, '" + _STRICT + "') THEN TRY_CAST({0} AS JSON) END"
# json_value gives NULL for objects, arrays and null, and strings in quotes; reading that small JSON again takes them off.
_TEXT = "json_extract_string(json_value(" + _JSON + ", {1}), '$')"
_WHOLE = r"^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"

_NO_VALUE = "NULL, text that is not JSON, or a path that leads nowhere gives NULL"
_BAD = '{"a": 1,}'

CHECKS = (
    Function(
        "json_valid", "Whether a text is JSON as RFC 8259 has it: no trailing comma, no comment, no NaN.",
        (overload(_S, gives="boolean"),), family="json",
        spelling={"duckdb": "(regexp_full_match({0}, '" + _STRICT + "') AND json_valid({0}))"}, rules=("V6",),
        examples=(ex('{"a": [1, null, "x"]}', gives=True), ex("7", gives=True), ex("{", gives=False), ex("", gives=False), ex(_BAD, gives=False),
                  ex("[NaN]", gives=False), ex('["NaN,]"]', gives=True), ex("{'a': 1}", gives=False), ex("[1] [2]", gives=False),
                  ex("[01]", gives=False), ex(None, gives=None, types=_S)),
    ),
    Function(
        "json_type", "What stands at a path (the whole text if none is given): 'object', 'array', 'string', 'number', 'boolean' or 'null'.",
        tuple(
            overload(*takes, gives=_S, duckdb="CASE json_type(" + _JSON + path + ") WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' "
                     "WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' WHEN 'BIGINT' THEN 'number' "
                     "WHEN 'UBIGINT' THEN 'number' WHEN 'DOUBLE' THEN 'number' END")
            for takes, path in (((_S,), ""), ((_S, _PATH), ", {1}"))
        ),
        family="json", null=_NO_VALUE, rules=("V6",),
        examples=(ex("{}", gives="object"), ex("[1]", gives="array"), ex('{"a": -1.5}', "$.a", gives="number"), ex('{"a": "1"}', "$.a", gives="string"),
                  ex("[true]", "$[0]", gives="boolean"), ex('{"a": null}', "$.a", gives="null"), ex("12345678901234567890123", gives="number"),
                  ex("{}", "$.a", gives=None), ex("nul", gives=None), ex(None, gives=None, types=_S)),
    ),
    Function(
        "json_exists", "Whether a path leads to something, a JSON null included.",
        (overload(_S, _PATH, gives="boolean", duckdb="json_exists(" + _JSON + ", {1})"),),
        family="json", null="NULL, or text that is not JSON, gives NULL", rules=("V6",),
        examples=(ex('{"a": {"b": null}}', "$.a.b", gives=True), ex('{"a": 1}', "$.b", gives=False), ex("[1, 2]", "$[2]", gives=False),
                  ex("[1, 2]", "$[-2]", gives=True), ex(_BAD, "$.a", gives=None), ex(None, "$.a", gives=None, types="string; string")),
    ),
)  # fmt: skip

SCALARS = (
    Function(
        "json_text", "The text, whole number or boolean at a path, as text; NULL for objects and arrays (see json_query) and for JSON null. "
        "A number with a point or exponent comes as DuckDB writes that DOUBLE (1.50 is 1.5): use json_double for it.",
        (overload(_S, _PATH, gives=_S, duckdb=_TEXT),),
        family="json", aliases=("json_value", "json_extract_string"), null=_NO_VALUE + ", and so does one to an object, array or null", rules=("V6",),
        examples=(ex('{"a": "x"}', "$.a", gives="x"), ex('{"a": {"b": [5, 6]}}', "$.a.b[1]", gives="6"), ex('{"a": true}', "$.a", gives="true"),
                  ex('{"a": ""}', "$.a", gives=""), ex('{"a": "\\u00e9\\n"}', "$.a", gives="é\n"), ex('{"a": "{}"}', "$.a", gives="{}"),
                  ex('{"a": {"b": 1}}', "$.a", gives=None), ex('{"a": null}', "$.a", gives=None), ex('{"a": 1}', "$.b", gives=None),
                  ex('{"x y": 1}', '$."x y"', gives="1"), ex('{"a": 12345678901234567890123}', "$.a", gives="12345678901234567890123"),
                  ex('{"a": 1, "a": 2}', "$.a", gives="1"), ex(_BAD, "$.a", gives=None), ex(None, "$.a", gives=None, types="string; string")),
    ),
    Function(
        "json_bigint", "The whole number at a path, or the one that a text there holds; NULL for anything else, 1.0 included, and outside of BIGINT.",
        (overload(_S, _PATH, gives="bigint", duckdb="TRY_CAST(regexp_extract(" + _TEXT + ", '" + _WHOLE + "') AS BIGINT)"),),
        family="json", null=_NO_VALUE + ", and so does what is no whole number", rules=("V6", "V8"),
        examples=(ex('{"a": 7}', "$.a", gives=7), ex('{"a": "-7"}', "$.a", gives=-7), ex('{"a": 1.9}', "$.a", gives=None), ex('{"a": 1.0}', "$.a", gives=None),
                  ex('{"a": 1e3}', "$.a", gives=None), ex('{"a": true}', "$.a", gives=None), ex('{"a": ""}', "$.a", gives=None),
                  ex("9223372036854775807", "$", gives=9223372036854775807), ex("9223372036854775808", "$", gives=None), ex('["1_000"]', "$[0]", gives=None),
                  ex("{", "$.a", gives=None), ex(None, "$.a", gives=None, types="string; string")),
    ),
    Function(
        "json_double", "The number at a path as DOUBLE, or the one that a text there holds; NULL for anything else and outside of DOUBLE.",
        (overload(_S, _PATH, gives="double",
                  duckdb="nullif(nullif(TRY_CAST(regexp_extract(" + _TEXT + ", '" + _NUMBER + "') AS DOUBLE), "
                         "CAST('inf' AS DOUBLE)), CAST('-inf' AS DOUBLE))"),),
        family="json", null=_NO_VALUE + ", and so does what is no number", rules=("V6", "V8"),
        examples=(ex('{"a": 1.50}', "$.a", gives=1.5), ex('{"a": 2}', "$.a", gives=2.0), ex('{"a": "1e3"}', "$.a", gives=1000.0), ex('{"a": -0.25}', "$.a", gives=-0.25),
                  ex('{"a": "nan"}', "$.a", gives=None), ex('{"a": 1e999}', "$.a", gives=None), ex('{"a": "1,5"}', "$.a", gives=None), ex('{"a": false}', "$.a", gives=None),
                  ex("[]", "$[0]", gives=None), ex(None, "$.a", gives=None, types="string; string")),
    ),
    Function(
        "json_boolean", "The boolean at a path, or a text true or false there in any letter case; NULL for anything else.",
        (overload(_S, _PATH, gives="boolean", duckdb="CASE lower(" + _TEXT + ") WHEN 'true' THEN true WHEN 'false' THEN false END"),),
        family="json", null=_NO_VALUE + ", and so does what is no boolean", rules=("V6", "V8"),
        examples=(ex('{"a": true}', "$.a", gives=True), ex('{"a": "False"}', "$.a", gives=False), ex('{"a": 1}', "$.a", gives=None), ex('{"a": null}', "$.a", gives=None),
                  ex('{"a": "yes"}', "$.a", gives=None), ex(None, "$.a", gives=None, types="string; string")),
    ),
    Function(
        "->>", "`x ->> 'key'`, `x ->> '$.path'` or `x ->> 0`: json_text by a key, a path or a place in an array (from 0, negative from the end).",
        (overload(_S, _PATH, gives=_S, duckdb=_TEXT), overload(_S, "bigint", gives=_S, duckdb=_TEXT)),
        family="json", null=_NO_VALUE + ", and so does one to an object, array or null", rules=("V6",),
        examples=(ex('{"a": "x"}', "a", gives="x"), ex('{"a": {"b": 2}}', "$.a.b", gives="2"), ex('["p", "q"]', 1, gives="q"), ex('["p", "q"]', -1, gives="q"),
                  ex('["p"]', 1, gives=None), ex('{"a": {"b": 2}}', "a", gives=None), ex('{"a.b": 3}', "a.b", gives="3"), ex("{", "a", gives=None),
                  ex(None, "a", gives=None, types="string; string")),
    ),
)  # fmt: skip

_QUERY = "CAST(json_extract(" + _JSON + ", {1}) AS VARCHAR)"
# The elements of an array at a path, as JSON; NULL where there is no array.
_ITEMS = "TRY_CAST(json_extract(" + _JSON + ", {path}) AS JSON[])"


def _with_path(gives: str, spelling: str) -> tuple[Overload, ...]:
    return (
        overload(_S, gives=gives, duckdb=spelling.replace("{path}", "'$'")),
        overload(_S, _PATH, gives=gives, duckdb=spelling.replace("{path}", "{1}")),
    )  # fmt: skip


PIECES = (
    Function(
        "json_query", "What stands at a path, as JSON text without spaces between its parts: objects, arrays, quoted strings, null.",
        (overload(_S, _PATH, gives=_S, duckdb=_QUERY),), family="json", aliases=("json_extract",), null=_NO_VALUE, rules=("V6",),
        examples=(ex('{"a": {"b": [1, "x"]}}', "$.a", gives='{"b":[1,"x"]}'), ex('{"a": "x"}', "$.a", gives='"x"'), ex('{"a": null}', "$.a", gives="null"),
                  ex("[1, [2, 3]]", "$[1]", gives="[2,3]"), ex('{"a": 1}', "$.b", gives=None), ex(_BAD, "$.a", gives=None),
                  ex(None, "$", gives=None, types="string; string")),
    ),
    Function(
        "->", "`x -> 'key'`, `x -> '$.path'` or `x -> 0`: json_query by a key, a path or a place in an array (from 0, negative from the end).",
        (overload(_S, _PATH, gives=_S, duckdb=_QUERY), overload(_S, "bigint", gives=_S, duckdb=_QUERY)), family="json", null=_NO_VALUE, rules=("V6",),
        examples=(ex('{"a": {"b": 2}}', "a", gives='{"b":2}'), ex('["p", ["q"]]', 1, gives='["q"]'), ex('["p"]', -1, gives='"p"'), ex('["p"]', 1, gives=None),
                  ex("x", "a", gives=None), ex(None, "a", gives=None, types="string; string")),
    ),
    Function(
        "json_list", "The elements of the array at a path (of the whole text if none is given) as a list of texts, each as json_text gives it, "
        "objects and arrays as JSON text; NULL when no array is there.",
        _with_path("string[]", "list_transform(" + _ITEMS + ", lambda v: json_extract_string(v, '$'))"),
        family="json", null=_NO_VALUE + ", and so does what is no array", rules=("V6",),
        examples=(ex('["a", 1, null, {"b": 2}, [3]]', gives=["a", "1", None, '{"b":2}', "[3]"]), ex('{"t": ["x"]}', "$.t", gives=["x"]), ex("[]", gives=[]),
                  ex('{"t": "x"}', "$.t", gives=None), ex('{"t": "[1]"}', "$.t", gives=None), ex("[1,]", gives=None), ex(None, gives=None, types=_S)),
    ),
    Function(
        "json_array_length", "How many elements the array at a path has (the whole text if none is given); NULL when no array is there.",
        _with_path("bigint", "len(" + _ITEMS + ")"),
        family="json", null=_NO_VALUE + ", and so does what is no array", rules=("V6",),
        examples=(ex("[1, [2, 3]]", gives=2), ex("[]", gives=0), ex('{"a": [null]}', "$.a", gives=1), ex('{"a": 1}', gives=None), ex('{"a": 1}', "$.b", gives=None),
                  ex("[1", gives=None), ex(None, gives=None, types=_S)),
    ),
    Function(
        "json_keys", "The keys of the object at a path (of the whole text if none is given), in the order of the text; NULL when no object is there.",
        _with_path(
            "string[]",
            "CASE WHEN json_type(" + _JSON + ", {path}) = 'OBJECT' THEN json_keys(" + _JSON + ", {path}) END",
        ),
        family="json", aliases=("json_object_keys",), null=_NO_VALUE + ", and so does what is no object", rules=("V6",),
        examples=(ex('{"b": 1, "a": 2}', gives=["b", "a"]), ex("{}", gives=[]), ex('{"a": {"c": 1}}', "$.a", gives=["c"]), ex("[1]", gives=None), ex("{", gives=None),
                  ex(None, gives=None, types=_S)),
    ),
    Function(
        "to_json", "A value as JSON text: strings quoted and escaped, NULL inside of a list as null.",
        tuple(overload(t, gives=_S) for t in (_S, "bigint", "boolean", "string[]", "bigint[]", "boolean[]", "map(string, string)")),
        family="json", spelling={"duckdb": "CAST(to_json({0}) AS VARCHAR)"},
        examples=(ex('say "é"\n', gives='"say \\"é\\"\\n"'), ex(-5, gives="-5"), ex(True, gives="true"), ex("", gives='""'),
                  ex([1, None], gives="[1,null]", types="bigint[]"), ex(["a", "b"], gives='["a","b"]'), ex([], gives="[]", types="string[]"),
                  ex({"k": "v"}, gives='{"k":"v"}', types="map(string, string)"), ex(None, gives=None, types=_S)),
    ),
)  # fmt: skip

FUNCTIONS = (*CHECKS, *SCALARS, *PIECES)
