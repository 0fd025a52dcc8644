"""Checks of what is stored: matches and sums computed again, and matches by other rules."""
