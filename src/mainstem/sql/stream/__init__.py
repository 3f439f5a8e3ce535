"""From bound steps over sources that never end to the nodes of a stream (contract T and C)."""
