"""One file per version, four digits that count up."""
