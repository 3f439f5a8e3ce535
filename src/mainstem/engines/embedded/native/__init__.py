"""What is compiled on the user's machine, where there is a compiler: faster ways to the same answers."""
