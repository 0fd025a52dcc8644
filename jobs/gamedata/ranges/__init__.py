"""Bytes by range: of memory, a file, a slice, an object."""
