"""What was earned in each city: every order at the city where its customer lived when it was placed."""

import mainstem as ms

p = ms.Pipeline("report")

p.source(
    "customers",
    ms.files("out/customers/*.parquet"),
    schema="id bigint, city string, valid_from timestamp, valid_to timestamp",
)
p.source(
    "orders",
    ms.files("out/orders/*.parquet"),
    schema="customer bigint, amount decimal(12,2), ordered_at timestamp",
)


@p.table(sink=ms.files("out/by_city.csv"))
def by_city():
    """Orders of somebody who was no customer then have no city."""
    return """
        SELECT c.city, count(*) AS orders, sum(o.amount) AS amount
        FROM orders o
        LEFT JOIN customers c ON c.id = o.customer AND o.ordered_at >= c.valid_from
             AND (c.valid_to IS NULL OR o.ordered_at < c.valid_to)
        GROUP BY c.city ORDER BY c.city"""
