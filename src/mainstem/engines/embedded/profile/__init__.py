"""Relations measured for `mainstem profile`."""
