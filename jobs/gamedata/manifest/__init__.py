"""The quality manifest: gather the sessions, build the table, report on it."""
