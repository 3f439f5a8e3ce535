"""Map/reduce wherever it runs: what one task does, from a split to its runs, from runs to rows.

Nothing here knows an engine, and everything is importable with the standard library alone: the same
code works in the processes of the embedded engine, and could in the tasks of a cluster. Who hands out
the tasks, and what becomes of a lost one, is the engine's business.
"""
