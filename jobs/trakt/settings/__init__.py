"""Parameters of the trakt commands: flags, variables and docs are derived from these fields."""
