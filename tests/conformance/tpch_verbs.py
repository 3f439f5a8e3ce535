"""Queries of TPC-H in verbs, clause by clause as the specification has them."""

from datetime import date
from decimal import Decimal

import mainstem as ms
from mainstem import col


def revenue():
    """What a line brings in after its discount."""
    return ms.sum(discounted())


def discounted():
    """What a line costs."""
    return col("l_extendedprice") * (1 - col("l_discount"))


def crossed(p, *names):
    """FROM a, b, c."""
    first, *rest = (p.ref(name) for name in names)
    frame = first.frame()
    for other in rest:
        frame = frame.join(other, how="cross")
    return frame


def q01(p):
    """Pricing summary."""
    return (
        p.ref("lineitem")
        .filter(col("l_shipdate") <= ms.lit(date(1998, 12, 1)) - ms.interval("90 days"))
        .group_by("l_returnflag", "l_linestatus")
        .agg(
            sum_qty=ms.sum("l_quantity"),
            sum_base_price=ms.sum("l_extendedprice"),
            sum_disc_price=ms.sum(discounted()),
            sum_charge=ms.sum(discounted() * (1 + col("l_tax"))),
            avg_qty=ms.avg("l_quantity"),
            avg_price=ms.avg("l_extendedprice"),
            avg_disc=ms.avg("l_discount"),
            count_order=ms.count(),
        )
        .sort("l_returnflag", "l_linestatus")
    )


def q03(p):
    """Shipping priority."""
    return (
        crossed(p, "customer", "orders", "lineitem")
        .filter(
            col("c_mktsegment") == "BUILDING",
            col("c_custkey") == col("o_custkey"),
            col("l_orderkey") == col("o_orderkey"),
            col("o_orderdate") < date(1995, 3, 15),
            col("l_shipdate") > date(1995, 3, 15),
        )
        .group_by("l_orderkey", "o_orderdate", "o_shippriority")
        .agg(revenue=revenue())
        .select("l_orderkey", "revenue", "o_orderdate", "o_shippriority")
        .sort(col("revenue").desc(), "o_orderdate")
        .limit(10)
    )


def q04(p):
    """Order priority checking."""
    late = p.ref("lineitem").filter(
        col("l_orderkey") == col("o_orderkey"), col("l_commitdate") < col("l_receiptdate")
    )
    return (
        p.ref("orders")
        .filter(
            col("o_orderdate") >= date(1993, 7, 1),
            col("o_orderdate") < ms.lit(date(1993, 7, 1)) + ms.interval("3 months"),
            ms.exists(late),
        )
        .group_by("o_orderpriority")
        .agg(order_count=ms.count())
        .sort("o_orderpriority")
    )


def q05(p):
    """Local supplier volume."""
    return (
        crossed(p, "customer", "orders", "lineitem", "supplier", "nation", "region")
        .filter(
            col("c_custkey") == col("o_custkey"),
            col("l_orderkey") == col("o_orderkey"),
            col("l_suppkey") == col("s_suppkey"),
            col("c_nationkey") == col("s_nationkey"),
            col("s_nationkey") == col("n_nationkey"),
            col("n_regionkey") == col("r_regionkey"),
            col("r_name") == "ASIA",
            col("o_orderdate") >= date(1994, 1, 1),
            col("o_orderdate") < ms.lit(date(1994, 1, 1)) + ms.interval("1 year"),
        )
        .group_by("n_name")
        .agg(revenue=revenue())
        .sort(col("revenue").desc())
    )


def q06(p):
    """Forecasting revenue change."""
    low, high = (
        ms.lit(Decimal("0.06")) - Decimal("0.01"),
        ms.lit(Decimal("0.06")) + Decimal("0.01"),
    )
    return (
        p.ref("lineitem")
        .filter(
            col("l_shipdate") >= date(1994, 1, 1),
            col("l_shipdate") < ms.lit(date(1994, 1, 1)) + ms.interval("1 year"),
            col("l_discount").between(low, high),
            col("l_quantity") < 24,
        )
        .agg(revenue=ms.sum(col("l_extendedprice") * col("l_discount")))
    )


def q07(p):
    """Volume shipping."""

    def nations(first, second):
        return (col("n1.n_name") == first) & (col("n2.n_name") == second)

    frame = crossed(p, "supplier", "lineitem", "orders", "customer")
    for alias in ("n1", "n2"):
        frame = frame.join(p.ref("nation").alias(alias), how="cross")
    return (
        frame.filter(
            col("s_suppkey") == col("l_suppkey"),
            col("o_orderkey") == col("l_orderkey"),
            col("c_custkey") == col("o_custkey"),
            col("s_nationkey") == col("n1.n_nationkey"),
            col("c_nationkey") == col("n2.n_nationkey"),
            nations("FRANCE", "GERMANY") | nations("GERMANY", "FRANCE"),
            col("l_shipdate").between(date(1995, 1, 1), date(1996, 12, 31)),
        )
        .select(
            supp_nation="n1.n_name",
            cust_nation="n2.n_name",
            l_year=ms.f.extract("year", "l_shipdate"),
            volume=discounted(),
        )
        .alias("shipping")
        .group_by("supp_nation", "cust_nation", "l_year")
        .agg(revenue=ms.sum("volume"))
        .sort("supp_nation", "cust_nation", "l_year")
    )


