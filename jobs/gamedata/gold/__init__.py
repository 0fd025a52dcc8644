"""Tables of sessions and frames in schema gold, and their sprites."""
