"""The words in which people write pipelines: Python, ``.sql`` files, settings → `Plan`."""
