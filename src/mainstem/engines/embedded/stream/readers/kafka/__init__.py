"""Reads topics of Kafka."""

from mainstem.engines.embedded.stream.readers.kafka.reader import KafkaReader as KafkaReader
