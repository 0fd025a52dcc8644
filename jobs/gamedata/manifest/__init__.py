"""The quality manifest: parts gathered, the table, its schema, its report."""
