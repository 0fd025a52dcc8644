"""The sample set: runs with known outcomes."""
