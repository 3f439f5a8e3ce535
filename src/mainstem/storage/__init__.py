"""Places that hold files, one folder a kind of place."""
