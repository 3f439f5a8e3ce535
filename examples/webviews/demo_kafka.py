"""The same stream through a real broker: topics in, topics out, killed with -9, run again, and counted.

`make demo-kafka` calls this. The broker is started here and ends here; what the stream has delivered is
counted from its topics by a reader of committed records, which knows nothing of Mainstem.
"""

import json
import shutil
import sys
import threading
import time
from datetime import datetime, timedelta

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from demo import HERE, LATE, OUT, TABLES, rows, run_batch, say, show
from pipeline import p

import mainstem as ms
from mainstem.demo.proof import Proof, compared
from mainstem.demo.recovery import Stream, interrupted, positions
from mainstem.dev import server

TOPICS = {"per_minute": "views-per-minute", "top_pages": "views-top-pages", "visits": "visits"}
INSTANTS = {"window_start", "begun", "ended"}
PARTITIONS = 4
# Records that are made, and how many of them a second are sent: more than the demo gets to read.
COUNT, RATE = 400_000, 20_000
SILENCE_S = 30.0


def main() -> int:
    """Show it; 0 when nothing was lost and nothing doubled."""
    for made in ("kafka", "traffic", "batch"):
        shutil.rmtree(OUT / made, ignore_errors=True)
    say(f"Starting a broker, and making {COUNT:,} views to send")
    with server("kafka") as kafka:
        records, broken = traffic()
        # A broker that has just begun, and one that ends, are nothing to warn of.
        client = {**kafka.client, "log_level": 2}
        admin = AdminClient(client)
        admin.create_topics([NewTopic("views", PARTITIONS, 1)])["views"].result()
        say(f"Kafka at {kafka.address}: {RATE:,} views a second into the topic views")
        with Sender(client, records):
            return killed_and_counted(client, kafka.address, broken)


def traffic() -> tuple[list[bytes], dict[int, bytes]]:
    """Make the records of the generator, in order; the broken ones by their number as well."""
    source = p.plan().source("views")
    maker = ms.Pipeline("traffic")
    binding = source.binding.overridden({"count": COUNT}, "demo")
    maker.source("views", binding, schema=source.schema, on_bad="dead_letter")
    maker.table("sent", "SELECT * FROM views", sink=ms.files(str(OUT / "traffic" / "sent.jsonl")))
    # One thread: the order of arrival is what a stream is about.
    maker.run(base_dir=HERE, state_dir=OUT / "traffic" / "state", threads=1)
    with maker.connect(state_dir=OUT / "traffic" / "state") as tables:
        broken = dict(tables.query("SELECT __row, __raw FROM views__dead").rows)
    good = iter((OUT / "traffic" / "sent.jsonl").read_bytes().splitlines())
    return [broken[n] if n in broken else next(good) for n in range(COUNT)], broken


class Sender:
    """Sends the records, record n to partition n % 4, at a steady rate, while the block is open."""

    def __init__(self, client: dict, records: list[bytes]) -> None:
        self.producer = Producer(client | {"enable.idempotence": True, "linger.ms": 5})
        self.records = records
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.send)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.producer.flush()

    def send(self) -> None:
        began, sent = time.monotonic(), 0
        while sent < len(self.records) and not self.ended.wait(0.01):
            due = min(int((time.monotonic() - began) * RATE), len(self.records))
            for number in range(sent, due):
                self.producer.produce("views", self.records[number], partition=number % PARTITIONS)
            self.producer.poll(0)
            sent = due


def killed_and_counted(client: dict, address: str, broken: dict[int, bytes]) -> int:
    """Run the stream, kill it, run it again; then read its topics and compare."""
    # Small epochs: there is more to be cut in two.
    options = ("--env", "kafka", "--epoch-rows", "10000")
    environ = {"KAFKA_SERVERS": address}
    stream = Stream(HERE / "pipeline.py", p.name, "views", OUT / "kafka", options, environ)
    recovery = interrupted(stream, kill_after=40_000, run_on=timedelta(minutes=6), tell=say)
    found = {name: committed(client, name) for name in TABLES}
    with p.connect(state_dir=stream.state_dir) as tables:
        late = tables.query(LATE).rows[0][0]
        dead = tables.query("SELECT raw FROM views__dead").rows
    # In each partition all records before its position were read, and none behind it.
    ends = {int(name.rpartition("/")[2]): rows for name, rows in positions(stream).items()}
    seen = [(raw,) for n, raw in broken.items() if n // PARTITIONS < ends.get(n % PARTITIONS, 0)]
    run_batch(COUNT, OUT / "batch")
    with p.connect(state_dir=OUT / "batch") as tables:
        compares = [
            compared(name, rows(tables, name, recovery.ended.watermark), found[name])
            for name in TABLES
        ]
    proof = Proof((*compares, compared("broken records", seen, dead)))
    return show(recovery, proof, dead=len(dead), late=late)


def committed(client: dict, table: str) -> list[tuple]:
    """Read a topic from its start to its end, as any reader of committed records sees it."""
    topic = TOPICS[table]
    consumer = Consumer(client | {
        "group.id": "demo", "isolation.level": "read_committed", "enable.auto.commit": False,
        "enable.partition.eof": True,
    })  # fmt: skip
    places = consumer.list_topics(topic, timeout=SILENCE_S).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in places])
    left, found = len(places), []
    while left:
        message = consumer.poll(SILENCE_S)
        if message is None:
            raise TimeoutError(f"the topic {topic} has not come to its end")
        if message.error() is None:
            found.append(values(table, json.loads(message.value())))
        elif message.error().code() == KafkaError._PARTITION_EOF:
            left -= 1
        else:
            raise RuntimeError(message.error().str())
    consumer.close()
    return found


def values(table: str, record: dict) -> tuple:
    """Give the values of a record, instants as such."""
    names = TABLES[table][0].split(", ")
    return tuple(
        datetime.fromisoformat(record[name]) if name in INSTANTS else record[name] for name in names
    )


if __name__ == "__main__":
    sys.exit(main())
