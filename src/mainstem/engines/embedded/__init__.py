"""The engine inside the process: DuckDB. The only place that imports it."""
