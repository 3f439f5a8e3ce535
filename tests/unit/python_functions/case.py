"""Small pipelines that call Python functions, and what their tables then hold."""

from mainstem import Pipeline
from mainstem.connectors.files import files
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run

# Amounts without one, a country without one: NULL on both kinds of argument.
PAYMENTS = "id,amount,country\n1,1.5,IT\n2,,IT\n3,3.5,DE\n4,4.5,DE\n5,5.5,FR\n6,6.5,\n"
SCHEMA = "id bigint, amount double, country string"


def pipeline(base, text=PAYMENTS, schema=SCHEMA):
    """A pipeline with one source, `payments`."""
    (base / "payments.csv").write_text(text)
    p = Pipeline("calls")
    p.source("payments", files("payments.csv"), schema=schema)
    return p


def rows(p, base, sql, *, table="answer"):
    """Run with one table more, and give its rows, sorted."""
    p.table(table, sql)
    return ran(p, base, f"SELECT * FROM {table} ORDER BY ALL")


def ran(p, base, question):
    """Run, and give the answer to a question."""
    for _ in run(p.plan(), RunOptions(base)):
        pass
    return list(query(base / ".mainstem" / "calls", question).rows)


def events(p, base):
    """Run, and give what was told."""
    return list(run(p.plan(), RunOptions(base)))
