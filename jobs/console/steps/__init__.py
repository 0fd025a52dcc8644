"""Commands: serve the app; issue, list and revoke tokens."""
