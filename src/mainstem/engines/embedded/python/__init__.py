"""Python functions of the user's, called beside DuckDB: batches out, calls, results back in."""
