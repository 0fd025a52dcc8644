"""Checks of stored data: matches and sums recomputed, and matches by other rules."""
