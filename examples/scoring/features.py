"""What the model looks at: the same for training and for scoring, so in one place."""

from pathlib import Path

import numpy as np

MODEL = Path(__file__).parent / "out" / "model.pickle"
ORIGINS = ("EWR", "JFK", "LGA")
CARRIERS = (
    "9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV",
)  # fmt: skip


def matrix(month, hour, distance, origin, carrier):
    """Give one row of numbers for each flight; all arguments are sequences of equal length."""
    origins = {name: float(i) for i, name in enumerate(ORIGINS)}
    carriers = {name: float(i) for i, name in enumerate(CARRIERS)}
    return np.column_stack([
        np.asarray(month, dtype=float),
        np.asarray(hour, dtype=float),
        np.asarray(distance, dtype=float),
        np.array([origins[name] for name in origin]),
        np.array([carriers[name] for name in carrier]),
    ])  # fmt: skip
