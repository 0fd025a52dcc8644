"""Pages of Trakt: titles and service levels."""
