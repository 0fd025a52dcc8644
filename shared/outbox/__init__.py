"""The outbox of a pipeline: events that a producer writes to a table in its own transaction, and their delivery."""
