"""The tables of sessions and frames in schema gold, and the sprites that they name."""
