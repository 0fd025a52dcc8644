"""Queries behind the pages, and the console's own tables."""
