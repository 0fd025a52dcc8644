"""Queries of game sessions."""
