"""Code shared by the pipelines; imports neither ``jobs`` nor ``workflows``."""
