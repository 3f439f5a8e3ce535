"""One process: the 22 queries as a pipeline of 22 tables. See `benchmarks.tpch`.

python pipeline.py DATA OUT [ENGINE]
"""

import os
import sys
from pathlib import Path

import mainstem as ms

TABLES = {
    "customer": """
        c_custkey bigint, c_name string, c_address string, c_nationkey bigint, c_phone string,
        c_acctbal decimal(15,2), c_mktsegment string, c_comment string""",
    "lineitem": """
        l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber integer,
        l_quantity decimal(15,2), l_extendedprice decimal(15,2), l_discount decimal(15,2),
        l_tax decimal(15,2), l_returnflag string, l_linestatus string, l_shipdate date,
        l_commitdate date, l_receiptdate date, l_shipinstruct string, l_shipmode string,
        l_comment string""",
    "nation": "n_nationkey bigint, n_name string, n_regionkey bigint, n_comment string",
    "orders": """
        o_orderkey bigint, o_custkey bigint, o_orderstatus string, o_totalprice decimal(15,2),
        o_orderdate date, o_orderpriority string, o_clerk string, o_shippriority integer,
        o_comment string""",
    "part": """
        p_partkey bigint, p_name string, p_mfgr string, p_brand string, p_type string,
        p_size integer, p_container string, p_retailprice decimal(15,2), p_comment string""",
    "partsupp": """
        ps_partkey bigint, ps_suppkey bigint, ps_availqty integer, ps_supplycost decimal(15,2),
        ps_comment string""",
    "region": "r_regionkey bigint, r_name string, r_comment string",
    "supplier": """
        s_suppkey bigint, s_name string, s_address string, s_nationkey bigint, s_phone string,
        s_acctbal decimal(15,2), s_comment string""",
}
# A user would write them into the pipeline; they stand in files so that the peers run the same.
QUERIES = sorted(Path(__file__).parent.glob("q*.sql"))


def pipeline(data: Path, out: Path) -> ms.Pipeline:
    """Define the pipeline: 8 sources, 22 tables, each into a Parquet file."""
    p = ms.Pipeline("tpch")
    for name, schema in TABLES.items():
        p.source(name, ms.files(f"{data}/{name}.parquet"), schema=schema)
    for query in QUERIES:
        p.table(query.stem, query.read_text(), sink=ms.files(f"{out}/{query.stem}.parquet"))
    return p


if __name__ == "__main__":
    data, out, engine, *_ = (*sys.argv[1:], "embedded")
    # A state directory of its own: each run is a first one.
    pipeline(Path(data), Path(out)).run(state_dir=f"{out}.state-{os.getpid()}", engine=engine)
