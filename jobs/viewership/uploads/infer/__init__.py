"""Propose how a file is read: the format that fits, or a header row and a field for each column, with reasons."""
