"""Decide which TARs to read, and read them in batches on a pool of workers."""
