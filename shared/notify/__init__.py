"""Tells people of runs that failed: one message a run and channel, after the last attempt."""
