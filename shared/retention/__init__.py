"""What outlives its use: reports, artifacts, rows of the ledger (`telecine vacuum`)."""
