"""Apache Hadoop YARN with MapReduce: a ResourceManager, NodeManagers and a history of jobs."""
