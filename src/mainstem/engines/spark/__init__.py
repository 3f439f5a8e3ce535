"""Apache Spark: steps as Spark SQL, and DuckDB inside Spark's workers for what Spark says otherwise."""
