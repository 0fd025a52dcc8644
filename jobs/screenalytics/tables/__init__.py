"""Reads and writes the tables of the schema `screenalytics`."""
