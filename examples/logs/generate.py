"""Write the three logs of this example: a gateway's CSV, an API's JSON lines, a worker's text.

The files are committed; this is how they were made. The same seed gives the same bytes. As in real logs some
lines are broken: cut off by a crash, in another encoding, or with numbers that cannot be.
"""

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20250304
START = datetime(2025, 3, 4, 6, tzinfo=UTC)
ENDPOINTS = {  # usual milliseconds and how often it fails
    "/search": (80, 0.01),
    "/cart": (45, 0.01),
    "/pay": (310, 0.06),
    "/login": (120, 0.03),
    "/report": (1400, 0.02),
}
JOBS = {"send_receipt": (260, 0.05), "resize_image": (900, 0.02), "sync_stock": (150, 0.08)}
TRACE = [
    "Traceback (most recent call last):",
    '  File "worker.py", line 88, in run',
    "TimeoutError",
]

# What stands among the sound lines of each log, at places that are drawn.
BROKEN = {
    "gateway.csv": [
        b"2025-03-04T09:12:44.1",  # cut off
        b"2025-03-04T09:30:00.000Z,GET,/caf\xe9,200,81,u12",  # Latin-1
        b"2025-03-04T10:05:09.020Z,GET,/search,OK,77,u03",
        b"2025-03-04T10:06:00.000Z,GET,/search?q=a,b,200,95,u07",  # a comma that nobody quoted
        b"2025-03-04T10:15:00.000Z,POST,/pay,200,-1,u21",
        b"2025-03-04T10:16:00.000Z,GET,/report,200,1741082400000,u22",  # a time for a duration
    ],
    "api.jsonl": [
        b'{"time":"2025-03-04T08:01:00.000Z","level":"info","endpoint":"/se',
        b'{"time":"2025-03-04T08:02:00.000Z","level":"info","endpoint":"/cart","ms":"fast"}',
        b'{"time":"2025-03-04T08:03:00.000Z","endpoint":"/cart","ms":40}',
        b"api-2 restarting, please wait",
        b'{"time":"2025-03-04T08:04:00.000Z","level":"error","endpoint":"/pay","ms":-7,"user":"u05"}',
    ],
    "worker.log": [
        b"2025-03-04T12:00:01.000Z INFO job=sync_stock took=",
        b"2025-03-04T12:00:02.000Z INFO job=resize_image took=9\xb5s",
        b"2025-03-04T12:00:03.000Z WARN queue is full",
        b"2025-13-04T12:00:04.000Z INFO job=sync_stock took=150ms",  # no such month
        b"2025-03-04T12:00:05.000Z INFO job=send_receipt took=9999999ms",
    ],
}


def visits(rng: random.Random) -> list[tuple[datetime, str]]:
    """Give instants and users: each user comes one to three times and then clicks for a while."""
    found = []
    for number in range(60):
        for _ in range(1 + int(rng.random() * 3)):
            at = START + timedelta(seconds=int(rng.random() * 12 * 3600))
            for _ in range(3 + int(rng.random() * 9)):
                at += timedelta(milliseconds=int(2000 + rng.random() * 240_000))
                found.append((at, f"u{number:02}"))
    return sorted(found)


def is_outage(at: datetime) -> bool:
    """Say whether the payment provider was down: between 11:00 and 12:00."""
    return at.hour == 11


def call(rng: random.Random, at: datetime) -> tuple[str, int, int]:
    """Give an endpoint, its status and its milliseconds."""
    name = list(ENDPOINTS)[int(rng.random() ** 1.5 * len(ENDPOINTS))]
    usual, failing = ENDPOINTS[name]
    failing = 0.7 if name == "/pay" and is_outage(at) else failing
    is_failed = rng.random() < failing
    ms = int(usual * (0.5 + rng.random() * 1.5) * (4 if is_failed else 1))
    return name, 503 if is_failed else 200, ms


def text_time(at: datetime) -> str:
    """Give an instant as the logs write it: UTC, milliseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def write_gateway(path: Path, rng: random.Random, rows: list[tuple[datetime, str]]) -> None:
    """Write CSV; a user that is not known is NA."""
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["time", "method", "path", "status", "duration_ms", "user"])
        for at, user in rows:
            name, status, ms = call(rng, at)
            known = user if rng.random() > 0.05 else "NA"
            method = "POST" if name in ("/pay", "/login") else "GET"
            out.writerow([text_time(at), method, name, status, ms, known])


def write_api(path: Path, rng: random.Random, rows: list[tuple[datetime, str]]) -> None:
    """Write JSON lines; the host is there and nobody asks for it."""
    with path.open("w") as file:
        for at, user in rows:
            name, status, ms = call(rng, at)
            level = "error" if status >= 500 else "info"
            event = {"time": text_time(at), "level": level, "endpoint": name, "ms": ms}
            event |= {"host": f"api-{int(rng.random() * 3)}"} | ({"user": user} if user else {})
            file.write(json.dumps(event, separators=(",", ":")) + "\n")


def write_worker(path: Path, rng: random.Random) -> None:
    """Write text lines; an error may be followed by a stack trace, which is no event."""
    lines = []
    at = START
    for _ in range(700):
        at += timedelta(milliseconds=int(rng.random() * 120_000))
        job = list(JOBS)[int(rng.random() * len(JOBS))]
        usual, failing = JOBS[job]
        is_failed = rng.random() < failing
        ms = int(usual * (0.5 + rng.random()))
        level = "ERROR" if is_failed else "INFO"
        lines.append(f"{text_time(at)} {level} job={job} took={ms}ms")
        if is_failed and rng.random() < 0.5:
            lines += TRACE
    path.write_text("\n".join(lines) + "\n")


def break_lines(path: Path, broken: list[bytes], rng: random.Random) -> None:
    """Put broken lines behind the header of a file, anywhere."""
    lines = path.read_bytes().splitlines()
    for line in broken:
        lines.insert(1 + int(rng.random() * (len(lines) - 1)), line)
    path.write_bytes(b"\n".join(lines) + b"\n")


def main() -> None:
    """Write the three files beside this one."""
    folder = Path(__file__).parent / "data"
    folder.mkdir(exist_ok=True)
    rng = random.Random(SEED)  # noqa: S311 - the same data every time is the point
    clicks = visits(rng)
    write_gateway(folder / "gateway.csv", rng, clicks[::2])
    write_api(folder / "api.jsonl", rng, clicks[1::2])
    write_worker(folder / "worker.log", rng)
    for name, lines in BROKEN.items():
        break_lines(folder / name, lines, rng)


if __name__ == "__main__":
    main()
