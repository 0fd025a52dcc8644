"""Pages of game sessions and their pictures."""
