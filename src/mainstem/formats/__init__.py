"""File formats: a catalogue, found by walking the folder."""
