"""The command line: parses arguments, calls what is below, and prints what comes back."""
