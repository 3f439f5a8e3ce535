"""Run, watch, stop, recover: the state directory, the journal and the lock."""
