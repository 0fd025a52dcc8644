"""SQL that reads what the pages show, and the console's own tables."""
