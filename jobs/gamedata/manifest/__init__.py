"""Build the quality manifest: collect the sessions of a bucket, assemble the table, and report on it."""
