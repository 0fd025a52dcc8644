"""Verify what is stored: ledger, page objects, bronze, silver and gold, each compared with what it follows from."""
