"""Bronze: page objects as received, and one append-only Delta table of their contents."""
