"""Language rules for all text that people read: find each text in the repository, and match it against patterns."""
