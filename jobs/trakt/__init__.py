"""Bring comments and ratings of Trakt into tables, from its API or from a replayer."""
