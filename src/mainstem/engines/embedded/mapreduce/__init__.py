"""Map/reduce steps in worker processes of this machine."""
