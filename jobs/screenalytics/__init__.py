"""Screenalytics run manifests -> product tables, each run once and whole."""
