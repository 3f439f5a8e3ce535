"""Engines: a plan becomes a program, and a program a job."""
