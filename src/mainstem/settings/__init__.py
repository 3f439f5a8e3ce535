"""Settings: mainstem.toml, environment variables, ``--set``, secrets and logging.

Imports nothing of ours but errors. What a setting means for a pipeline is decided in
`mainstem.definition.binding`; here are only values, each with who set it.
"""
