"""Where the jars of Spark are: in the Python package pyspark, which is found and never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mainstem.errors import SettingsError
from mainstem.record import record


@record
class Package:
    """A pyspark that is installed, which is all of Spark.

    Parameters
    ----------
    home : Path
        Its folder; ``jars`` is in it.
    scala : str
        The Scala that it was built for, such as ``"2.13"``.
    """

    home: Path
    scala: str


def find() -> Package:
    """Give the pyspark of this Python.

    Raises
    ------
    SettingsError
        `PackageMissing`, also for a pyspark that has no jars because it is but a client.
    """
    spec = importlib.util.find_spec("pyspark")
    places = list((spec and spec.submodule_search_locations) or ())
    for place in places:
        for core in Path(place, "jars").glob("spark-core_*.jar"):
            return Package(Path(place), core.name.removeprefix("spark-core_").partition("-")[0])
    what = f"the pyspark in {places[0]} has no jars" if places else "pyspark is not installed here"
    raise SettingsError(
        f"a local spark is started from the package pyspark, and {what}", code="PackageMissing",
        fix="pip install 'mainstem[spark]'",
    )  # fmt: skip
