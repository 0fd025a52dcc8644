"""Reads and checks one candidate: manifest, artifacts, persons."""
