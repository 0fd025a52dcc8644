"""Finds runs: by events of the outbox, then by listing the prefix."""
