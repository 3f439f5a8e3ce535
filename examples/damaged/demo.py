"""Damage the flights, run the pipeline on the sound and on the damaged file, and account for every fault.

`python examples/damaged/demo.py`
"""

import os
import sys
from pathlib import Path

from account import Account, account, findings
from damage import write_damaged
from pipeline import data_folder, pipeline

OUT = Path("out")


def main() -> Account:
    """Make the data, run twice, print what was found where."""
    os.chdir(Path(__file__).parent)
    faults = write_damaged(data_folder(), OUT / "flights.csv")
    sound = pipeline(str(data_folder() / "flights.csv.zip"), "out/sound_by_month")
    found_sound = findings(sound, state_dir=".mainstem/sound")
    damaged = pipeline("out/flights.csv", "out/by_month")
    found = findings(damaged, state_dir=".mainstem/damaged")
    books = account(faults, found_sound, found)
    print(books)
    return books


if __name__ == "__main__":
    sys.exit(0 if main().is_balanced else 1)
