"""What Mainstem is tested with, for users' own pipelines: cases, runs and comparisons."""
