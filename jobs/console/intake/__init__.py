"""Receiving files: streaming forms into the store, reading a draft in a confined process, and the user's choices."""
