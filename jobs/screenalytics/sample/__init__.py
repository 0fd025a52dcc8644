"""The sample set: runs with known outcome."""
