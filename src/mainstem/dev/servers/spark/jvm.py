"""What Spark asks of a Java, and what is done for one that lacks a part of it."""

from __future__ import annotations

from pathlib import Path

from mainstem.settings.java import Java, without

_VECTOR = "jdk.incubator.vector"
# Names that executors are given by their driver, whatever Java the worker has for them.
_ADD_VECTOR = f"--add-modules={_VECTOR}"
_OPENED = (
    "java.base/java.lang", "java.base/java.lang.invoke", "java.base/java.lang.reflect",
    "java.base/java.io", "java.base/java.net", "java.base/java.nio", "java.base/java.util",
    "java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref", "java.base/sun.nio.ch", "java.base/sun.nio.cs",
    "java.base/sun.security.action", "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)  # fmt: skip
# As in org.apache.spark.launcher.JavaModuleOptions of Spark 4.2; a test compares. The first lets an older
# Java pass over those that it does not know.
MODULES = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED),
    "-Dio.netty.tryReflectionSetAccessible=true", "-Dio.netty.allocator.type=pooled",
    "-Dio.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE",
    "--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED",
)  # fmt: skip
# Master and workers compute little but their start, and three of them share the cores of a laptop.
_SMALL = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
          "-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true")  # fmt: skip


def options(java: Java) -> list[str]:
    """Give the options of a master or worker; a Java does not start with a module that it lacks."""
    return [*_SMALL, *MODULES, *([_ADD_VECTOR] if java.has_module(_VECTOR) else [])]


def home_for_executors(java: Java, data: Path) -> Path:
    """Give what executors take for the home of Java: its own, or one below `data` that leaves a module out."""
    if java.has_module(_VECTOR):
        return java.home
    return without(java, _ADD_VECTOR, data / "java")
