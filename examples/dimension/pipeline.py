"""A slowly changing dimension and a table of facts, each fed with the files that came in since the last run.

`mainstem run` every day: customers get a version for each change, with the span in which it held; orders are appended.
"""

import mainstem as ms

p = ms.Pipeline("shop")

p.source(
    "changes",
    ms.files("in/customers-*.csv", incremental=True),
    schema="""
        id bigint not null, name string, city string, changed_at timestamp not null,
        op string not null""",
)
p.source(
    "new_orders",
    ms.files("in/orders-*.csv", incremental=True),
    schema="""
        id bigint not null, customer bigint not null, amount decimal(12,2) not null,
        ordered_at timestamp not null""",
)
p.expect("changes", ms.accepted("op", ["U", "D"]))
p.expect("new_orders", "amount > 0", name="positive", on_fail="quarantine")

p.table(
    "customers",
    "SELECT id, name, city, changed_at, op FROM changes",
    sink=ms.files(
        "out/customers",
        format="parquet",
        mode=ms.history(
            key="id",
            sequence_by="changed_at",
            columns=["name", "city"],
            delete_when="op = 'D'",
        ),
    ),
)
p.table(
    "orders",
    "SELECT id, customer, amount, ordered_at FROM new_orders",
    sink=ms.files("out/orders", format="parquet", mode="append"),
)
