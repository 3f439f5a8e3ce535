"""The build of the Kafka reader in C: beside which librdkafka it is, and when it is used."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.engines.embedded.native import build as native
from mainstem.engines.embedded.stream.readers.kafka.client import package
from mainstem.errors import SettingsError
from mainstem.settings.log import logger

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.readers.kafka.compiled import Library

SOURCE = Path(__file__).with_name("_kafka_reader.c")
# The messages of librdkafka look as they do since 0.9; before 2.0 there was no test of ours.
OLDEST = 0x020000FF


def is_here() -> bool:
    """Say whether there is a librdkafka to compile it for."""
    try:
        package()
    except SettingsError:
        return False
    return True


def unit() -> native.Unit:
    """Give what is compiled, for the librdkafka that is here."""
    return native.Unit(
        "kafka-reader", "the Kafka reader", SOURCE, str(package().libversion()[0]),
        "mainstem.engines.embedded.stream.readers.kafka.selftest", "Kafka is read in Python",
    )  # fmt: skip


def build() -> Path:
    """Compile the reader, test it, and keep it; see `native.build.build`."""
    made = native.build(unit())
    _loaded.cache_clear()
    return made


def library() -> Library | None:
    """Give the compiled reader; None when there is none for this machine, or it is not wanted."""
    if not native.is_wanted():
        return None
    try:
        file = native.built(unit())
    except OSError:
        return None
    return _loaded(file) if file.is_file() else None


@cache
def _loaded(file: Path) -> Library | None:
    from mainstem.engines.embedded.stream.readers.kafka.compiled import Library

    try:
        found = Library(file, kafka_library())
        if found.version == package().libversion()[1] >= OLDEST:
            return found
        why = f"it calls librdkafka {found.version:#x}, not the one of confluent-kafka"
    except (OSError, AttributeError, LookupError) as error:
        why = str(error)
    # Reading goes on in Python with the same answers, at another speed.
    logger("kafka").warning("the compiled reader cannot be used: %s", why)
    return None


def kafka_library() -> Path:
    """Give the file of librdkafka that confluent-kafka has loaded.

    Raises
    ------
    LookupError
        When it cannot be told; such as when it was linked into the package itself.
    """
    home = Path(package().__file__).parent
    maps = Path("/proc/self/maps")
    if maps.is_file():
        lines = (line.split(maxsplit=5) for line in maps.read_text("utf-8").splitlines())
        paths = {words[5] for words in lines if len(words) == 6}
        found = [path for path in sorted(paths) if "librdkafka" in Path(path).name]
    else:
        places = (home / ".dylibs", home.parent / "confluent_kafka.libs")
        found = [str(path) for place in places for path in sorted(place.glob("librdkafka*"))]
    if len(found) != 1:
        raise LookupError(f"librdkafka was found {len(found)} times in this process")
    return Path(found[0])


def state() -> str:
    """Say for people how Kafka is read here, and how it would be read faster."""
    try:
        version = package().version()
    except SettingsError as error:
        return f"no topics can be read: {error.finding.fix}"
    if library() is not None:
        return f"compiled, with confluent-kafka {version}"
    if not native.is_wanted():
        return f"python, as {native.CHOICE} says"
    how = "faster" if native.compiler() else "faster, once there is gcc or clang"
    return f"python, with confluent-kafka {version}; mainstem doctor --build makes it {how}"
