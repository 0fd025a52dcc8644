"""Queries of Screenalytics."""
