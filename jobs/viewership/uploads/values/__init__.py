"""Decide what numbers, dates and durations mean, per column, from all its values."""
