"""Apache Spark, a standalone cluster: a master and its workers."""
