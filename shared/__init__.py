"""What several pipelines need; imports neither ``jobs`` nor ``workflows``."""
