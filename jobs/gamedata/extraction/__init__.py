"""Decide which TARs to read, and extract them in batches on a pool of workers."""
