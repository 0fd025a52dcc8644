"""One file per schema version, numbered with four digits."""
