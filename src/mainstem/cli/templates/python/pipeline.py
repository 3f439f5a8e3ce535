"""Orders and customers: what was paid, by day and country."""

import mainstem as ms

p = ms.Pipeline("orders")

p.source(
    "orders",
    ms.files("data/orders.csv"),
    schema="""
        order_id bigint not null, customer string not null, ordered_at timestamp not null,
        amount decimal(12,2), status string not null""",
)
p.source(
    "customers",
    ms.files("data/customers.jsonl", format="json"),
    schema="customer string not null, country string not null",
)
p.param("status", "string", default="paid")


@p.view
def paid() -> str:
    """Orders that count; another status with `mainstem run --param status=open`."""
    return """
        SELECT customer, CAST(ordered_at AS date) AS day, amount
        FROM orders
        WHERE status = :status"""


@p.table(sink=ms.files("out/by_country.csv"))
def by_country() -> str:
    """One row for each day and country, in that order."""
    return """
        SELECT o.day, c.country, count(*) AS orders, sum(o.amount) AS total
        FROM paid o JOIN customers c ON c.customer = o.customer
        GROUP BY o.day, c.country
        ORDER BY o.day, c.country"""


@p.table
def best() -> str:
    """Customers and what they paid; no sink, so it is kept for `mainstem query`."""
    return "SELECT customer, sum(amount) AS total FROM paid GROUP BY customer"
