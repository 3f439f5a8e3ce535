"""Apache Hadoop's file system HDFS: a NameNode and its DataNodes."""
