"""Compares the tables with the store."""
