"""How a process of Hadoop is started."""

from __future__ import annotations

from pathlib import Path

from mainstem.dev.spec import needed
from mainstem.settings.java import Java

# Five of them share the cores of a laptop: one compiler and one collector thread each.
_OPTIONS = (
    "-Xms32m", "-Xmx300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)  # fmt: skip


def program(java: Java | None, folder: Path, cache: Path) -> list[str]:
    """Give the Java of a node, whose settings are in its folder, up to the main class."""
    path = f"{folder}:{cache / 'jars' / '*'}"
    return [*needed(java).command, *_OPTIONS, f"-Dhadoop.home.dir={folder}", "-cp", path]
