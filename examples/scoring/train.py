"""Train a small model of delays and keep it: `python train.py`, a few seconds.

Every fifth flight of 2013 that arrived; the seed is fixed, so that the same data gives the same model.
"""

import csv
import io
import pickle
import zipfile

from features import MODEL, matrix
from pipeline import DATA
from sklearn.ensemble import HistGradientBoostingRegressor


def main() -> None:
    """Read, fit, write."""
    with zipfile.ZipFile(DATA / "flights.csv.zip") as archive:
        text = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8")
        rows = [row for i, row in enumerate(csv.DictReader(text)) if i % 5 == 0]
    arrived = [row for row in rows if row["arr_delay"] != "NA"]
    features = matrix(
        [int(row["month"]) for row in arrived],
        [int(row["sched_dep_time"]) // 100 for row in arrived],
        [int(row["distance"]) for row in arrived],
        [row["origin"] for row in arrived],
        [row["carrier"] for row in arrived],
    )
    model = HistGradientBoostingRegressor(max_iter=40, random_state=0)
    model.fit(features, [int(row["arr_delay"]) for row in arrived])
    MODEL.parent.mkdir(exist_ok=True)
    MODEL.write_bytes(pickle.dumps(model))
    print(f"trained on {len(arrived):,} flights: {MODEL.relative_to(MODEL.parents[1])}")


if __name__ == "__main__":
    main()
