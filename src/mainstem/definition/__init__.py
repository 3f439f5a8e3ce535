"""The words in which people write pipelines: Python, ``.sql`` files, overrides by settings → `Plan`."""
