"""Generate the sample set: runs with known outcomes."""
