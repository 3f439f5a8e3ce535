"""Small map/reduce pipelines, and what their tables then hold."""

from mainstem import Pipeline
from mainstem.connectors.files import files
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run

TEXT = "a b a\nc b\r\n\nä a\n"
# What the words of it are, counted by hand.
WORDS = [("a", 3), ("b", 2), ("c", 1), ("ä", 1)]


def pipeline(base, text=TEXT, name="jobs"):
    """A pipeline with one source, `lines`."""
    data = text if isinstance(text, bytes) else text.encode()
    (base / "lines.txt").write_bytes(data)
    p = Pipeline(name)
    p.source("lines", files("lines.txt"), schema="line string")
    return p


def words(row):
    """Map a line to its words."""
    for word in row["line"].split():
        yield word, 1


def total(key, values):
    """Add up; reduces and combines."""
    yield key, sum(values)


def events(p, base, **options):
    """Run, and give what was told."""
    return list(run(p.plan(), RunOptions(base, **options)))


def asked(p, base, sql):
    """Give the answer to a question about the state file."""
    return list(query(base / ".mainstem" / p.name, sql).rows)


def rows(p, base, table="answer", **options):
    """Run, and give the rows of a table, sorted."""
    events(p, base, **options)
    return asked(p, base, f"SELECT * FROM {table} ORDER BY ALL")


def job_facts(told, name="answer"):
    """Give what was counted of a job."""
    return next(e.facts for e in told if e.kind == "job_finished" and e.name == name)
