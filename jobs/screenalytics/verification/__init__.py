"""Compare the tables with the store."""
