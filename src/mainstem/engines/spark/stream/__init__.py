"""Streams on Apache Spark."""
