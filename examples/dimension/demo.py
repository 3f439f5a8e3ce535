"""Ten days of a shop: each evening what came in is moved to in/, and the pipeline runs.

`python examples/dimension/demo.py`. The changes of 6 March come three days late.
"""

import os
import shutil
from pathlib import Path

HERE = Path(__file__).parent


def days() -> list[Path]:
    """Give the folders of what arrived, day by day."""
    return sorted((HERE / "arrivals").iterdir())


def arrive(day: Path, target: Path) -> None:
    """Put the files of a day where the pipeline looks, each under its name only when it is whole."""
    target.mkdir(exist_ok=True)
    for file in sorted(day.iterdir()):
        moving = target / f".{file.name}"
        shutil.copy(file, moving)
        moving.rename(target / file.name)


def main() -> None:
    """Let ten days go by, and print what each run did and what was earned where."""
    os.chdir(HERE)
    for made in ("in", "out", ".mainstem"):
        shutil.rmtree(made, ignore_errors=True)
    from pipeline import p
    from report import p as report

    for day in days():
        arrive(day, Path("in"))
        sinks = p.run().ledger["sinks"]
        counts = sinks["customers"]["by_key"]
        done = ", ".join(f"{n} {word}" for word, n in counts.items() if n) or "nothing"
        print(f"{day.name}  customers: {done}; orders: {sinks['orders']['committed']} appended")
    again = p.run()
    print(f"again       {again.rows('customers')} and {again.rows('orders')}: nothing new")
    report.run()
    print(Path("out/by_city.csv").read_text(), end="")


if __name__ == "__main__":
    main()
