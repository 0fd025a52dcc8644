"""Parameters of the viewership commands: flags, variables, Argo parameters and docs are derived from these fields."""
