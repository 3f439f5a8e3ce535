"""Measurements of Mainstem against other engines: `python -m benchmarks [name ...]`.

A benchmark is a module here with ``measure(*, quick) -> Report``; its name is the module's. Each
compares answers first, and a wrong answer fails it. Ratios are of medians, from runs taken in turn
in one sitting, with the raw times and sizes beside them. ``QUICK=1`` is the small form.

This package must stay light: the runner's own memory is a floor under the peak memory that the
system reports for its children.
"""
