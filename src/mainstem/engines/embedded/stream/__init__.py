"""Unbounded sources: epochs, event time, state, and sinks that get each row once."""
