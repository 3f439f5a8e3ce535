"""A pipeline that calls Python functions, run over the same rows as a batch and as a stream."""

import json

from mainstem import Pipeline
from mainstem.connectors.files import files
from mainstem.engines.spec import StreamSettings
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run

SCHEMA = "id bigint, amount double, country string, ts timestamp"
COUNTRIES = ("IT", "DE", None)


def payments(n):
    """Rows from a formula: amounts from -3 to 46, every third country NULL, one row a second."""
    return [
        {
            "id": i, "amount": (i * 7) % 50 - 3.0, "country": COUNTRIES[i % 3],
            "ts": f"2026-01-01T00:{i // 60:02d}:{i % 60:02d}Z",
        }
        for i in range(n)
    ]  # fmt: skip


def write(base, rows, name="a"):
    """Put rows into a file of the folder that the stream reads."""
    folder = base / "in"
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{name}.jsonl.new").write_text(text)
    (folder / f"{name}.jsonl.new").replace(folder / f"{name}.jsonl")


def pipeline(base, *, is_stream=True, name="calls"):
    """A pipeline with the source `pay` and a small bounded one, `rates`."""
    p = Pipeline(name)
    words = {"stream": True} if is_stream else {}
    p.source(
        "pay", files(str(base / "in/*.jsonl"), **words), schema=SCHEMA, event_time="ts",
        watermark="5 seconds",
    )  # fmt: skip
    (base / "rates.csv").write_text("code,rate\nIT,2.0\nDE,3.0\nFR,-1.0\n")
    p.source("rates", files(str(base / "rates.csv")), schema="code string, rate double")
    return p


def streamed(p, base, *, epoch_rows=70, ending="caught_up"):
    """Run as a stream; the events."""
    settings = StreamSettings(ending, None, epoch_rows)
    return list(run(p.plan(), RunOptions(base, stream=settings)))


def batched(p, base):
    """Run over inputs that end; the events."""
    return list(run(p.plan(), RunOptions(base)))


def asked(base, question, name="calls"):
    """The rows of a question to the tables."""
    return list(query(base / ".mainstem" / name, question).rows)
