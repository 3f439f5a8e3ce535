"""Sources and sinks: a catalogue, found by walking the folder."""
