"""Deletion of old reports, artifacts and ledger rows (`telecine vacuum`)."""
