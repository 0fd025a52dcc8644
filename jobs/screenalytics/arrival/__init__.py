"""Find runs: first from events in the outbox, then by listing the prefix."""
