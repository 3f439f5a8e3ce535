"""What can be computed of each partition by itself, by others than the process that runs a stream."""
