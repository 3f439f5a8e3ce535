"""Steps over tables, each lowered to core nodes: a catalogue, found by walking the folder."""