def q10(p):
    """Returned items."""
    return (
        crossed(p, "customer", "orders", "lineitem", "nation")
        .filter(
            col("c_custkey") == col("o_custkey"),
            col("l_orderkey") == col("o_orderkey"),
            col("o_orderdate") >= date(1993, 10, 1),
            col("o_orderdate") < ms.lit(date(1993, 10, 1)) + ms.interval("3 months"),
            col("l_returnflag") == "R",
            col("c_nationkey") == col("n_nationkey"),
        )
        .group_by(
            "c_custkey", "c_name", "c_acctbal", "c_phone", "n_name", "c_address", "c_comment"
        )
        .agg(revenue=revenue())
        .select(
            "c_custkey", "c_name", "revenue", "c_acctbal", "n_name", "c_address", "c_phone",
            "c_comment",
        )
        .sort(col("revenue").desc())
        .limit(20)
    )  # fmt: skip


def q12(p):
    """Shipping modes."""
    urgent = (col("o_orderpriority") == "1-URGENT") | (col("o_orderpriority") == "2-HIGH")
    other = (col("o_orderpriority") != "1-URGENT") & (col("o_orderpriority") != "2-HIGH")
    return (
        crossed(p, "orders", "lineitem")
        .filter(
            col("o_orderkey") == col("l_orderkey"),
            col("l_shipmode").is_in(["MAIL", "SHIP"]),
            col("l_commitdate") < col("l_receiptdate"),
            col("l_shipdate") < col("l_commitdate"),
            col("l_receiptdate") >= date(1994, 1, 1),
            col("l_receiptdate") < ms.lit(date(1994, 1, 1)) + ms.interval("1 year"),
        )
        .group_by("l_shipmode")
        .agg(
            high_line_count=ms.sum(ms.when(urgent).then(1).otherwise(0)),
            low_line_count=ms.sum(ms.when(other).then(1).otherwise(0)),
        )
        .sort("l_shipmode")
    )


def q14(p):
    """Promotion effect."""
    promo = ms.when(col("p_type").like("PROMO%")).then(discounted()).otherwise(0)
    return (
        crossed(p, "lineitem", "part")
        .filter(
            col("l_partkey") == col("p_partkey"),
            col("l_shipdate") >= date(1995, 9, 1),
            col("l_shipdate") < ms.lit(date(1995, 9, 1)) + ms.interval("1 month"),
        )
        .agg(promo_revenue=Decimal("100.00") * ms.sum(promo) / revenue())
    )


def q18(p):
    """Large volume customers."""
    large = (
        p.ref("lineitem")
        .group_by("l_orderkey")
        .agg(total=ms.sum("l_quantity"))
        .filter(col("total") > 300)
        .select("l_orderkey")
    )
    return (
        crossed(p, "customer", "orders", "lineitem")
        .filter(
            col("o_orderkey").is_in(large),
            col("c_custkey") == col("o_custkey"),
            col("o_orderkey") == col("l_orderkey"),
        )
        .group_by("c_name", "c_custkey", "o_orderkey", "o_orderdate", "o_totalprice")
        .agg(ms.sum("l_quantity"))
        .sort(col("o_totalprice").desc(), "o_orderdate")
        .limit(100)
    )


def q19(p):
    """Discounted revenue."""

    def kind(brand, sizes, quantity, size):
        return (
            (col("p_partkey") == col("l_partkey"))
            & (col("p_brand") == brand)
            & col("p_container").is_in(sizes)
            & (col("l_quantity") >= quantity)
            & (col("l_quantity") <= ms.lit(quantity) + 10)
            & col("p_size").between(1, size)
            & col("l_shipmode").is_in(["AIR", "AIR REG"])
            & (col("l_shipinstruct") == "DELIVER IN PERSON")
        )

    return (
        crossed(p, "lineitem", "part")
        .filter(
            kind("Brand#12", ["SM CASE", "SM BOX", "SM PACK", "SM PKG"], 1, 5)
            | kind("Brand#23", ["MED BAG", "MED BOX", "MED PKG", "MED PACK"], 10, 10)
            | kind("Brand#34", ["LG CASE", "LG BOX", "LG PACK", "LG PKG"], 20, 15)
        )
        .agg(revenue=revenue())
    )


QUERIES = {
    "q01": q01, "q03": q03, "q04": q04, "q05": q05, "q06": q06, "q07": q07, "q10": q10, "q12": q12,
    "q14": q14, "q18": q18, "q19": q19,
}  # fmt: skip
