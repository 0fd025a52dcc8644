"""Parsers for the members of a TAR: its headers, the MP4 index, metadata.json, inputs.csv."""
