"""Pages of the ledger: runs and failed items."""
