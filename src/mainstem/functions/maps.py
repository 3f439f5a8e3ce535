"""Maps. Keys are unique and never NULL; what is listed of a map is in the order of its keys."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.functions.spec import Fails, Function, ex, overload
from mainstem.plan.types import Type, list_of, struct_of

_MAP = "map(string, bigint)"
_TWO = _MAP + "; " + _MAP
_NO_MAP = ex(None, gives=None, types=_MAP)
# A map keeps the order in which it was made: sorted, the order says nothing and engines agree (V6).
_ENTRIES = "list_sort(map_entries({0}), 'ASC', 'NULLS LAST')"


def _entries_type(types: Sequence[Type]) -> Type:
    key, value = types[0].items
    return list_of(struct_of({"key": key, "value": value}))


FUNCTIONS = (
    Function(
        "map", "A map from a list of keys and a list of values, also written `MAP {'k': v}`.",
        (overload("K[]", "V[]", gives="map(K, V)"),), family="collection", compares=True,
        null="a NULL list gives NULL; a NULL value is one like others",
        fails="a key is NULL or stands twice, or the lists differ in length", rules=("V6",),
        examples=(
            ex(["a", "b"], [1, 2], gives={"a": 1, "b": 2}), ex([], [], gives={}, types="string[]; bigint[]"),
            ex(["a"], [None], gives={"a": None}, types="string[]; bigint[]"),
            ex(["a", "a"], [1, 2], gives=Fails("a key twice")), ex([None], [1], gives=Fails("a NULL key"), types="string[]; bigint[]"),
            ex(["a"], [1, 2], gives=Fails("two values for one key")), ex(["a"], None, gives=None, types="string[]; bigint[]"),
        ),
    ),
    Function(
        "map_keys", "The keys of a map in ascending order.", (overload("map(K, V)", gives="K[]"),), family="collection",
        spelling={"duckdb": "list_sort(map_keys({0}), 'ASC', 'NULLS LAST')"}, rules=("V6",),
        examples=(ex({"b": 1, "a": 2}, gives=["a", "b"], types=_MAP), ex({}, gives=[], types=_MAP), _NO_MAP),
    ),
    Function(
        "map_values", "The values of a map, in the order of its keys.", (overload("map(K, V)", gives="V[]"),), family="collection",
        null="a NULL map gives NULL", spelling={"duckdb": f"list_transform({_ENTRIES}, lambda __entry: __entry.value)"}, rules=("V6",),
        examples=(ex({"b": 1, "a": 2}, gives=[2, 1], types=_MAP), ex({"a": None}, gives=[None], types=_MAP), ex({}, gives=[], types=_MAP), _NO_MAP),
    ),
    Function(
        "map_entries", "The entries of a map as structs with key and value, in the order of the keys.",
        (overload("map(K, V)", gives=_entries_type),), family="collection", spelling={"duckdb": _ENTRIES}, rules=("V6",),
        examples=(ex({"b": 1, "a": 2}, gives=[{"key": "a", "value": 2}, {"key": "b", "value": 1}], types=_MAP),
                  ex({"a": None}, gives=[{"key": "a", "value": None}], types=_MAP), ex({}, gives=[], types=_MAP), _NO_MAP),
    ),
    Function(
        "map_contains", "Whether a map has a key, whatever its value.", (overload("map(K, V)", "K", gives="boolean"),),
        family="collection", aliases=("map_contains_key",), spelling={"duckdb": "map_contains({0}, {1})"}, rules=("V4",),
        examples=(ex({"a": 1}, "a", gives=True, types=_MAP + "; string"), ex({"a": 1}, "b", gives=False, types=_MAP + "; string"), ex({"a": None}, "a", gives=True, types=_MAP + "; string"),
                  ex({"a": 1}, None, gives=None, types=_MAP + "; string"), ex(None, "a", gives=None, types=_MAP + "; string")),
    ),
    Function(
        "map_size", "How many entries a map has.", (overload("map(K, V)", gives="bigint"),), family="collection",
        aliases=("cardinality",), spelling={"duckdb": "CAST(cardinality({0}) AS BIGINT)"}, rules=("V6",),
        examples=(ex({"a": 1, "b": None}, gives=2, types=_MAP), ex({}, gives=0, types=_MAP), _NO_MAP),
    ),
    Function(
        "map_concat", "The entries of both maps; of a key in both the second's value.",
        (overload("map(K, V)", "map(K, V)", gives="map(K, V)"),), family="collection",
        # DuckDB skips a NULL map.
        spelling={"duckdb": "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN map_concat({0}, {1}) END"}, rules=("V4",),
        examples=(ex({"a": 1}, {"b": 2}, gives={"a": 1, "b": 2}, types=_TWO), ex({"a": 1}, {"a": 2}, gives={"a": 2}, types=_TWO),
                  ex({}, {"a": 1}, gives={"a": 1}, types=_TWO), ex({"a": 1}, None, gives=None, types=_TWO)),
    ),
)  # fmt: skip
