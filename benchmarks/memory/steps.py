"""The two steps that need more memory than they get, for both sides."""

SCHEMAS = {
    "lineitem": """
        l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber integer,
        l_quantity decimal(15,2), l_extendedprice decimal(15,2), l_discount decimal(15,2),
        l_tax decimal(15,2), l_returnflag string, l_linestatus string, l_shipdate date,
        l_commitdate date, l_receiptdate date, l_shipinstruct string, l_shipmode string,
        l_comment string""",
    "orders": """
        o_orderkey bigint, o_custkey bigint, o_orderstatus string, o_totalprice decimal(15,2),
        o_orderdate date, o_orderpriority string, o_clerk string, o_shippriority integer,
        o_comment string""",
}

# One group for each order: 15 million at scale 10, each with a text.
GROUP_BY = """
    SELECT
      l_orderkey, count(*) AS n, sum(l_quantity) AS quantity, max(l_shipdate) AS last_shipped,
      min(l_comment) AS first_comment
    FROM lineitem
    GROUP BY l_orderkey
"""

# The side that is built carries two texts for each of its 15 million rows.
JOIN = """
    SELECT
      l_suppkey, count(*) AS n, sum(l_extendedprice) AS price,
      min(o_comment) AS first_comment, max(o_clerk) AS last_clerk
    FROM lineitem
    JOIN orders ON l_orderkey = o_orderkey
    WHERE l_shipdate > o_orderdate
    GROUP BY l_suppkey
"""

STEPS = {"group_by": GROUP_BY, "join": JOIN}
