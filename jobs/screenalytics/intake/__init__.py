"""Intake of runs: prefetch candidates, decide on each, write it once, count it."""
