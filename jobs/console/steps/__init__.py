"""The commands: serve the app, and issue, list and revoke tokens."""
