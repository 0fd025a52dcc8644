"""Language rules for everything a person reads: find each text of the repository and match it against patterns."""
