"""Apache Kafka, brokers that are their own controllers (KRaft)."""
