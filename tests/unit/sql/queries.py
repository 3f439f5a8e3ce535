"""Valid queries for the tests of this folder: those of the case files and of TPC-H."""

from __future__ import annotations

from pathlib import Path

from mainstem.plan.types import Schema, Type, parse_schema, parse_type
from mainstem.testing.case import Case, read_cases

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "conformance" / "cases"
TPCH = sorted((ROOT / "benchmarks" / "tpch").glob("q*.sql"))
TPCH_SCHEMAS = {
    "region": "r_regionkey bigint, r_name string, r_comment string",
    "nation": "n_nationkey bigint, n_name string, n_regionkey bigint, n_comment string",
    "part": "p_partkey bigint, p_name string, p_mfgr string, p_brand string, p_type string,"
    " p_size integer, p_container string, p_retailprice decimal(15,2), p_comment string",
    "supplier": "s_suppkey bigint, s_name string, s_address string, s_nationkey bigint,"
    " s_phone string, s_acctbal decimal(15,2), s_comment string",
    "partsupp": "ps_partkey bigint, ps_suppkey bigint, ps_availqty integer,"
    " ps_supplycost decimal(15,2), ps_comment string",
    "customer": "c_custkey bigint, c_name string, c_address string, c_nationkey bigint,"
    " c_phone string, c_acctbal decimal(15,2), c_mktsegment string, c_comment string",
    "orders": "o_orderkey bigint, o_custkey bigint, o_orderstatus string,"
    " o_totalprice decimal(15,2), o_orderdate date, o_orderpriority string, o_clerk string,"
    " o_shippriority integer, o_comment string",
    "lineitem": "l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber integer,"
    " l_quantity decimal(15,2), l_extendedprice decimal(15,2), l_discount decimal(15,2),"
    " l_tax decimal(15,2), l_returnflag string, l_linestatus string, l_shipdate date,"
    " l_commitdate date, l_receiptdate date, l_shipinstruct string, l_shipmode string,"
    " l_comment string",
}


def right_cases() -> list[Case]:
    """Give every case of the suite that has no error and one step, and that the grammar knows."""
    found = [case for path in sorted(CASES.glob("*.case")) for case in read_cases(path)]
    return [
        case for case in found
        if not case.errors and not case.steps and "MATCH_RECOGNIZE" not in case.query
    ]  # fmt: skip


def tables(case: Case) -> dict[str, Schema]:
    """Give the schemas of a case's sources."""
    return {source.name: parse_schema(source.schema) for source in case.sources}


def params(case: Case) -> dict[str, Type]:
    """Give the types of a case's parameters."""
    declared = [text.partition("=")[0].split(maxsplit=1) for text in case.params]
    return {name: parse_type(type_) for name, type_ in declared}
